"""Files of the frameworks, read and written whole: nothing is executed on reading, nothing is left half written.

A `.pt` is read with weights only; `.npz` without pickle; `.keras` as a zip of JSON and HDF5. What a state_dict has no
place for, the constructor arguments, lies beside it in `FILE.arguments.json`, and is read again from there.
"""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bnconform.dtypes import dtype

from .core import MovingError
from .values import Values, natural

SIDECAR = ".arguments.json"
SUFFIXES = {
    ".pt": "torch", ".pth": "torch", ".safetensors": "torch", ".npz": "core", ".weights.h5": "keras",
    ".keras": "keras", ".msgpack": "flax-linen", ".onnx": "onnx",
}  # fmt: skip
PICKLES = (".pdparams", ".pkl", ".pickle", ".ckpt", ".bin")

CODES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "BOOL": "bool", "I64": "int64",
    "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64",
}  # fmt: skip


def suffix_of(path) -> str:
    """The suffix that says how a file is read. Errors: MovingError."""
    name = Path(path).name
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            return suffix
    more = "; a pickle can run any program when it is read: save as .safetensors" if name.endswith(PICKLES) else ""
    raise MovingError(f"{name}: expected a file that ends in {', '.join(SUFFIXES)}{more}")


def read(path, form: str | None = None) -> Values:
    """The values of a file. form: whose file it is, where its suffix says too little (.safetensors, .npz, .msgpack).

    Errors: MovingError for a file that is missing, damaged, or not of that kind.
    """
    path, suffix = Path(path), suffix_of(path)
    if not path.is_file():
        raise MovingError(f"{path}: no such file")
    try:
        values = READERS[suffix](path)
    except MovingError:
        raise
    except ModuleNotFoundError as error:
        raise MovingError(f"{path.name}: reading {suffix} needs {error.name}, which is not installed") from None
    except Exception as error:  # whatever a reader raises on a damaged file
        words = str(error).split("\n")[0][:200]
        raise MovingError(f"{path.name}: cannot be read as {suffix}: {type(error).__name__}: {words}") from None
    values.form = form or values.form
    values.arguments = dict(values.arguments) | _sidecar(path)
    return values


def write(path, values: Values, template: Values | None = None) -> list[Path]:
    """Write a file, and its arguments beside it where the format has no place for them; all or nothing.

    template: of the same format, for .keras and .onnx, which hold an architecture too. Returns the paths written.
    """
    path, suffix = Path(path), suffix_of(path)
    try:
        blob = WRITERS[suffix](values, template)
    except ModuleNotFoundError as error:
        raise MovingError(f"{path.name}: writing {suffix} needs {error.name}, which is not installed") from None
    files = {path: blob}
    if suffix not in (".keras", ".onnx") and values.arguments:
        files[path.with_name(path.name + SIDECAR)] = json.dumps(values.arguments, indent=1).encode() + b"\n"
    _replace(files)
    return list(files)


def _replace(files):
    """Every file under a name of its own first, then all are moved to their places."""
    made = {}
    try:
        for path, blob in files.items():
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            made[path] = name
            with os.fdopen(handle, "wb") as file:
                file.write(blob)
        for path, name in made.items():
            os.replace(name, path)
    except OSError as error:
        raise MovingError(f"cannot write {error.filename}: {error.strerror}") from None
    finally:
        for name in made.values():
            Path(name).unlink(missing_ok=True)


def _sidecar(path):
    beside = path.with_name(path.name + SIDECAR)
    if not beside.is_file():
        return {}
    try:
        found = json.loads(beside.read_text())
        if not all(isinstance(arguments, dict) for arguments in found.values()):
            raise ValueError("expected a layer's arguments under each layer's path")
    except (ValueError, AttributeError) as error:
        raise MovingError(f"{beside.name}: cannot be read: {error}") from None
    return found


def read_torch(path):
    import torch

    from .objects import from_torch

    loaded = torch.load(path, map_location="cpu", weights_only=True)
    while isinstance(loaded, dict) and not any(hasattr(v, "numpy") for v in loaded.values()):
        inner = [v for v in loaded.values() if isinstance(v, dict)]
        if len(inner) != 1:
            raise MovingError(f"{path.name}: expected a state_dict, or one under a key; got keys {list(loaded)[:5]}")
        loaded = inner[0]
    return from_torch(loaded)


def write_torch(values, template):
    import io

    import torch

    from .objects import to_torch

    buffer = io.BytesIO()
    torch.save(to_torch(values), buffer)
    return buffer.getvalue()


def read_safetensors(path):
    from safetensors import deserialize

    arrays = {}
    for name, view in sorted(deserialize(path.read_bytes()), key=lambda item: natural(item[0])):
        if view["dtype"] not in CODES:
            raise MovingError(f"{path.name}: {name} has type {view['dtype']}, expected one of {', '.join(CODES)}")
        kind = dtype("bfloat16") if view["dtype"] == "BF16" else np.dtype(CODES[view["dtype"]])
        arrays[name] = np.frombuffer(bytearray(view["data"]), kind).reshape(view["shape"])
    return Values("torch", arrays)


def write_safetensors(values, template):
    from safetensors.numpy import save

    return save({name: np.array(array, order="C") for name, array in values.arrays.items()})


def read_npz(path):
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    marked = ".bfloat16"  # NumPy's format has no bfloat16: the bits lie there as integers, under a marked name
    view = lambda name, a: (name[: -len(marked)], a.view(dtype("bfloat16"))) if name.endswith(marked) else (name, a)
    return Values("core", dict(view(*item) for item in arrays.items()))


def write_npz(values, template):
    import io

    buffer, arrays = io.BytesIO(), {}
    for name, array in values.arrays.items():
        wide = array.dtype.name == "bfloat16"
        arrays[f"{name}.bfloat16" if wide else name] = array.view(np.uint16) if wide else array
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def read_msgpack(path):
    from flax.serialization import msgpack_restore

    from .objects import flat

    tree = msgpack_restore(path.read_bytes())
    if not isinstance(tree, dict):
        raise MovingError(f"{path.name}: holds a {type(tree).__name__}, expected a tree of variables")
    return Values("flax-linen" if "batch_stats" in tree else "flax-nnx", flat(tree))


def write_msgpack(values, template):
    from flax.serialization import msgpack_serialize

    from .objects import nested

    return msgpack_serialize(nested(values.arrays))


def _later(module: str, name: str) -> Callable:
    """A function of a module that is loaded when it is called."""
    from importlib import import_module

    return lambda *given: getattr(import_module(f".{module}", __package__), name)(*given)


READERS = {
    ".pt": read_torch, ".pth": read_torch, ".safetensors": read_safetensors, ".npz": read_npz,
    ".weights.h5": _later("hdf5", "read_weights"), ".keras": _later("hdf5", "read_archive"), ".msgpack": read_msgpack,
    ".onnx": _later("graph", "read_onnx"),
}  # fmt: skip
WRITERS = {
    ".pt": write_torch, ".pth": write_torch, ".safetensors": write_safetensors, ".npz": write_npz,
    ".weights.h5": _later("hdf5", "write_weights"), ".keras": _later("hdf5", "write_archive"),
    ".msgpack": write_msgpack, ".onnx": _later("graph", "write_onnx"),
}  # fmt: skip
