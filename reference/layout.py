"""Which values share a statistic [BN-1.1 to BN-1.5]."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .dtypes import as_float64
from .errors import DomainError

Axes = int | Sequence[int]


@dataclass(frozen=True)
class Layout:
    """The split of the axes of x into channel axes and reduced axes.

    shape: shape of x. channel_axes: the axes that keep statistics of their own [BN-1.1];
    all others are reduced. Negative axes count from the end.

    >>> conv = Layout((8, 3, 5, 5), 1)          # one pair (gamma, beta) a feature map [BN-1.3]
    >>> conv.param_shape, conv.m
    ((3,), 200)
    >>> Layout((8, 3, 5, 5), (1, 2, 3)).param_shape     # per activation [BN-1.4]
    (3, 5, 5)
    >>> Layout((8, 3), 5)
    Traceback (most recent call last):
        ...
    bnconform.errors.DomainError: channel axis is 5, expected -2 to 1 for x of rank 2 [BN-1.1]
    """

    shape: tuple[int, ...]
    channel_axes: tuple[int, ...]

    if TYPE_CHECKING:

        def __init__(self, shape: Sequence[int], channel_axes: Axes) -> None: ...

    def __post_init__(self) -> None:
        axes = self.channel_axes
        axes = (axes,) if isinstance(axes, (int, np.integer)) else tuple(axes)
        rank = len(self.shape)
        for axis in axes:
            if not -rank <= axis < rank:
                raise DomainError(
                    f"channel axis is {axis}, expected {-rank} to {rank - 1} for x of rank {rank}",
                    "BN-1.1",
                )
        axes = tuple(int(axis) % rank for axis in axes)
        if len(set(axes)) != len(axes):
            raise DomainError(f"channel_axes is {axes}, expected distinct axes", "BN-1.1")
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        object.__setattr__(self, "channel_axes", axes)

    def reducing(self) -> "Layout":
        """The layout itself, of a training step: statistics need an axis to run over, which inference does without
        [BN-1.6]."""
        if not self.reduced_axes:
            raise DomainError(
                f"channel_axes is {self.channel_axes}, expected at least one axis of x (rank {len(self.shape)}) left "
                "to reduce",
                "BN-1.1",
            )
        return self

    @cached_property
    def reduced_axes(self) -> tuple[int, ...]:
        """The axes summed over, ascending."""
        return tuple(axis for axis in range(len(self.shape)) if axis not in self.channel_axes)

    @cached_property
    def m(self) -> int:
        """Number of values that share one statistic [BN-1.2]."""
        return prod(self.shape[axis] for axis in self.reduced_axes)

    @cached_property
    def param_shape(self) -> tuple[int, ...]:
        """Shape of gamma, beta and every statistic: sizes of the channel axes, in their order."""
        return tuple(self.shape[axis] for axis in self.channel_axes)

    def expand(self, parameter: np.ndarray) -> np.ndarray:
        """View of a parameter (param_shape) that broadcasts against x."""
        ascending = np.argsort(self.channel_axes)
        view = np.transpose(parameter, ascending)
        return np.expand_dims(view, self.reduced_axes)

    def total(self, values: np.ndarray) -> np.ndarray:
        """Sum over the reduced axes: x's shape -> param_shape."""
        summed = np.sum(values, axis=self.reduced_axes)
        return np.transpose(summed, np.argsort(np.argsort(self.channel_axes)))

    def parameter(self, name: str, value: ArrayLike | None, default: float | None = None) -> np.ndarray:
        """`value` as float64 of param_shape; None becomes `default` everywhere [BN-1.5]."""
        if value is None:
            if default is None:
                raise DomainError(f"{name} is None, expected shape {self.param_shape}", "BN-1.5")
            return np.full(self.param_shape, default)
        array = as_float64(name, value)
        if array.shape != self.param_shape:
            raise DomainError(
                f"{name} has shape {array.shape}, expected {self.param_shape} = size of x "
                f"axis {', '.join(map(str, self.channel_axes))}",
                "BN-1.5",
            )
        return array

    def like_x(self, name: str, value: ArrayLike) -> np.ndarray:
        """`value` as float64 of x's shape."""
        array = as_float64(name, value)
        if array.shape != self.shape:
            raise DomainError(f"{name} has shape {array.shape}, expected {self.shape} = shape of x", "BN-1.5")
        return array
