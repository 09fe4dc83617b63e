"""Reading files that anybody may have written: bounded, by names of our own, no link followed, nothing executed."""

import io
import json
import math
import os
import stat
from contextlib import contextmanager

import numpy as np

from bnconform.dtypes import dtype

from ..golden.tensors import GoldenError, decode
from ..schema import once
from ..text import line

HEADER = 1 << 20  # bytes a header may have; those of exported files stay far below
NPY_HEADER = 10_000  # as numpy's own limit


class Refused(Exception):
    """A file is not read; one clear line, beginning with its name."""


@contextmanager
def opened(root: int, path: str, flags: int = 0):
    """Descriptor of root/path, or None where it is not there. Errors: Refused for links and anything odd on the way."""
    held, parts = os.dup(root), path.split("/")
    try:
        for index, part in enumerate(parts):
            kind = flags if index == len(parts) - 1 else os.O_DIRECTORY
            try:
                _check_kind("/".join(parts[: index + 1]), os.lstat(part, dir_fd=held).st_mode, kind & os.O_DIRECTORY)
                found = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | kind, dir_fd=held)
            except FileNotFoundError:
                yield None
                return
            except OSError as error:
                raise Refused(f"{path}: {error.strerror}") from None
            os.close(held)
            held = found
        yield held
    finally:
        os.close(held)


def _check_kind(path, mode, folder):
    if stat.S_ISLNK(mode):
        raise Refused(f"{path}: is a symbolic link, which is never followed")
    if not (stat.S_ISDIR(mode) if folder else stat.S_ISREG(mode)):
        raise Refused(f"{path}: is not {'a folder' if folder else 'a regular file'}")


def read(root: int, path: str, most: int) -> bytes | None:
    """Content of a regular file of at most `most` bytes, None where it is not there. Errors: Refused."""
    with opened(root, path) as found:
        if found is None:
            return None
        size = os.fstat(found).st_size
        if size > most:
            raise Refused(f"{path}: has {size:,} bytes, expected at most {most:,}")
        with os.fdopen(os.dup(found), "rb") as stream:
            return stream.read(most)


def listing(root: int, path: str) -> list[str]:
    """Names in a folder, sorted; none where it is not there. Errors: Refused."""
    with opened(root, path, os.O_DIRECTORY) as found:
        return sorted(os.listdir(found)) if found is not None else []


def safetensors(path: str, blob: bytes) -> dict[str, np.ndarray]:
    """Tensors of a safetensors file by name. Errors: Refused."""
    if len(blob) < 8:
        raise Refused(f"{path}: is truncated: {len(blob)} bytes, expected 8 for the length of the header")
    length = int.from_bytes(blob[:8], "little")
    if length > min(HEADER, len(blob) - 8):
        raise Refused(
            f"{path}: says that its header has {length:,} bytes; {len(blob) - 8:,} follow, and {HEADER:,} is the most"
        )
    try:
        json.loads(blob[8 : 8 + length].decode(), object_pairs_hook=once)
        return decode(blob)
    except (ValueError, RecursionError, GoldenError) as error:
        raise Refused(f"{path}: {line(error, 300)}") from None
    except Exception as error:  # safetensors has errors of its own
        raise Refused(f"{path}: is no safetensors file, or is truncated: {line(error, 300)}") from None


def npy(path: str, blob: bytes, bfloat16: bool) -> np.ndarray:
    """The array of an .npy file; of `<u2` as bfloat16 where the slot is one. Errors: Refused."""
    stream = io.BytesIO(blob)
    try:
        shape, fortran, kind = _npy_header(path, stream)
    except Exception as error:  # of numpy, ast or tokenize: the header is a Python literal
        raise Refused(f"{path}: is no .npy file: {line(error, 300)}") from None
    if kind.hasobject or kind.kind not in "fiub":
        raise Refused(f"{path}: holds {kind.str!r}, expected numbers")
    if any(type(size) is not int or size < 0 for size in shape):
        raise Refused(f"{path}: has shape {shape_text(shape)}, expected sizes of at least 0")
    expected, left = math.prod(shape) * kind.itemsize, len(blob) - stream.tell()
    if left != expected:
        wanted = f"{expected:,}" if expected < 1 << 63 else "more than 2^63"
        raise Refused(
            f"{path}: has {left:,} bytes of data, expected {wanted} for shape {shape_text(shape)} of {kind.name}"
        )
    array = np.frombuffer(bytearray(blob[stream.tell() :]), kind).reshape(shape, order="F" if fortran else "C")
    array = array.astype(kind.newbyteorder("="))
    return array.view(dtype("bfloat16")) if bfloat16 and array.dtype == np.uint16 else array


def _npy_header(path, stream):
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version}, expected (1, 0) or (2, 0)")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(stream, max_header_size=NPY_HEADER)


def shape_text(shape) -> str:
    """A shape of any size in a few words."""
    return (
        "("
        + ", ".join(str(size) if abs(size) < 1 << 63 else "huge" for size in shape[:8])
        + (", …)" if len(shape) > 8 else ")")
    )
