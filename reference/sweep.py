"""One sweep of the engine: what the values of each channel say, then the outputs, tile by tile."""

import os
from collections import deque
from contextlib import contextmanager, suppress
from functools import partial
from math import prod
from threading import local
from typing import NamedTuple

import numpy as np

from .tiles import BUFFER, Plan, arithmetic

FLOAT64 = np.dtype(np.float64)
GROUP = 4  # tiles merged at a time, so that the moments of all never lie side by side
KAPPA = 4.0  # largest E[x**2] / var for which one pass over x is taken

# moments of a channel: mean, what rounding took from it, sum (x - its mean)**2; with dy: sum dy, sum dy (x - MEAN)
MEAN, LOW, M2, DY, DY_X = range(5)


class Unit(NamedTuple):
    """A block of channels: its row of parameters and its range."""

    row: int
    block: slice


class Coefficients(NamedTuple):
    """z = a (x - shift), or a x where shift is None; y = z + b, dx = a dy + slope z + offset."""

    shift: np.ndarray | None
    a: np.ndarray
    b: np.ndarray | None
    slope: np.ndarray | None
    offset: np.ndarray | None


def merged(parts, counts):
    """The moments of many tiles together, as those of each: sequences of arrays by channel [BN-2.1, BN-2.2].

    Means are compared with that of the first tile: so they keep the digits that a large common mean would take.
    """
    if len(parts) == 1:
        return parts[0]
    moments = np.stack(parts, axis=-1)  # the tiles are the last axis: sums over it are pairwise
    reference = moments[MEAN, :, :1]
    apart = moments[MEAN] - reference
    between = np.add.reduce((apart + moments[LOW]) * (counts / counts.sum()), axis=-1)
    apart -= between[:, None]
    shift = apart + moments[LOW]
    moments[M2] += counts * shift * shift
    if len(moments) > DY:
        moments[DY_X] += apart * moments[DY]
    total = np.add.reduce(moments, axis=-1)
    total[MEAN] = reference[:, 0] + between
    total[LOW] = (reference[:, 0] - total[MEAN]) + between
    return total


def all_merged(parts, counts):
    """The moments of many parts together, GROUP by GROUP as a tree."""
    while len(parts) > 1:
        starts = range(0, len(parts), GROUP)
        parts = [merged(parts[at : at + GROUP], counts[at : at + GROUP]) for at in starts]
        counts = np.add.reduceat(counts, starts)
    return parts[0]


@contextmanager
def quick_loops():
    """NumPy told to stay silent, and not to copy coefficients.

    It copies an operand that is broadcast into buffers of its own where the inner loop is shorter than they are; that
    takes longer than the arithmetic.
    """
    with np.errstate(all="ignore"):
        before = np.setbufsize(BUFFER)
        try:
            yield
        finally:
            np.setbufsize(before)


