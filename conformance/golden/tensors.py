"""Arrays as safetensors bytes, bfloat16 included; the same arrays give the same bytes under every version of any
library."""

import json
from dataclasses import dataclass

import numpy as np

from bnconform.dtypes import dtype

CODES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "BOOL": "bool", "I64": "int64"}
NAMES = {name: code for code, name in CODES.items()}


class GoldenError(Exception):
    """The golden files are damaged, missing, or of another version."""


@dataclass(frozen=True)
class Frozen:
    """What the manifest says of a file: its hash and size; of a large case that of its inputs too."""

    sha256: str
    bytes: int
    inputs: str | None = None


def decode(blob: bytes) -> dict[str, np.ndarray]:
    """Arrays of a safetensors file, bfloat16 included; copies, so that nobody shares memory."""
    from safetensors import deserialize

    arrays = {}
    for name, view in deserialize(blob):
        kind = CODES.get(view["dtype"])
        if kind is None:
            raise GoldenError(f"tensor {name} has type {view['dtype']}, expected one of {', '.join(CODES)}")
        kind = np.dtype(kind) if kind in ("bool", "int64") else dtype(kind)
        arrays[name] = np.frombuffer(bytearray(view["data"]), kind).reshape(view["shape"])
    return arrays


def encode(arrays: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> bytes:
    """safetensors bytes of `arrays`; the same arrays give the same bytes under every version of any library.

    Wider types first, names in order within, so that every tensor is aligned to its own size.
    """
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    header, chunks, offset = ({"__metadata__": metadata} if metadata else {}), [], 0
    for name in sorted(arrays, key=lambda name: (-arrays[name].itemsize, name)):
        array, chunk = arrays[name], np.ascontiguousarray(arrays[name]).tobytes()
        header[name] = {
            "dtype": NAMES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + len(chunk)],
        }
        chunks.append(chunk)
        offset += len(chunk)
    text = json.dumps(header, separators=(",", ":"), sort_keys=False).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *chunks])
