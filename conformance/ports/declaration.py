"""`port.json`: what a port says of itself, in the words of `Conventions`."""

import json
import re
from dataclasses import MISSING, fields

from bnconform.backends.contract import FLOATS, OFFERED, WIDENED, Conventions

from ..judge.compare import BASIC
from ..run.plan import UsageError
from ..run.process import Hello
from ..schema import SchemaError, parse
from ..text import line

MOST = 1 << 20  # bytes of port.json and export.json

DECLARED = (
    "running_ddof",
    "variance",
    "reduction",
    "compute",
    "y_dtype",
    "channel_axes",
    "ranks",
    "dtypes",
    "exposes",
    "offers",
    "cannot",
)


def template() -> dict:
    """What `export` writes: the strictest declaration, with the one thing left open that nobody can guess [BN-3.3]."""
    defaults = {
        f.name: f.default_factory() if f.default is MISSING else f.default
        for f in fields(Conventions)
        if f.name in DECLARED[1:]
    }
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in defaults.items()}
    return {"name": "my-port", "version": "0", "running_ddof": None} | plain | {"exposes": list(BASIC)}


def parse_json(what: str, blob: bytes) -> dict:
    """A JSON object. Errors: UsageError for anything else."""
    try:
        data = parse(blob, what)
    except SchemaError as error:
        raise UsageError(str(error)) from None
    if not isinstance(data, dict):
        raise UsageError(f"{what} holds a {type(data).__name__}, expected an object")
    return data


def read_declaration(blob: bytes) -> tuple[str, Hello]:
    """(name of the port, version and conventions). Errors: UsageError naming what is wrong."""
    data = parse_json("port.json", blob)
    unknown = sorted(set(data) - {"name", "version", *DECLARED})
    if unknown:
        raise UsageError(f"port.json has {line(unknown[0], 80)!r}, expected name, version, {', '.join(DECLARED)}")
    name, version = (_label(key, data.pop(key, None)) for key in ("name", "version"))
    for key, value in data.items():
        accepts, expected = CHECKS[key]
        if not accepts(value):
            raise UsageError(f"{key} in port.json is {json.dumps(value)[:80]}, expected {expected}")
    if "running_ddof" not in data:
        raise UsageError("running_ddof is not in port.json, expected 0 or 1 [BN-3.3]")
    try:
        words = {key: value for key, value in (template() | data).items() if key in DECLARED}
        words = {key: tuple(value) if isinstance(value, list) else value for key, value in words.items()}
        words["compute"] = WIDENED | words["compute"]
        return name, Hello(version=version, conventions=Conventions(**words))
    except ValueError as error:
        raise UsageError(f"port.json: {line(error, 300)}") from None


def _label(key, value):
    if not (isinstance(value, str) and re.fullmatch(r"[\w.+ ()-]{1,80}", value, re.ASCII)):
        got = json.dumps(value)[:80]
        raise UsageError(f"{key} in port.json is {got}, expected 1 to 80 letters, digits, spaces and . + - _ ( )")
    return value


def _all_of(allowed):
    return lambda value: isinstance(value, list) and all(isinstance(item, str) and item in allowed for item in value)


def _pairs(keys, values):
    return lambda value: (
        isinstance(value, dict) and all(keys(k) and isinstance(v, str) and values(v) for k, v in value.items())
    )


# key -> (whether a value of the JSON is accepted, what is expected in words); enumerations are Conventions' own to
# check
_TEXT = (lambda value: isinstance(value, str), "text")
CHECKS = {
    "running_ddof": (lambda value: type(value) is int, "0 or 1 [BN-3.3]"),
    "variance": _TEXT,
    "reduction": _TEXT,
    "y_dtype": _TEXT,
    "channel_axes": _TEXT,
    "compute": (
        _pairs(FLOATS.__contains__, FLOATS.__contains__),
        f"type of x -> type of the arithmetic, of {', '.join(FLOATS)}",
    ),
    "ranks": (
        lambda value: isinstance(value, list) and all(type(item) is int for item in value),
        "a list of numbers of axes",
    ),
    "dtypes": (_all_of(FLOATS), f"a list of {', '.join(FLOATS)}"),
    "offers": (_all_of(OFFERED), f"a list of {', '.join(OFFERED)}"),
    "exposes": (_all_of(BASIC), f"a list of {', '.join(BASIC)}"),
    "cannot": (
        _pairs(lambda key: True, lambda value: 0 < len(value) <= 500),
        "feature -> reason, at most 500 characters",
    ),
}
