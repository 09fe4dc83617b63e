"""Cases -> a folder of files that a program in any language can read and fill in."""

import json
import os
import shutil
import tempfile
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

import bnconform

from ..golden.store import Golden
from ..judge.allowances import output_dtype
from ..records import Case
from ..run.plan import UsageError
from .declaration import template
from .folder import SCHEMA, case_folder, empty, index_lines, store


def export(folder: Path, golden: Golden, cases: list[Case], format: str, with_golden: bool) -> None:
    """Write `folder` as a whole or not at all. Errors: UsageError if it holds anything, or cannot be written."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()) or (folder.is_dir() and any(folder.iterdir())):
        raise UsageError(
            f"{folder} is there already, expected a new or an empty folder: what a port wrote is never overwritten"
        )
    try:
        parent = folder.resolve().parent
        temporary = Path(tempfile.mkdtemp(dir=parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror}") from None
    try:
        _write(temporary, golden, cases, format, with_golden)
        temporary.chmod(0o755)
        os.replace(temporary, folder.resolve())
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(root, golden, cases, format, with_golden):
    index = [SCHEMA]
    for case in cases:
        contents, lines = case_files(golden, case, format, with_golden)
        for path, blob in contents.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(blob)
        index += lines
    about = {"schema": SCHEMA, "suite": bnconform.__version__, "golden": golden.hash, "format": format}
    _write_json(root / "export.json", about | {"cases": [case.id for case in cases]})
    _write_json(root / "port.json", template())
    (root / "index.txt").write_text("\n".join(index) + "\n")
    (root / "EXPORT.md").write_text((files("bnconform.conformance.ports") / "EXPORT.md").read_text())


def case_files(golden: Golden, case: Case, format: str, with_golden: bool) -> tuple[dict[str, bytes], list[str]]:
    """(path -> content, lines of the index) of one case."""
    folder, inputs = case_folder(case.id), dict(sorted(golden.inputs(case).items()))
    contents, given = store(format, folder, "inputs", inputs)
    wanted = {} if case.raises else golden.wanted(case, 0)
    blank = {
        name: empty(output_dtype(case, name.split(".", 1)[1]), wanted[name][0].shape)
        for name in case.outputs()
        if wanted
    }
    slots_files, slots = store(format, folder, "outputs", blank)
    contents |= slots_files
    for running_ddof in (0, 1) if with_golden and wanted else ():
        exact = {name: rounded for name, (rounded, _) in golden.wanted(case, running_ddof).items()}
        contents |= store(format, folder, f"expected-ddof{running_ddof}", exact)[0]
    record = case.to_json() | {"inputs": [asdict(slot) for slot in given], "outputs": [asdict(slot) for slot in slots]}
    contents[f"{folder}/case.json"] = (json.dumps(record, indent=1) + "\n").encode()
    return contents, index_lines(case, given, slots)


def _write_json(path, data):
    path.write_text(json.dumps(data, indent=1) + "\n")


def fits_files(case: Case) -> bool:
    """Whether files can ask what the case asks: how an array lies in memory does not travel in them [BN-8.3], and laws
    have no frozen values that would give a slot its shape.
    """
    return not case.law and all(step.memory == "contiguous" for step in case.steps)
