"""How an array lies in memory: the same values under other strides [BN-8.3].

A word lays out all arrays of a step; two words with a bar between them, "channels-last|contiguous", lay out x and what
comes beside it (dy, a mask, tangents) apart.
"""

import numpy as np


def _sliced(x):
    store = np.zeros((2 * x.shape[0], *x.shape[1:]), x.dtype)
    store[::2] = x
    return store[::2]


def _transposed(x):
    return np.ascontiguousarray(x.T).T


def _channels_last(x):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def _offset(x):
    store = np.zeros(x.size + 1, x.dtype)
    view = store[1:].reshape(x.shape)
    view[...] = x
    return view


def _strided_last(x):
    store = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    store[..., ::2] = x
    return store[..., ::2]


def _reversed(x):
    """Negative strides along all axes."""
    return np.ascontiguousarray(np.flip(x)).view()[tuple(slice(None, None, -1) for _ in x.shape)]


def _expanded(x):
    """Stride 0 along every axis whose values are all the same, as the gradient of a sum has it."""
    few = x
    for axis in range(x.ndim):
        first = few.take([0], axis) if few.shape[axis] else few
        if np.array_equal(few, np.broadcast_to(first, few.shape)):
            few = first
    strides = [stride if size > 1 else 0 for size, stride in zip(few.shape, few.strides)]
    return np.lib.stride_tricks.as_strided(few.copy(), x.shape, strides)


def _ordered(x, order):
    """Axes from the outermost to the innermost in memory, as digits: "0231" is channels-last of rank 4."""
    axes = [int(digit) for digit in order]
    return np.ascontiguousarray(x.transpose(axes)).transpose(np.argsort(axes))


ARRANGEMENTS = {
    "contiguous": np.ascontiguousarray,
    "sliced": _sliced,
    "transposed": _transposed,
    "channels-last": _channels_last,
    "offset": _offset,
    "strided-last": _strided_last,
    "reversed": _reversed,
    "expanded": _expanded,
}


def words(memory: str) -> tuple[str, str]:
    """How x, and how all else of a step lies.

    >>> words("sliced"), words("channels-last|contiguous")
    (('sliced', 'sliced'), ('channels-last', 'contiguous'))
    """
    first, _, second = memory.partition("|")
    return first, second or first


def arrange(x: np.ndarray, name: str) -> np.ndarray:
    """A new array equal to `x`, laid out as `name` says: one of ARRANGEMENTS, or "order-" and the axes from the
    outermost to the innermost; its memory belongs to nobody else.

    >>> arrange(np.zeros((2, 3, 4)), "channels-last").strides
    (96, 8, 24)
    """
    if name.startswith("order-"):
        return _ordered(x.copy(), name.removeprefix("order-"))
    return ARRANGEMENTS[name](x.copy())