def _chunks(items, threads):
    """The items in order, in four parts a thread at most."""
    step = -(-len(items) // (4 * threads))
    return [items[at : at + step] for at in range(0, len(items), step)]


def _far(mean, spread):
    """Whether a x + b would lose bits that a (x - mean) keeps; also where anything is not finite."""
    return not (mean * mean < (KAPPA - 1) * spread).all()


SPARE = deque(maxlen=os.cpu_count())  # buffers of earlier calls: fresh memory costs a page fault every 4 kB


def _buffer(size):
    """At least `size` bytes, from an earlier call where it left as many."""
    while SPARE:
        with suppress(IndexError):  # another thread was faster
            if (found := SPARE.pop()).size >= size:
                return found
    return np.empty(size, np.uint8)


class Scratch(local):
    """A thread's buffers, and the tile in them: (unit, number), its arrays, how to work on it, whether x was shifted.

    size: elements of a tile; stack: tiles in float64; itemsize: of the widest type of input and output. taken: list of
    the threads' buffers.
    """

    def __init__(self, size, stack, itemsize, taken):
        self.narrow_from = size * stack * FLOAT64.itemsize
        self.size, self.buffer, self.taken = self.narrow_from + size * itemsize, None, taken
        self.key, self.arrays, self.work, self.shifted = None, None, None, False

    def room(self, shape, dtype, start):
        """An array in the buffer, which is made when a thread first asks for it."""
        if self.buffer is None:
            self.buffer = _buffer(self.size)
            self.taken.append(self.buffer)
        return self.buffer[start : start + prod(shape) * dtype.itemsize].view(dtype).reshape(shape)

    def widen(self, sources):
        """The sources, all of one shape, stacked in float64.

        What is narrower is copied as it is first: NumPy copies from memory at full speed, but converts from it at half.
        """
        stacked = self.room((len(sources), *sources[0].shape), FLOAT64, 0)
        for source, tile in zip(sources, stacked):
            if source.dtype != FLOAT64:
                narrow = self.room(source.shape, source.dtype, self.narrow_from)
                np.copyto(narrow, source)
                source = narrow
            np.copyto(tile, source)
        return stacked

    def store(self, out, combine, left, right):
        """out = combine(left, right), rounded once, by way of a buffer for the same reason."""
        narrow = self.room(left.shape, out.dtype, self.narrow_from)
        combine(left, right, out=narrow, casting="unsafe")
        np.copyto(out, narrow.reshape(out.shape))


class Sweep:
    """problems: list of lists of pieces {name: (outer, channels, inner) view} with x, and y, dy, dx as far as wanted.

    rows: name -> (problems, channels) of gamma, beta, and mean and var where they are given, not computed.
    After `run`, y and dx are written, and `found` has dgamma and dbeta as such rows, mean and var too where y is wanted and they are not given.
    """

    def __init__(self, problems, rows, eps, training):
        self.problems, self.rows, self.eps, self.training = problems, rows, eps, training
        wants, shape = set(problems[0][0]), problems[0][0]["x"].shape
        self.y, self.dy, self.dx, self.given = "y" in wants, "dy" in wants, "dx" in wants, "mean" in rows
        self.plan = Plan.of(shape)
        self.units = [Unit(row, block) for row in range(len(problems)) for block in self.plan.blocks(shape[1])]
        self.tiles, self.counts = self.plan.tiles(len(problems[0]), shape)
        names = (["mean", "var"] if self.y and not self.given else []) + (["dgamma", "dbeta"] if self.dy else [])
        self.found = {name: np.empty((len(problems), shape[1])) for name in names}
        self.measured = ("x", "dy") if self.dy else ("x",)
        self.applied = self.measured if self.y or training else ("dy",)
        itemsize, self.taken = max(view.dtype.itemsize for view in problems[0][0].values()), []
        self.scratch = Scratch(self.plan.size, len(self.measured), itemsize, self.taken)

    def run(self, mapped, threads):
        """Do it all; `mapped` is `map` or that of a pool of so many threads."""
        if threads == 1 or len(self.units) >= 4 * threads:
            list(mapped(self._whole, _chunks(self.units, threads)))  # a block's second pass finds its source in cache
        else:
            self._in_two_passes(mapped, threads)
        SPARE.extend(self.taken)

    def _in_two_passes(self, mapped, threads):
        """All moments, then all outputs."""
        groups = [(unit, g) for unit in range(len(self.units)) for g in range(0, len(self.tiles), GROUP)]
        chunks = _chunks(groups, threads)
        parts = iter([part for chunk in mapped(self._moments_of, chunks) for part in chunk])
        of = [self._coefficients(unit, [next(parts) for _ in self.tiles[::GROUP]]) for unit in self.units]
        list(mapped(partial(self._write_all, of), chunks))

    @quick_loops()
    def _whole(self, units):
        for unit in units:
            of = self._coefficients(unit, [self._moments(unit, g) for g in range(0, len(self.tiles), GROUP)])
            spread = {}
            for t in reversed(range(len(self.tiles))):  # the last that was measured is still there
                self._write(unit, t, of, spread)

    @quick_loops()
    def _moments_of(self, groups):
        return [self._moments(self.units[u], g) for u, g in groups]

    @quick_loops()
    def _write_all(self, of, groups):
        spread = [{} for _ in self.units]
        for u, g in groups:
            for t in range(g, min(g + GROUP, len(self.tiles))):
                self._write(self.units[u], t, of[u], spread[u])

    def _moments(self, unit, g):
        """Moments of the group of tiles that begins with tile g, or None where nothing is to be found."""
        if self.given and not self.dy:
            return None
        counts = self.counts[g : g + GROUP]
        return merged([self._measure(unit, g + t) for t in range(len(counts))], counts)

    def _views(self, unit, t, names):
        """The tile's part of x, dy, y or dx."""
        piece, rows, columns = self.tiles[t]
        views = self.problems[unit.row][piece]
        return [views[name][rows, unit.block, columns] for name in names]

    def _load(self, unit, t, names):
        """Bring a tile's x and dy, as far as named, into the scratch buffers."""
        scratch, stacked = self.scratch, self.scratch.widen(self._views(unit, t, names))
        scratch.key, scratch.shifted = (unit, t), False
        scratch.work = arithmetic(stacked.shape[1:], self.plan.fold)
        scratch.arrays = stacked.reshape(len(stacked), *scratch.work.shape)

    def _measure(self, unit, t):
        """The moments of a tile, a list of arrays by channel."""
        self._load(unit, t, self.measured)
        if self.given:
            return self._gradients_of(unit)
        arrays, work, n = self.scratch.arrays, self.scratch.work, self.counts[t]
        sums, products = work.sum(arrays), work.dot(arrays, arrays[0])
        mean, low = sums[0] / n, np.zeros_like(sums[0])
        m2 = products[0] - sums[0] * mean
        far = not ((m2 * KAPPA >= products[0]) & (m2 < np.inf)).all()
        if far:
            self._shift(mean)
            products = work.dot(arrays, arrays[0])
            low = work.sum(arrays[:1])[0] / n
            m2 = products[0] - n * low * low
        if not self.dy:
            return [mean, low, m2]
        return [mean, low, m2, sums[1], products[1] if far else products[1] - mean * sums[1]]

    def _gradients_of(self, unit):
        """The same where the mean is given: only the sums with dy are computed."""
        mean, var = self.rows["mean"][unit], self.rows["var"][unit]
        far = _far(mean, var + self.eps)
        if far:
            self._shift(mean)
        x, dy, work, zero = self.scratch.arrays[0], self.scratch.arrays[1:], self.scratch.work, np.zeros_like(mean)
        (sum_dy,), (product,) = work.sum(dy), work.dot(dy, x)
        return [mean, zero, zero, sum_dy, product if far else product - mean * sum_dy]

    def _shift(self, mean):
        self.scratch.arrays[0] -= self.scratch.work.spread(mean)
        self.scratch.shifted = True

    @np.errstate(all="ignore")
    def _coefficients(self, unit, parts):
        """Enter what was found of a block, and say how its outputs are computed."""
        row, m = {name: values[unit] for name, values in self.rows.items()}, self.counts.sum()
        if parts[0] is not None:
            moments = all_merged(parts, np.add.reduceat(self.counts, range(0, len(self.counts), GROUP)))
        mean, var = (row["mean"], row["var"]) if self.given else (moments[MEAN], moments[M2] / m)
        if "mean" in self.found:
            self.found["mean"][unit], self.found["var"][unit] = mean, var
        spread = var + self.eps
        r = 1.0 / np.sqrt(spread)
        a, b, slope, offset, far = row["gamma"] * r, row.get("beta"), None, None, _far(mean, spread)
        if self.dy:
            self.found["dgamma"][unit], self.found["dbeta"][unit] = r * moments[DY_X], moments[DY]
        if self.dx and self.training:
            slope, offset = r * r * moments[DY_X] / -m, a * moments[DY] / -m
            # what is not finite must meet x - mean, as in the definition, not x
            far = far or not np.isfinite(a * slope + offset).all()
            offset = offset if far else offset - slope * (a * mean)
        if self.y and not far:
            b = b - a * mean
        return Coefficients(mean if far else None, a, b, slope, offset)

    def _write(self, unit, t, of, spread):
        """Write the outputs of a tile."""
        scratch, shift = self.scratch, of.shift is not None
        # a tile that is shifted already was so by its own mean, which is the block's only if it is the only one
        usable = not scratch.shifted or (shift and (self.given or len(self.tiles) == 1))
        if scratch.key != (unit, t) or not usable:
            self._load(unit, t, self.applied)
        if scratch.work not in spread:
            spread[scratch.work] = Coefficients(*(None if c is None else scratch.work.spread(c) for c in of))
        wide, x, dy = spread[scratch.work], scratch.arrays[0], scratch.arrays[-1]
        scratch.key = None  # from here on the buffers hold results
        if self.applied[0] == "x":
            if shift and not scratch.shifted:
                x -= wide.shift
            x *= wide.a
        if self.y:
            scratch.store(*self._views(unit, t, ("y",)), np.add, x, wide.b)
        if self.dx and self.training:
            dy *= wide.a
            x *= wide.slope
            dy += x
            scratch.store(*self._views(unit, t, ("dx",)), np.add, dy, wide.offset)
        elif self.dx:
            scratch.store(*self._views(unit, t, ("dx",)), np.multiply, dy, wide.a)
