"""Records and arrays as bytes between a worker and the coordinator: JSON header, raw data, nothing executable.

A question is a line with a case id, or the line PROBLEM and a frame with a case and its tensors; an answer is a frame.

A frame is a prefix (magic, CRC-32, lengths), a JSON header and array data. A backend can write what it likes to the
result pipe: without magic and checksum its bytes could pass for a result.
"""

import json
import struct
import zlib
from dataclasses import asdict

import numpy as np

from bnconform.dtypes import NAMES, dtype

from ..records import Case, Failure, Observation

MAGIC = b"bncf"
PREFIX = struct.Struct("<4sIQQ")  # magic, CRC-32 of header and data, length of the header, length of the data
PROBLEM = b"problem\n"  # no case id: those have a family and a slash
LIMIT = 1 << 31  # bytes of a frame
LARGEST = 1 << 28  # bytes of one output; the largest in the golden files has some megabytes


class WireError(Exception):
    """The bytes are not a frame."""


def pack(header: dict, arrays: dict[str, np.ndarray] | None = None) -> bytes:
    """One frame: prefix, JSON header, array data."""
    chunks, slots = [], {}
    for name, array in (arrays or {}).items():
        chunks.append(np.ascontiguousarray(array).tobytes())
        slots[name] = [array.dtype.name, list(array.shape), len(chunks[-1])]
    text = json.dumps({**header, "arrays": slots}).encode()
    body = b"".join([text, *chunks])
    return PREFIX.pack(MAGIC, zlib.crc32(body), len(text), len(body) - len(text)) + body


def lengths(prefix: bytes) -> int:
    """Bytes that follow a prefix. Errors: WireError, if it is none."""
    magic, _, header_size, data_size = PREFIX.unpack(prefix)
    if magic != MAGIC or header_size + data_size > LIMIT:
        raise WireError(f"its result pipe holds {prefix[:16]!r}…, which is no result: something else was written to it")
    return header_size + data_size


def unpack(prefix: bytes, body: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """Header and arrays of a frame; arrays own their memory. Errors: WireError."""
    _, checksum, header_size, _ = PREFIX.unpack(prefix)
    if zlib.crc32(body) != checksum:
        raise WireError("a result arrived damaged: something else was written to the result pipe")
    try:
        fields = json.loads(body[:header_size])
        arrays, offset = {}, header_size
        for name, (kind, shape, size) in fields.pop("arrays").items():
            numpy_type = dtype(kind) if kind in NAMES else np.dtype(kind)
            arrays[name] = np.frombuffer(bytearray(body[offset : offset + size]), numpy_type).reshape(shape)
            offset += size
        return fields, arrays
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WireError(f"not a result: {error}") from None


def pack_problem(case: Case, tensors: dict[str, np.ndarray], twice: bool = False) -> bytes:
    """A question that brings its own case."""
    return PROBLEM + pack({"case": case.to_json(), "twice": twice}, tensors)


def read_problem(stream) -> tuple[Case, dict[str, np.ndarray], bool]:
    """Inverse of `pack_problem`, once its first line was read. Errors: WireError."""
    prefix = stream.read(PREFIX.size)
    fields, tensors = unpack(prefix, stream.read(lengths(prefix)))
    return Case.from_json(fields["case"]), tensors, fields["twice"]


def _odd(array: np.ndarray) -> tuple[str, str] | None:
    """(kind, text) of what keeps an array from travelling: no number type of this machine, or absurd size."""
    if array.dtype.name not in NAMES and array.dtype.kind not in "fiubc" or not array.dtype.isnative:
        return "object", f"dtype {array.dtype}, expected numbers in this machine's byte order"
    if array.nbytes > LARGEST:
        return "size", f"shape {array.shape}, {array.nbytes / 2**20:.0f} MiB; a result has at most {LARGEST >> 20} MiB"
    return None


def pack_observation(observation: Observation) -> bytes:
    """Outputs that no number type describes (objects, text), or of absurd size, become a failure instead of
    travelling."""
    odd = {name: found for name, array in observation.outputs.items() if (found := _odd(array))}
    failure = observation.failure
    if odd and failure is None:
        name, (kind, text) = min(odd.items())
        failure = Failure("garbage", kind, f"{name} has {text}")
    header = {
        "case": observation.case,
        "changed": observation.changed,
        "failure": failure and asdict(failure),
        "seconds": [observation.seconds, observation.compiling],
        "differing": observation.differing,
    }
    return pack(header, {name: array for name, array in observation.outputs.items() if name not in odd})


def unpack_observation(fields: dict, arrays: dict[str, np.ndarray]) -> Observation:
    """Inverse of `pack_observation`, after `unpack`. Errors: WireError."""
    try:
        failure = fields["failure"] and Failure(**fields["failure"])
        differing = fields["differing"] if fields["differing"] is None else tuple(fields["differing"])
        return Observation(fields["case"], arrays, tuple(fields["changed"]), failure, *fields["seconds"], differing)
    except (KeyError, TypeError) as error:
        raise WireError(f"not an observation: {error}") from None
