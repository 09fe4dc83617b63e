"""Any layout as (outer, channels, inner) views, cut into tiles that stay in cache while they are worked on.

The arithmetic of the engine sees only float64 tiles in buffers that are used again and again, so no float64 copy of the
input ever exists.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

BUFFER = 1024  # elements of NumPy's own buffers
RUN = 8192  # longest dot product handed to BLAS: above ten thousand OpenBLAS starts threads of its own


class Limits(NamedTuple):
    """What the sizes of tiles are chosen by, in elements.

    long: from this inner length on a channel's values are worked on row by row, below it column by column.
    rows, columns: a tile at most that is worked on so; written: one of which no moments are taken. widest, wide:
    columns a tile may have at most (their parameters take memory), and should have at least; folded: those of a tile
    whose rows are laid side by side.
    """

    long: int
    rows: int
    columns: int
    written: int
    widest: int
    wide: int
    folded: int


class Views(NamedTuple):
    """The arrays as (outer, channels, inner) views.

    problems: for each index of the remaining channel axes a list of pieces; a piece is one 3-D view of each array,
    and the pieces of a problem share their statistics.
    """

    problems: list
    sizes: tuple[int, ...]  # sizes of the channel axes in the order in which `problems` runs through them
    order: tuple[int, ...]  # positions in channel_axes of those

    def split(self, parameter):
        """A parameter (param_shape) as one row of channels a problem."""
        return np.transpose(parameter, self.order).reshape(len(self.problems), -1)

    def join(self, rows):
        """The inverse of `split`."""
        return np.transpose(np.reshape(rows, self.sizes), np.argsort(self.order))


class Walk(NamedTuple):
    """How arrays of a shape, channel axes and strides become views of rank 3; see `views`."""

    axes: tuple[int, ...]  # of the arrays, in the order of x's memory
    groups: tuple[int, ...]  # sizes of the groups of neighbouring axes that one stride walks
    transposed: tuple[
        int, ...
    ]  # groups: those gone through index by index, then outer, channels, inner as far as there
    indices: list  # of problems, and of the pieces of each
    shape: tuple[int, int, int]
    sizes: tuple[int, ...]
    order: tuple[int, ...]


def _groups(shape, strides, channels, axes):
    """Neighbouring axes of the same role that one stride walks in every array."""
    groups = []
    for axis in axes:
        if groups and (axis in channels) == (groups[-1][-1] in channels):
            last = groups[-1][-1]
            if all(of[last] == of[axis] * shape[axis] for of in strides):
                groups[-1].append(axis)
                continue
        groups.append([axis])
    return groups


@lru_cache(maxsize=256)
def _walk(shape, channels, strides):
    """The Walk of arrays with these strides, those of x first."""
    axes = sorted(range(len(shape)), key=lambda axis: -abs(strides[0][axis]) if shape[axis] > 1 else -np.inf)
    groups = _groups(shape, strides, channels, axes)
    sizes = [prod(shape[axis] for axis in group) for group in groups]
    reduced = [g for g, group in enumerate(groups) if group[0] not in channels]
    kept = [g for g in range(len(groups)) if g not in reduced]
    main = max(kept, key=sizes.__getitem__, default=None)
    inner = reduced[-1] if main is not None and reduced[-1] > main else None
    outer = max((g for g in reduced if g != inner), key=sizes.__getitem__, default=None)
    rest = [g for g in kept if g != main], [g for g in reduced if g not in (outer, inner)]
    last = [g for g in (outer, main, inner) if g is not None]
    # the main channels come last in each row of parameters
    ordered = [axis for g in (*rest[0], *([] if main is None else [main])) for axis in groups[g]]
    return Walk(
        tuple(axes),
        tuple(sizes),
        (*rest[0], *rest[1], *last),
        [list(product(*(range(sizes[g]) for g in part))) for part in rest],
        tuple(1 if g is None else sizes[g] for g in (outer, main, inner)),
        tuple(shape[a] for a in ordered),
        tuple(channels.index(a) for a in ordered),
    )


def views(arrays, layout) -> Views:
    """The arrays (all of layout.shape, any strides) as views of rank 3, without a copy [BN-1.1].

    Axes are taken in the order of x's memory. What does not fit outer, channels, inner (several channel axes that
    do not lie together, slices of a larger array) is gone through index by index.
    """
    walk = _walk(layout.shape, layout.channel_axes, tuple(a.strides for a in arrays))
    transposed = [a.transpose(walk.axes).reshape(walk.groups).transpose(walk.transposed) for a in arrays]
    problems, pieces = walk.indices
    problems = [[tuple(a[c + r].reshape(walk.shape) for a in transposed) for r in pieces] for c in problems]
    return Views(problems, walk.sizes, walk.order)


def _even(count, size, most):
    """How many of `count` things of `size` elements to take at a time: parts of even length, none above `most`
    elements."""
    return -(-count // -(-count // max(1, most // size)))


@dataclass(frozen=True)
class TilePlan:
    """How a problem is cut: blocks of `channels`, each gone through in tiles of (`rows`, channels, `inner`).

    fold: so many rows of a tile lie side by side as columns; 0 where values are worked on row by row.
    """

    rows: int
    channels: int
    inner: int
    fold: int

    @classmethod
    @lru_cache(maxsize=256)
    def of(cls, shape, limits, measured=True) -> "TilePlan":
        """The cut of an (outer, channels, inner) view; measured: whether moments are taken.

        It depends on nothing else, so neither do the results.
        """
        outer, channels, inner = shape
        if inner >= limits.long:
            most = limits.rows if measured else limits.written
            block = _even(channels, outer * inner if measured else inner, most)
            return cls(_even(outer, block * inner, most), block, _even(inner, 1, most), 0)
        block = min(_even(channels, outer * inner, limits.columns), _even(channels, inner, limits.widest))
        block = min(channels, max(block, -(-limits.wide // inner)))
        rows = _even(outer, block * inner, limits.columns if measured else limits.written)
        fold = min(rows, max(1, limits.folded // (block * inner))) if block == channels else 1
        return cls(rows // fold * fold, block, inner, fold)

    @property
    def size(self):
        """Elements of the largest tile."""
        return self.channels * self.inner * max(self.rows, self.fold)

    def blocks(self, channels):
        """The channel ranges."""
        return [slice(at, min(at + self.channels, channels)) for at in range(0, channels, self.channels)]

    @lru_cache(maxsize=256)
    def tiles(self, pieces, shape):
        """(piece, rows, inner) of each tile of a block, and how many values a channel has in each; not to be changed.

        The last rows that fill no fold make a tile of their own.
        """
        outer, _, inner = shape
        whole = outer // self.fold * self.fold if self.fold else outer
        rows = [slice(at, min(at + self.rows, whole)) for at in range(0, whole, self.rows)]
        rows += [slice(whole, outer)] if whole < outer else []
        columns = [slice(at, min(at + self.inner, inner)) for at in range(0, inner, self.inner)]
        counts = [(r.stop - r.start) * (c.stop - c.start) for r in rows for c in columns]
        return list(product(range(pieces), rows, columns)), np.array(counts * pieces, np.float64)


@lru_cache(maxsize=64)
def arithmetic(shape, fold):
    """How to work on tiles (outer, channels, inner) of a plan with that fold."""
    if not fold:
        return Rows(shape)
    return Columns(shape, fold if shape[0] % fold == 0 else 1)


class Rows:
    """Arithmetic on tiles whose inner axis is long: a channel's coefficient is a scalar for a whole row.

    shape: of a tile here. Sums are taken of a stack of tiles, (stack, *shape), and are (stack, channels).
    """

    ones = np.ones((RUN, 1))

    def __init__(self, shape):
        self.shape = shape

    def broadcast(self, coefficient):
        """A coefficient a channel, to broadcast against the tile; one number where there is one channel."""
        return coefficient[0] if len(coefficient) == 1 else coefficient[:, None]

    def sum(self, stack):
        """Sums of each channel."""
        return sum(self._total(run, self.ones[: run.shape[-1]]) for run in self._runs(stack))

    def dot(self, stack, tile):
        """Sums of products with a tile."""
        return sum(self._total(left, right[..., None]) for left, right in zip(self._runs(stack), self._runs(tile)))

    def _runs(self, tiles):
        """The last axis in two: runs as long as BLAS may have; and what is left over, a run of its own."""
        whole = self.shape[2] // RUN * RUN
        if whole:
            yield tiles[..., :whole].reshape(*tiles.shape[:-1], -1, RUN)
        if whole < self.shape[2]:
            yield tiles[..., None, whole:]

    @staticmethod
    def _total(left, right):
        """Products of rows with columns by BLAS: (stack, outer, channels, runs, ...), summed by channel."""
        return np.add.reduce(np.matmul(left[..., None, :], right)[..., 0, 0], axis=(1, 3))


class Columns:
    """The same on tiles whose inner axis is short: `fold` rows side by side, one coefficient a column.

    A loop over a short axis costs more than its arithmetic: laid side by side, rows make one that is long enough.
    """

    def __init__(self, shape, fold):
        rows, self.channels, self.inner = shape
        self.fold, self.shape = fold, (rows // fold, fold * self.channels * self.inner)

    def broadcast(self, coefficient):
        return np.tile(np.repeat(coefficient, self.inner), self.fold)

    def _gather(self, columns):
        return np.add.reduce(columns.reshape(-1, self.fold, self.channels, self.inner), axis=(1, 3))

    def sum(self, stack):
        return self._gather(np.add.reduce(stack, axis=1))

    def dot(self, stack, tile):
        return self._gather(np.einsum("kij,ij->kj", stack, tile))
