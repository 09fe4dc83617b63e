"""Where everything lies in an exported folder, and how a tensor is written into it (EXPORT.md)."""

import io
import json
from dataclasses import dataclass

import numpy as np

from bnconform.dtypes import dtype

from ..golden.tensors import encode
from ..records import Case

SCHEMA = "bnconform-export/1"
FORMATS = ("safetensors", "npy")
EMPTY = b"\xff"  # every byte of a slot that nobody has filled in


@dataclass(frozen=True)
class Slot:
    """A tensor in a file: `bytes` bytes at `offset`, little-endian, C order. path: below the folder, with slashes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int
    offset: int
    path: str


def case_folder(case: str) -> str:
    """Folder of a case below the exported one."""
    return f"cases/{case}"


def store(format: str, folder: str, stem: str, tensors: dict[str, np.ndarray]) -> tuple[dict[str, bytes], list[Slot]]:
    """(path -> content, slots in the order of `tensors`): one file of safetensors, or one .npy a tensor."""
    if not tensors:
        return {}, []
    if format == "npy":
        files = {f"{folder}/{stem}/{name}.npy": npy(array) for name, array in tensors.items()}
        places = [(path, len(blob) - array.nbytes) for (path, blob), array in zip(files.items(), tensors.values())]
    else:
        path, blob = f"{folder}/{stem}.safetensors", encode(tensors)
        files, data = {path: blob}, 8 + int.from_bytes(blob[:8], "little")
        header = json.loads(blob[8:data])
        places = [(path, data + header[name]["data_offsets"][0]) for name in tensors]
    slots = [
        Slot(name, array.dtype.name, array.shape, array.nbytes, offset, path)
        for (name, array), (path, offset) in zip(tensors.items(), places)
    ]
    return files, slots


def npy(array: np.ndarray) -> bytes:
    """An .npy file of version 1.0; bfloat16, which that format does not know, as its 16 bits in `<u2`."""
    stream = io.BytesIO()
    bits = array.view(np.uint16) if array.dtype.name == "bfloat16" else array
    np.lib.format.write_array(stream, np.ascontiguousarray(bits), version=(1, 0), allow_pickle=False)
    return stream.getvalue()


def empty(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A slot that waits to be filled in."""
    kind = dtype(name)
    return np.frombuffer(EMPTY * (int(np.prod(shape)) * kind.itemsize), kind).reshape(shape)


def is_empty(array: np.ndarray) -> bool:
    """Whether nobody has written into a slot (one without elements is neither)."""
    return array.size > 0 and array.tobytes() == EMPTY * array.nbytes


def index_lines(case: Case, inputs: list[Slot], outputs: list[Slot]) -> list[str]:
    """A case as plain text: words separated by one space, no word empty or quoted."""
    counted = lambda values: f"{len(values)} " + " ".join(map(str, values)) if values else "0"
    lines = [
        f"case {case.id}",
        f"raises {case.raises or '-'}",
        f"shape {counted(case.shape)}",
        f"channel_axes {counted(case.channel_axes)}",
        f"eps {case.eps!r}",
        f"decay {'cumulative' if case.decay is None else repr(case.decay)}",
        f"dtypes {case.x_dtype} {case.param_dtype} {case.state_dtype}",
    ]
    for index, step in enumerate(case.steps):
        lines.append(f"step {index} {step.mode}")
        for name, value in step.options.items():
            if name == "refill":
                continue  # a file has no address
            lines.append(f"option {index} {name} {counted(value if isinstance(value, (list, tuple)) else [value])}")
    for word, slots in (("input", inputs), ("output", outputs)):
        lines += [f"{word} {s.name} {s.dtype} {counted(s.shape)} {s.bytes} {s.offset} {s.path}" for s in slots]
    return [*lines, "end"]
