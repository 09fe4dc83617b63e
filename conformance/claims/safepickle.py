"""CIFAR-10's Python batches without trusting them.

A pickle is a program. This one is first read as text by :func:`pickletools.genops`, which executes nothing: only the
opcodes that a dictionary of bytes, numbers, lists and arrays needs may occur, and no memo slot beyond their number (a
huge slot number makes the C unpickler reserve memory for all below it). It is then run by an unpickler whose every
global is an inert stand-in of this module: the file cannot name a callable of its choice, not even one of NumPy's, and
the arrays are built here from the recorded shape and bytes after both were checked against each other.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import Any

import numpy as np


class PickleError(ValueError):
    """The pickle is truncated, or does something a batch of images does not need. The message is one line."""


_ALLOWED = frozenset(
    [
        "PROTO",
        "FRAME",
        "STOP",
        "MARK",
        "POP",
        "POP_MARK",
        "NONE",
        "NEWTRUE",
        "NEWFALSE",
        "INT",
        "LONG",
        "LONG1",
        "BININT",
        "BININT1",
        "BININT2",
        "STRING",
        "SHORT_BINSTRING",
        "BINSTRING",
        "SHORT_BINBYTES",
        "BINBYTES",
        "BINBYTES8",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
        "EMPTY_TUPLE",
        "TUPLE",
        "TUPLE1",
        "TUPLE2",
        "TUPLE3",
        "EMPTY_LIST",
        "LIST",
        "APPEND",
        "APPENDS",
        "EMPTY_DICT",
        "DICT",
        "SETITEM",
        "SETITEMS",
        "GET",
        "BINGET",
        "LONG_BINGET",
        "PUT",
        "BINPUT",
        "LONG_BINPUT",
        "MEMOIZE",
        "GLOBAL",
        "STACK_GLOBAL",
        "REDUCE",
        "BUILD",
    ]
)
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})


class _StandIn:
    """A global as the pickle sees it: can be called where it has a call, and never given state.

    A plain function or class would do, were it not that the BUILD opcode may set attributes on whatever it is given.
    """

    __slots__ = ("_call",)

    def __init__(self, call: Any = None) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        if self._call is None:
            raise PickleError("calls something that a batch of images does not call")
        return self._call(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise PickleError("gives state to a global")


class _Array:
    """Stands for an array while the pickle runs: records the state it is given."""

    state: tuple = ()

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def array(self) -> np.ndarray:
        """The recorded array, after its parts were checked against each other."""
        if not isinstance(self.state, tuple) or len(self.state) != 5:
            raise PickleError("an array without the state of one")
        _, shape, dtype, fortran, data = self.state
        if not isinstance(dtype, _DType) or dtype.code not in ("u1", "|u1", "uint8"):
            raise PickleError(f"an array of {getattr(dtype, 'code', dtype)!r}, expected uint8")
        data = data.encode("latin1") if isinstance(data, str) else data
        if not isinstance(shape, tuple) or not all(type(s) is int and s >= 0 for s in shape) or type(data) is not bytes:
            raise PickleError("an array whose shape or bytes are malformed")
        count = 1
        for size in shape:
            count *= size
        if count != len(data):
            raise PickleError(f"an array of shape {list(shape)} with {len(data)} bytes, expected {count}")
        return np.frombuffer(data, np.uint8).reshape(shape, order="F" if fortran else "C")


class _DType:
    """Stands for numpy.dtype: keeps the type's code and ignores its state (byte order, of no use for bytes)."""

    def __init__(self, code: Any = None, *_: Any) -> None:
        self.code = code.decode("latin1") if isinstance(code, bytes) else code

    def __setstate__(self, state: Any) -> None:
        pass


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """Stands for _codecs.encode, with which protocol 2 of Python 3 writes bytes."""
    if type(text) is not str or encoding not in ("latin1", b"latin1"):
        raise PickleError("bytes in an encoding other than latin1")
    return text.encode("latin1")


_GLOBALS = {
    ("numpy.core.multiarray", "_reconstruct"): _StandIn(lambda *_: _Array()),
    ("numpy._core.multiarray", "_reconstruct"): _StandIn(lambda *_: _Array()),
    ("numpy", "ndarray"): _StandIn(),
    ("numpy", "dtype"): _StandIn(_DType),
    ("_codecs", "encode"): _StandIn(_encode),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _GLOBALS[module, name]
        except KeyError:
            raise PickleError(f"asks for {module}.{name}, which a batch of images does not need") from None


def read_pickled_arrays(data: bytes) -> dict[str, Any]:
    """The dictionary in ``data`` with its keys as text and its arrays as NumPy's.

    Raises
    ------
    PickleError
        Truncated, not a dictionary, or with an opcode, a global or an array that a batch of images does not need.
    """
    _inspect(data)
    try:
        found = _Unpickler(io.BytesIO(data), encoding="bytes").load()
    except PickleError:
        raise
    # A malformed pickle may raise anything the unpickler or the stand-ins meet (TypeError, IndexError, ...).
    except Exception as error:
        raise PickleError(f"malformed pickle ({type(error).__name__}: {' '.join(str(error).split())[:120]})") from None
    if not isinstance(found, dict):
        raise PickleError(f"holds a {type(found).__name__}, expected a dictionary")
    return {_text(key): value.array() if isinstance(value, _Array) else value for key, value in found.items()}


def _inspect(data: bytes) -> None:
    puts = 0
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name not in _ALLOWED:
                raise PickleError(f"uses opcode {opcode.name}, which a batch of images does not need")
            if opcode.name in _PUTS:
                puts += 1
                if int(argument) > 2 * puts + 16:
                    raise PickleError(f"stores memo slot {argument} as number {puts}")
    except PickleError:
        raise
    except Exception as error:  # genops raises ValueError and others for bytes that are no pickle
        raise PickleError(f"not a whole pickle ({' '.join(str(error).split())[:120]})") from None


def _text(key: Any) -> str:
    return key.decode("latin1") if isinstance(key, bytes) else str(key)
