"""How an array lies in memory: the same values under other strides [BN-8.3]."""

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


ARRANGEMENTS = {
    "contiguous": np.ascontiguousarray,
    "sliced": _sliced,
    "transposed": _transposed,
    "channels-last": _channels_last,
    "offset": _offset,
    "strided-last": _strided_last,
}


def arrange(x: np.ndarray, name: str) -> np.ndarray:
    """A new array equal to `x`, laid out as `name` says; its memory belongs to nobody else.

    >>> arrange(np.zeros((2, 3, 4)), "channels-last").strides
    (96, 8, 24)
    """
    return ARRANGEMENTS[name](x.copy())
