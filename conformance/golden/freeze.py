"""Make the golden files: drafts, answered by the oracle, written and hashed.

python -m bnconform.conformance.golden.freeze            write all families
python -m bnconform.conformance.golden.freeze --check    write nothing, fail if the drafts differ from the files
python -m bnconform.conformance.golden.freeze --pin      write the hash of a manifest that was put together by hand
"""

import hashlib
import json
import sys
from collections import defaultdict
from pathlib import Path

from ..cases import drafts
from ..rows import rows
from .answer import golden_tensors
from .large import describe
from .store import FOLDER, PIN, hash_of
from .tensors import encode

VERSION = "1"  # of the format
EDITION = 2  # of what is asked; README.md lists what each brought


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
        "edition": EDITION,
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
    pin(folder)


def pin(folder: Path) -> None:
    """Write down the hash of what the manifest of a folder says."""
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / PIN).write_text(f"{hash_of(manifest)}\n")


def main(arguments: list[str]) -> int:
    if arguments == ["--pin"]:
        pin(FOLDER)
        return 0
    if arguments == ["--check"]:
        manifest, files = build()
        same = rows(manifest, 2) == (FOLDER / "manifest.json").read_text()
        answer = "equal" if same else "DIFFERENT"
        print(f"{len(manifest['cases'])} cases, {sum(map(len, files.values())):,} bytes: {answer}")
        return 0 if same else 1
    if arguments:
        print("usage: python -m bnconform.conformance.golden.freeze [--check | --pin]", file=sys.stderr)
        return 2
    write()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
