"""Records and arrays as bytes between a worker and the coordinator: JSON header, raw data, nothing executable.

A question is a frame with a case and its input tensors; an answer is one with an observation.

A frame is a prefix (magic, CRC-32, lengths), a JSON header and array data. A backend can write what it likes to the
result pipe: without magic and checksum its bytes could pass for a result, and what passes is still held to the schema
of an observation and to the sizes that its question allows.
"""

import json
import math
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from bnconform.dtypes import NAMES, dtype

from ..records import FAILURES, Case, Failure, Observation
from ..schema import SchemaError, read
from ..text import clean, line, name

MAGIC = b"bncf"
PREFIX = struct.Struct("<4sIQQ")  # magic, CRC-32 of header and data, length of the header, length of the data
HEADER = 1 << 20  # bytes of a header, at most
NUMBERS = frozenset(np.dtype(code).name for code in "?bhilqBHILQefdgFDG")  # what an output may be, beside NAMES
SPARE = 1 << 16  # bytes that every output may have beside what its question leads to expect


class WireError(Exception):
    """The bytes are not a frame."""


@dataclass(frozen=True)
class Question:
    """What a worker is asked: a case and its input tensors by name; the answers stay with the coordinator.

    probe: asked whatever the backend declares. defaults: of a layer that is built without being told eps and decay.
    """

    case: Case
    inputs: Mapping[str, np.ndarray]
    probe: bool = False
    defaults: bool = False

    @property
    def room(self) -> int:
        """Bytes that one output may have: none has more elements than the largest input, or than a few channels."""
        return 16 * max((array.size for array in self.inputs.values()), default=0) + SPARE

    @property
    def outputs(self) -> frozenset[str]:
        """Names that an answer may have; of a law and of an error too every step's are observed."""
        return frozenset(f"{index}.{output}" for index, step in enumerate(self.case.steps) for output in step.outputs)

    @property
    def most(self) -> int:
        """Bytes that a whole answer may have."""
        return HEADER + len(self.outputs) * self.room


@dataclass(frozen=True)
class _Told:
    """The header of an answer, as it must be."""

    case: str
    changed: tuple[str, ...]
    failure: Failure | None
    seconds: tuple[float, float]


def pack(header: dict, arrays: Mapping[str, np.ndarray] | None = None) -> bytes:
    """One frame: prefix, JSON header, array data. Errors: TypeError, ValueError for what JSON cannot say."""
    chunks, slots = [], {}
    for key, array in (arrays or {}).items():
        chunks.append(np.ascontiguousarray(array).tobytes())
        slots[key] = [array.dtype.name, list(array.shape), len(chunks[-1])]
    text = json.dumps({**header, "arrays": slots}).encode()
    body = b"".join([text, *chunks])
    return PREFIX.pack(MAGIC, zlib.crc32(body), len(text), len(body) - len(text)) + body


def lengths(prefix: bytes, most: int) -> int:
    """Bytes that follow a prefix, at most `most`. Errors: WireError, if it is none."""
    magic, _, header_size, data_size = PREFIX.unpack(prefix)
    if magic != MAGIC or header_size > HEADER:
        raise WireError(f"its result pipe holds {prefix[:16]!r}…, which is no result: something else was written to it")
    if header_size + data_size > most:
        raise WireError(f"a result of {(header_size + data_size) >> 20:,} MiB, expected at most {most >> 20:,} MiB")
    return header_size + data_size


def unpack(prefix: bytes, body: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """Header and arrays of a frame; arrays own their memory. Errors: WireError."""
    _, checksum, header_size, _ = PREFIX.unpack(prefix)
    if zlib.crc32(body) != checksum:
        raise WireError("a result arrived damaged: something else was written to the result pipe")
    try:
        fields = json.loads(body[:header_size])
        arrays, offset = {}, header_size
        for key, (kind, shape, size) in fields.pop("arrays").items():
            arrays[clean(key)] = _array(body[offset : offset + size], kind, shape)
            offset += size
        return fields, arrays
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WireError(f"not a result: {line(error, 200)}") from None


def _array(data, kind, shape):
    if kind not in NAMES and kind not in NUMBERS:
        raise ValueError(f"dtype {kind!r}")
    numpy_type = dtype(kind) if kind in NAMES else np.dtype(kind)
    if not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"shape {shape}")
    if len(data) != math.prod(shape) * numpy_type.itemsize:
        raise ValueError(f"{len(data)} bytes for shape {shape} of {kind}")
    return np.frombuffer(bytearray(data), numpy_type).reshape(shape)


def pack_question(question: Question) -> bytes:
    """A question as a frame."""
    header = {"case": question.case.to_json(), "probe": question.probe, "defaults": question.defaults}
    return pack(header, question.inputs)


def unpack_question(fields: dict, arrays: dict[str, np.ndarray]) -> Question:
    """Inverse of `pack_question`, after `unpack`."""
    return Question(Case.from_json(fields["case"]), arrays, fields["probe"], fields["defaults"])


def _odd(array: np.ndarray, room: float) -> tuple[str, str] | None:
    """(kind, text) of what keeps an array from travelling: no number type of this machine, or absurd size."""
    if array.dtype.name not in NAMES and array.dtype.kind not in "fiubc" or not array.dtype.isnative:
        return "object", f"dtype {array.dtype}, expected numbers in this machine's byte order"
    if array.nbytes > room:
        return "size", f"shape {array.shape}, {_mib(array.nbytes)}; here a result has at most {_mib(room)}"
    return None


def _mib(count):
    return f"{count / 2**20:,.{0 if count >= 1 << 20 else 2}f} MiB"


def pack_observation(observation: Observation, room: float = math.inf) -> bytes:
    """Outputs that no number type describes (objects, text), or larger than `room`, become a failure instead of
    travelling."""
    odd = {key: found for key, array in observation.outputs.items() if (found := _odd(array, room))}
    failure = observation.failure
    if odd and failure is None:
        output, (kind, text) = min(odd.items())
        failure = Failure("garbage", kind, f"{output} has {text}")
    header = {
        "case": observation.case,
        "changed": observation.changed,
        "failure": failure and asdict(failure),
        "seconds": [observation.seconds, observation.compiling],
    }
    return pack(header, {key: array for key, array in observation.outputs.items() if key not in odd})


def unpack_observation(fields: dict, arrays: dict[str, np.ndarray], expected: Iterable[str] = ()) -> Observation:
    """Inverse of `pack_observation`, after `unpack`. expected: names that the outputs may have. Errors: WireError."""
    try:
        told = read(_Told, fields, "an answer")
    except SchemaError as error:
        raise WireError(f"not an observation: {error}") from None
    if unknown := set(arrays) - set(expected):
        raise WireError(f"not an observation: it has {line(min(unknown), 80)!r}, which nobody asked for")
    seconds, compiling = told.seconds
    if not 0 <= compiling <= seconds:
        raise WireError(f"not an observation: {compiling:g} of {seconds:g} seconds spent compiling")
    failure = told.failure
    if failure and failure.kind not in FAILURES:
        raise WireError(f"not an observation: a failure of kind {failure.kind[:80]!r}, expected {', '.join(FAILURES)}")
    if failure:
        failure = replace(failure, what=name(failure.what), text=clean(failure.text))
    return Observation(told.case, arrays, tuple(map(line, told.changed)), failure, seconds, compiling)


def read_fields(kind: type, fields: dict, what: str) -> Any:
    """The header of another frame as a record. Errors: WireError."""
    try:
        return read(kind, fields, what)
    except SchemaError as error:
        raise WireError(str(error)) from None
