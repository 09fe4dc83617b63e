"""Records and arrays as bytes between a worker and the coordinator: JSON header, raw data, nothing executable."""

import json
import struct
from dataclasses import asdict

import numpy as np
from bnconform.dtypes import NAMES, dtype

from .records import Failure, Observation

PREFIX = struct.Struct("<QQ")  # length of the header, length of the data
LIMIT = 1 << 31


class WireError(Exception):
    """The bytes are not a frame."""


def pack(header: dict, arrays: dict[str, np.ndarray] | None = None) -> bytes:
    """One frame: lengths, JSON header, array data."""
    chunks, slots = [], {}
    for name, array in (arrays or {}).items():
        chunks.append(np.ascontiguousarray(array).tobytes())
        slots[name] = [array.dtype.name, list(array.shape), len(chunks[-1])]
    text = json.dumps({**header, "arrays": slots}).encode()
    return b"".join([PREFIX.pack(len(text), sum(map(len, chunks))), text, *chunks])


def unpack(header: bytes, data: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """Header and arrays of a frame; arrays own their memory."""
    try:
        fields = json.loads(header)
        arrays, offset = {}, 0
        for name, (kind, shape, size) in fields.pop("arrays").items():
            numpy_type = dtype(kind) if kind in NAMES else np.dtype(kind)
            arrays[name] = np.frombuffer(bytearray(data[offset : offset + size]), numpy_type).reshape(shape)
            offset += size
        return fields, arrays
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WireError(f"not a frame: {error}") from None


def pack_observation(observation: Observation) -> bytes:
    """Outputs that no number type describes (objects, text) become a failure instead of travelling."""
    sendable = {name: array for name, array in observation.outputs.items() if array.dtype.kind in "fiubcV" and not array.dtype.hasobject}
    failure = observation.failure
    odd = sorted(set(observation.outputs) - set(sendable))
    if odd and failure is None:
        failure = Failure("garbage", "object", f"{odd[0]} has dtype {observation.outputs[odd[0]].dtype}, expected numbers")
    header = {
        "case": observation.case,
        "changed": observation.changed,
        "failure": failure and asdict(failure),
        "seconds": observation.seconds,
    }
    return pack(header, sendable)


def unpack_observation(fields: dict, arrays: dict[str, np.ndarray]) -> Observation:
    """Inverse of `pack_observation`, after `unpack`."""
    failure = fields["failure"] and Failure(**fields["failure"])
    return Observation(fields["case"], arrays, tuple(fields["changed"]), failure, fields["seconds"])
