"""Numbers from raw generator bits, the same on every machine and release.

SplitMix64 (Steele, Lea and Flood 2014) keyed by a text: 64-bit integer arithmetic only, so a port in any
language can repeat it. Floats are made from the bits by exact operations and one final rounding.
"""

import hashlib
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)


_SALT = ContextVar("salt", default="")


@contextmanager
def salted(salt: str):
    """Within, every stream is another one: the salt stands before each key."""
    token = _SALT.set(salt)
    try:
        yield
    finally:
        _SALT.reset(token)


def raw(key: str, count: int) -> np.ndarray:
    """`count` 64-bit words (uint64) of the stream that `key` names.

    The seed is the first 8 bytes of SHA-256(key), little-endian.

    >>> [hex(int(word)) for word in raw("example", 2)]
    ['0x569832a0fb8c8950', '0xe30af7861ae29731']
    """
    seed = np.frombuffer(hashlib.sha256((_SALT.get() + key).encode()).digest()[:8], "<u8")[0]
    with np.errstate(over="ignore"):
        z = seed + GOLDEN * np.arange(1, count + 1, dtype=np.uint64)
        z = (z ^ (z >> np.uint64(30))) * MIX_1
        z = (z ^ (z >> np.uint64(27))) * MIX_2
        return z ^ (z >> np.uint64(31))


def bell(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Bell-shaped float64 of mean about 0, standard deviation about 1, each an exact multiple of 2**-15.

    The sum of the four 16-bit fields of a word, centred, times 56755 * 2**-31 (about sqrt(3) * 2**-16):
    an integer product below 2**53, hence exact.
    """
    words = raw(key, int(np.prod(shape)))
    fields = sum(((words >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.int64) for shift in (0, 16, 32, 48))
    centred = fields - 2 * 0xFFFF
    return (centred * 56755).astype(np.float64).reshape(shape) * 2.0**-31


def uniform(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """float64 in [0, 1), multiples of 2**-32."""
    words = raw(key, int(np.prod(shape))) >> np.uint64(32)
    return words.astype(np.float64).reshape(shape) * 2.0**-32
