"""Make the golden files: drafts, answered by the oracle, written and hashed.

python -m bnconform.conformance.golden.freeze            write all families
python -m bnconform.conformance.golden.freeze --check    write nothing, fail if the drafts differ from the files
"""

import hashlib
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from bnconform import oracle

from ..cases import drafts
from ..cases.draft import Draft
from ..judge.allowances import output_dtype
from ..operations import GIVEN, main
from ..records import Case
from ..rows import rows
from .copies import Copies
from .large import describe
from .store import FOLDER, encode

VERSION = "1"


def oracle_steps(case: Case, tensors: dict) -> list[dict]:
    """The steps of a case in the oracle's words."""
    return [
        {
            "mode": step.mode,
            **{name: tensors[f"{index}.{name}"] for name in step.inputs},
            **main(step).words(step.options),
        }
        for index, step in enumerate(case.steps)
    ]


def answer(case: Case, tensors: dict, running_ddof: int) -> dict[str, oracle.Exact]:
    """Exact outputs of a case by name, `<step>.<output>`."""
    operation = main(case.steps[0])
    if operation.static:
        return operation.answer(case, tensors)
    results = oracle.evaluate(
        oracle_steps(case, tensors),
        **{name: tensors.get(name) for name in GIVEN},
        eps=case.eps,
        decay=case.decay,
        running_ddof=running_ddof,
        channel_axes=case.channel_axes,
    )
    return {
        f"{index}.{name}": result[name]
        for index, (step, result) in enumerate(zip(case.steps, results))
        for name in step.outputs
    }


def golden_tensors(draft: Draft) -> dict[str, np.ndarray]:
    """All tensors of a case as they stand in the file, by full name."""
    case, tensors = draft.case, draft.tensors
    parts = {f"in|{name}": value for name, value in tensors.items()}
    if not (case.raises or case.law):
        plain = _rounded(case, tensors, 0)
        parts |= {f"{part}|{name}": value for (part, name), value in plain.items()}
        if case.has_state:
            other = _rounded(case, tensors, 1)
            parts |= {
                f"{part}-ddof1|{name}": value
                for (part, name), value in other.items()
                if value.tobytes() != plain[part, name].tobytes()
            }
    return {f"{case.id}|{name}": value for name, value in parts.items()}


def _rounded(case, tensors, running_ddof):
    """(part, output) -> array: "want" in the output's type, "want64" where that is narrower than float64.

    A large case is answered for its distinct channels, whose values stand in all their copies [BN-1.1].
    """
    copies = Copies.of(case, tensors) if case.large else None
    exact = answer(case, copies.few(tensors) if copies else tensors, running_ddof)
    arrays = {}
    for name, value in exact.items():
        kind = output_dtype(case, name.split(".")[1])
        for part in ("want", "want64") if kind != "float64" else ("want",):
            array = value.round(kind if part == "want" else "float64")
            arrays[part, name] = copies.all(name, array) if copies else array
    return arrays


def build(of=None) -> tuple[dict, dict[str, bytes]]:
    """(manifest, file name -> bytes) of the drafts `of`, else of all; large cases leave their hashes only."""
    families, large = defaultdict(dict), {}
    cases = []
    for draft in drafts() if of is None else of:
        tensors = golden_tensors(draft)
        if draft.case.large:
            large[draft.case.id] = describe(draft, tensors)
        else:
            families[draft.case.family] |= tensors
        cases.append(draft.case.to_json())
    files = {f"{name}.safetensors": encode(tensors) for name, tensors in families.items()}
    manifest = {
        "schema": "bnconform-golden",
        "version": VERSION,
        "files": {
            name: {"sha256": hashlib.sha256(blob).hexdigest(), "bytes": len(blob)}
            for name, blob in sorted(files.items())
        },
        "large": large,
        "cases": cases,
    }
    return manifest, files


def write(folder: Path = FOLDER, of=None) -> None:
    """Write manifest and files; the manifest last, so that a broken-off run is noticed."""
    manifest, files = build(of)
    folder.mkdir(parents=True, exist_ok=True)
    for name, blob in files.items():
        (folder / name).write_bytes(blob)
    (folder / "manifest.json").write_text(rows(manifest, 2))


def command(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        manifest, files = build()
        same = rows(manifest, 2) == (FOLDER / "manifest.json").read_text()
        answer = "equal" if same else "DIFFERENT"
        print(f"{len(manifest['cases'])} cases, {sum(map(len, files.values())):,} bytes: {answer}")
        return 0 if same else 1
    if arguments:
        print("usage: python -m bnconform.conformance.golden.freeze [--check]", file=sys.stderr)
        return 2
    write()
    return 0


if __name__ == "__main__":
    sys.exit(command(sys.argv[1:]))
