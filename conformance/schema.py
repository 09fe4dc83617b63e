"""Plain data that others wrote -> records: every field of the type that the record's annotation names, or an error.

A worker's frames, a port's declaration, known differences, the manifest and the journal all come in here. Text is
cleaned on its way (`text.clean`), numbers are finite, and what is not declared is refused.
"""

import json
import math
import reprlib
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from .text import LONGEST, clean, line

MOST = 10_000  # entries of a list or an object
TEXT = 5 * LONGEST  # characters: messages are put together of several texts, and come back from a journal as they were
DEEPEST = 8  # of plain data without a type of its own


class SchemaError(ValueError):
    """Data is not of the form that is expected; the text says where, what was got and what was expected."""


def parse(blob: bytes, where: str):
    """JSON that others wrote. Errors: SchemaError for what is none: a key given twice, NaN and infinity included."""
    try:
        return json.loads(blob.decode(), object_pairs_hook=once, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"{where} is not usable JSON: {line(error, 300)}") from None


def once(pairs: list) -> dict:
    """For `json.loads`: an object in which no key is given twice. Errors: ValueError."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = sorted(name for name, _ in pairs)
        twice = next(name for name, following in zip(names, names[1:]) if name == following)
        raise ValueError(f"{twice[:80]!r} is given twice")
    return found


def _refuse(word):
    raise ValueError(f"{word} is no number")


def read(kind, data, where: str):
    """`data` (as `json.loads` gives it) as a `kind`: a dataclass, str, int, float, bool, tuple[...], Mapping[...],
    unions of these, or Any for plain data.

    where: what the data is, for the message. Errors: SchemaError.
    """
    if kind is Any:
        return _plain(data, where)
    if is_dataclass(kind):
        return _record(kind, data, where)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _union(arguments, data, where)
    if origin is tuple:
        return _tuple(arguments, data, where)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        _expect(isinstance(data, dict) and len(data) <= MOST, data, where, "an object")
        return {clean(key): read(arguments[1], value, f"{where}.{line(key, 40)}") for key, value in data.items()}
    return _scalar(kind, data, where)


def _scalar(kind, data, where):
    if kind is float:
        number = isinstance(data, int | float) and not isinstance(data, bool) and abs(data) < 1 << 1023
        _expect(number and math.isfinite(data), data, where, "a finite number")
        return float(data)
    words = {str: "text", bool: "true or false", int: "a whole number", types.NoneType: "null"}
    _expect(type(data) is kind, data, where, words[kind])
    _expect(kind is not int or abs(data) < 1 << 63, data, where, "a number of 64 bits")
    return clean(data, TEXT) if kind is str else data


def _union(arguments, data, where):
    for one in arguments:
        if one is types.NoneType and data is None:
            return None
    (kind,) = [one for one in arguments if one is not types.NoneType]
    return read(kind, data, where)


def _tuple(arguments, data, where):
    _expect(isinstance(data, list | tuple) and len(data) <= MOST, data, where, "a list")
    if arguments[-1] is Ellipsis:
        arguments = (arguments[0],) * len(data)
    _expect(len(data) == len(arguments), data, where, f"a list of {len(arguments)}")
    return tuple(read(one, value, f"{where}[{index}]") for index, (one, value) in enumerate(zip(arguments, data)))


def _record(kind, data, where):
    _expect(isinstance(data, dict), data, where, "an object")
    known = {field.name: field for field in fields(kind)}
    if unknown := sorted(map(str, set(data) - set(known))):
        raise SchemaError(f"{where} has {line(unknown[0], 80)!r}, expected {', '.join(known)}")
    required = [name for name, f in known.items() if f.default is MISSING and f.default_factory is MISSING]
    if missing := [name for name in required if name not in data]:
        raise SchemaError(f"{where} lacks {', '.join(missing)}")
    found = {name: read(_hints(kind)[name], value, f"{where}.{name}") for name, value in data.items()}
    try:
        return kind(**found)
    except (TypeError, ValueError) as error:
        raise SchemaError(f"{where}: {line(error, 300)}") from None


@lru_cache(maxsize=64)
def _hints(kind):
    return get_type_hints(kind)


def _plain(data, where, depth=0):
    """Plain data as it is, its text cleaned."""
    _expect(depth < DEEPEST, "data", where, "less deeply nested")
    if isinstance(data, dict):
        return {clean(key): _plain(value, where, depth + 1) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_plain(value, where, depth + 1) for value in data]
    return _scalar(type(data), data, where)


def _expect(holds, data, where, expected):
    if not holds:
        raise SchemaError(f"{where} is {line(reprlib.repr(data), 80)}, expected {expected}")
