"""Textbook sums over axis 0 in the arithmetic of the array: columns are independent problems."""

import numpy as np


def sequential(values):
    """One term after the other."""
    return np.add.accumulate(values, axis=0)[-1] if len(values) else np.zeros(values.shape[1:], values.dtype)


def backwards(values):
    """One term after the other, from the last."""
    return sequential(values[::-1])


def pairwise(values):
    """A binary tree."""
    while len(values) > 1:
        odd = values[-1:] if len(values) % 2 else values[:0]
        values = np.concatenate([values[: len(values) - len(odd) : 2] + values[1::2], odd])
    return values[0] if len(values) else np.zeros(values.shape[1:], values.dtype)


def blocked(values):
    """Blocks of about sqrt(m) terms one after the other, then the blocks."""
    count = len(values)
    size = max(1, int(np.ceil(np.sqrt(count))))
    padded = np.zeros((size * -(-count // size), *values.shape[1:]), values.dtype)
    padded[:count] = values
    return sequential(sequential(padded.reshape(-1, size, *values.shape[1:]).swapaxes(0, 1)))


def numpy_sum(values):
    """NumPy's own sum along contiguous memory: eight accumulators in blocks of 128, then a tree."""
    return np.sum(np.ascontiguousarray(values.T), axis=-1)


def wide(values):
    """Accumulated in the next wider type, rounded once."""
    kind = np.longdouble if values.dtype == np.float64 else np.float64
    return np.sum(values, axis=0, dtype=kind).astype(values.dtype)


def in_half(values):
    """A mistake: accumulated in half precision, one term after the other."""
    with np.errstate(over="ignore"):
        return sequential(values.astype(np.float16)).astype(values.dtype)
