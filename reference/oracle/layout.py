"""From arrays of any layout to one row a channel and back [BN-1]."""

import math

import numpy as np

from .formats import FORMATS


class ChannelSplit:
    """x's shape seen as (channels, positions): the channel axes in the order given, then all others in theirs.

    output_shape: what `unrows` gives, if that is not the shape itself but another of as many elements.
    """

    def __init__(self, shape, channel_axes, output_shape=None):
        axes = (channel_axes,) if np.isscalar(channel_axes) else tuple(channel_axes)
        rank = len(shape)
        for axis in axes:
            if not -rank <= axis < rank:
                raise ValueError(f"channel_axes has {axis}, expected an axis of a {rank}-dimensional x [BN-1.1]")
        axes = tuple(axis % rank for axis in axes)
        if len(set(axes)) != len(axes) or not axes:
            raise ValueError(f"channel_axes is {axes}, expected 1 to {rank} distinct axes of {rank} [BN-1.1]")
        self.reduces = len(axes) < rank
        self.shape = tuple(shape)
        self.output_shape = self.shape if output_shape is None else tuple(output_shape)
        self.order = axes + tuple(axis for axis in range(rank) if axis not in axes)
        self.param_shape = tuple(shape[axis] for axis in axes)
        self.channels = math.prod(self.param_shape)
        self.positions = math.prod(shape[axis] for axis in self.order[len(axes) :])

    def rows(self, array) -> np.ndarray:
        """(channels, positions) view or copy of an array of x's shape."""
        return np.transpose(array, self.order).reshape(self.channels, self.positions)

    def unrows(self, rows) -> np.ndarray:
        """An array of the output's shape from (channels, positions)."""
        permuted = rows.reshape([self.shape[axis] for axis in self.order])
        return np.ascontiguousarray(np.transpose(permuted, np.argsort(self.order))).reshape(self.output_shape)

    def row_index(self, index) -> tuple[int, int]:
        """(channel, position) of an index into the output."""
        flat = np.ravel_multi_index(index, self.output_shape)
        index = np.unravel_index(flat, self.shape)
        row = np.ravel_multi_index([index[axis] for axis in self.order], [self.shape[axis] for axis in self.order])
        return divmod(int(row), self.positions)

    def like_x(self, name, array) -> np.ndarray:
        """Rows of an array that must have x's shape; values in float64, which holds each of them exactly."""
        array = np.asarray(array)
        if array.shape != self.shape:
            raise ValueError(f"{name} has shape {array.shape}, expected {self.shape} like x")
        return np.ascontiguousarray(self.rows(_float64(name, array)))

    def parameter(self, name, array) -> np.ndarray:
        """One float64 a channel from an array that must have the parameters' shape [BN-1.5]."""
        array = np.asarray(array)
        if array.shape != self.param_shape:
            raise ValueError(f"{name} has shape {array.shape}, expected {self.param_shape} [BN-1.5]")
        return _float64(name, array).reshape(-1)

    def mask(self, mask) -> np.ndarray:
        """Boolean rows from a mask that broadcasts to x [BN-6.1]."""
        mask = np.asarray(mask)
        if mask.dtype != bool:
            raise ValueError(f"mask has dtype {mask.dtype}, expected bool [BN-6.1]")
        return self.rows(np.broadcast_to(mask, self.shape))


def _float64(name, array) -> np.ndarray:
    if array.dtype.name not in FORMATS:
        raise ValueError(f"{name} has dtype {array.dtype.name}, expected one of {', '.join(FORMATS)} [BN-8.2]")
    return array.astype(np.float64)
