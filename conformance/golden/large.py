"""Golden tensors of cases too large to freeze: drawn from their bits, answered by the oracle, checked by hash, cached.

The manifest holds two SHA-256 of each such case: of its inputs and of all its tensors, encoded as a golden file would
be.
"""

import hashlib
import os
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..cases import large_draft
from ..cases.draft import Draft
from ..records import Case
from .tensors import Frozen, GoldenError, decode, encode


def cache_folder() -> Path:
    """Where rebuilt tensors are kept: `$BNCONFORM_CACHE`, or the user's cache folder of the system."""
    if chosen := os.environ.get("BNCONFORM_CACHE"):
        return Path(chosen)
    home = Path.home()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or home / ".cache"
    return Path(base) / "bnconform"


def sha256(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()


def describe(draft: Draft, tensors: dict[str, np.ndarray]) -> dict:
    """What the manifest holds of a large case: hashes of its inputs and of all its tensors, and their size."""
    blob = encode(tensors)
    return {"inputs": sha256(encode(draft.tensors)), "sha256": sha256(blob), "bytes": len(blob)}


def load(case: Case, expected: Frozen) -> dict[str, np.ndarray]:
    """All tensors of a large case by their full names; `expected` as the manifest has it.

    Errors: GoldenError where the drawn inputs or the oracle's answers have another hash than the manifest says.
    """
    path = cache_folder() / f"{expected.sha256}.safetensors"
    try:
        blob = path.read_bytes()
    except OSError:
        blob = b""
    if sha256(blob) != expected.sha256:
        blob = _rebuild(case, expected)
        _keep(path, blob)
    return decode(blob)


def _rebuild(case, expected):
    from .answer import golden_tensors  # the oracle loads only where it is needed

    draft = large_draft(case.id)
    if draft is None:
        raise GoldenError(f"no large case is called {case.id}: the manifest and this version do not fit together")
    _check(case, "inputs", sha256(encode(draft.tensors)), expected.inputs)
    blob = encode(golden_tensors(draft))
    _check(case, "golden values", sha256(blob), expected.sha256)
    return blob


def _check(case, what, got, expected):
    if got != expected:
        raise GoldenError(
            f"the {what} of {case.id} have SHA-256 {got[:16]}…, expected {expected[:16]}… of the manifest"
        )


def _keep(path, blob):
    """Write as a whole or not at all; a cache that cannot be written only costs time."""
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(blob)
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
