"""One sweep of the engine: what the values of each channel say, then the outputs, tile by tile."""

from functools import partial
from math import prod
from threading import local
from typing import NamedTuple

import numpy as np

from .tiles import Plan

GROUP = 4  # tiles merged at a time, so that the moments of all never lie side by side
KAPPA = 4.0  # largest E[x**2] / var for which one pass over x is taken

# moments of a channel: mean, what rounding took from it, sum (x - its mean)**2, sum dy, sum dy (x - MEAN)
MEAN, LOW, M2, DY, DY_X = range(5)


class Unit(NamedTuple):
    """A block of channels: its row of parameters, its range, its tiles (piece, index), values a channel has in each."""

    row: int
    block: slice
    tiles: list
    counts: np.ndarray


class Coefficients(NamedTuple):
    """y = a z + b and dx = a dy + slope z + offset, where z = x - shift, or x where shift is None."""

    shift: np.ndarray | None
    a: np.ndarray
    b: np.ndarray | None
    slope: np.ndarray | None
    offset: np.ndarray | None


def merged(moments, counts):
    """The moments (5, channels, tiles) of all tiles together (5, channels) [BN-2.1, BN-2.2].

    Means are compared with that of the first tile: so they keep the digits that a large common mean would take.
    """
    if len(counts) == 1:
        return moments[..., 0]
    reference = moments[MEAN, :, :1]
    apart = moments[MEAN] - reference
    between = np.add.reduce((apart + moments[LOW]) * (counts / counts.sum()), axis=-1)
    apart -= between[:, None]
    shift = apart + moments[LOW]
    moments[M2] += counts * shift * shift
    moments[DY_X] += apart * moments[DY]
    total = np.add.reduce(moments, axis=-1)  # pairwise, because the tiles are the last axis
    total[MEAN] = reference[:, 0] + between
    total[LOW] = (reference[:, 0] - total[MEAN]) + between
    return total


def all_merged(parts, counts):
    """The moments of many parts together, GROUP by GROUP as a tree."""
    while len(parts) > 1:
        starts = range(0, len(parts), GROUP)
        parts = [merged(np.stack(parts[at : at + GROUP], axis=-1), counts[at : at + GROUP]) for at in starts]
        counts = np.add.reduceat(counts, starts)
    return parts[0]


def _far(mean, spread):
    """Whether a x + b would lose bits that a (x - mean) keeps; also where anything is not finite."""
    return not (mean * mean < (KAPPA - 1) * spread).all()


class Scratch(local):
    """A thread's buffers; the tile in them (unit's row, piece, index), its float64 arrays, and whether x was shifted."""

    def __init__(self, size):
        self.size, self.buffers = size, {}
        self.key, self.arrays, self.shifted = None, {}, False

    def room(self, name, shape):
        """The front of the buffer called `name`, made when a thread first asks for it."""
        if name not in self.buffers:
            self.buffers[name] = np.empty(self.size)
        return self.buffers[name][: prod(shape)].reshape(shape)


class Sweep:
    """problems: list of lists of pieces {name: (outer, channels, inner) view} with x, and y, dy, dx as far as wanted.

    rows: name -> (problems, channels) of gamma, beta, and mean and var where they are given, not computed.
    After `run`, y and dx are written, and `found` has mean, var, dgamma, dbeta as such rows, as far as computed.
    """

    def __init__(self, problems, rows, eps, training):
        self.problems, self.rows, self.eps, self.training = problems, rows, eps, training
        wants, shape = set(problems[0][0]), problems[0][0]["x"].shape
        self.y, self.dy, self.dx, self.given = "y" in wants, "dy" in wants, "dx" in wants, "mean" in rows
        self.plan = Plan.of(shape)
        self.units = [
            self._unit(row, len(pieces), shape, block)
            for row, pieces in enumerate(problems)
            for block in self.plan.blocks(shape[1])
        ]
        names = ([] if self.given else ["mean", "var"]) + (["dgamma", "dbeta"] if self.dy else [])
        self.found = {name: np.empty((len(problems), shape[1])) for name in names}
        self.measured = ("x", "dy") if self.dy else ("x",)
        self.applied = (("x",) if self.y or training else ()) + (("dy",) if self.dx else ())
        self.scratch = Scratch(self.plan.size)

    def _unit(self, row, pieces, shape, block):
        tiles = self.plan.tiles(pieces, shape, block)
        return Unit(row, block, tiles, np.array([(r.stop - r.start) * (c.stop - c.start) for _, (r, _, c) in tiles], np.float64))

    def run(self, mapped, threads):
        """Do it all; `mapped` is `map` or that of a pool of so many threads."""
        if threads == 1 or len(self.units) >= 4 * threads:
            list(mapped(self._whole, self.units))  # a block's second pass finds its source in cache
            return
        groups = [(u, g) for u, unit in enumerate(self.units) for g in range(0, len(unit.tiles), GROUP)]
        step = -(-len(groups) // (4 * threads))
        chunks = [groups[at : at + step] for at in range(0, len(groups), step)]
        parts = iter([part for chunk in mapped(self._moments_of, chunks) for part in chunk])
        of = [self._coefficients(unit, [next(parts) for _ in unit.tiles[::GROUP]]) for unit in self.units]
        list(mapped(partial(self._write_all, of), chunks))

    @np.errstate(all="ignore")
    def _whole(self, unit):
        of, spread = self._coefficients(unit, [self._moments(unit, g) for g in range(0, len(unit.tiles), GROUP)]), {}
        for t in reversed(range(len(unit.tiles))):  # the last tile is in the buffers already
            self._write(unit, t, of, spread)

    @np.errstate(all="ignore")
    def _moments_of(self, groups):
        return [self._moments(self.units[u], g) for u, g in groups]

    @np.errstate(all="ignore")
    def _write_all(self, of, groups):
        spread = [{} for _ in self.units]
        for u, g in groups:
            for t in range(g, min(g + GROUP, len(self.units[u].tiles))):
                self._write(self.units[u], t, of[u], spread[u])

    def _moments(self, unit, g):
        """Moments of the group of tiles that begins with tile g, or None where nothing is to be found."""
        if not self.found:
            return None
        counts = unit.counts[g : g + GROUP]
        moments = np.zeros((5, unit.block.stop - unit.block.start, len(counts)))
        for t in range(len(counts)):
            self._measure(unit, g + t, moments[..., t])
        return merged(moments, counts)

    def _load(self, unit, t, names):
        """x and dy as wanted, of a tile, in float64 and the tile's shape."""
        scratch, (piece, index) = self.scratch, unit.tiles[t]
        scratch.key, scratch.shifted = (unit.row, piece, index), False
        for name in names:
            source = self.problems[unit.row][piece][name][index]
            tile = scratch.room(name, source.shape)
            np.copyto(tile, source)
            scratch.arrays[name] = tile.reshape(self.plan.arithmetic(source.shape).shape)
        return self.plan.arithmetic(source.shape)

    def _measure(self, unit, t, moments):
        """Fill in the moments of a tile."""
        work, n = self._load(unit, t, self.measured), unit.counts[t]
        x, dy = self.scratch.arrays["x"], self.scratch.arrays.get("dy")
        if self.given:
            mean, var = self.rows["mean"][unit.row, unit.block], self.rows["var"][unit.row, unit.block]
            m2, far = 0.0, _far(mean, var + self.eps)
        else:
            mean, square = work.sum(x) / n, work.dot(x, x)
            m2 = square - n * mean * mean
            far = not ((m2 * KAPPA >= square) & (square < np.inf)).all()
        if far:
            x -= work.spread(mean)
            self.scratch.shifted = True
            if not self.given:
                moments[LOW] = low = work.sum(x) / n
                m2 = work.dot(x, x) - n * low * low
        moments[MEAN], moments[M2] = mean, m2
        if self.dy:
            sum_dy, sum_dy_x = work.sum(dy), work.dot(dy, x)
            moments[DY], moments[DY_X] = sum_dy, sum_dy_x if far else sum_dy_x - mean * sum_dy

    @np.errstate(all="ignore")
    def _coefficients(self, unit, parts):
        """Enter what was found of a block, and say how its outputs are computed."""
        at, m = (unit.row, unit.block), unit.counts.sum()
        row = {name: values[at] for name, values in self.rows.items()}
        if self.found:
            counts = np.add.reduceat(unit.counts, range(0, len(unit.counts), GROUP))
            mean, _, m2, sum_dy, sum_dy_x = all_merged(parts, counts)
        mean, var = (row["mean"], row["var"]) if self.given else (mean, m2 / m)
        r = 1.0 / np.sqrt(var + self.eps)
        a, b, slope, offset, far = row["gamma"] * r, row.get("beta"), None, None, _far(mean, var + self.eps)
        if not self.given:
            self.found["mean"][at], self.found["var"][at] = mean, var
        if self.dy:
            self.found["dgamma"][at], self.found["dbeta"][at] = r * sum_dy_x, sum_dy
        if self.dx and self.training:
            slope, offset = -a * r * r * (sum_dy_x / m), -a * (sum_dy / m)
            # what is not finite must meet x - mean, as in the definition, not x
            far = far or not np.isfinite(slope + offset).all()
            offset = offset if far else offset - slope * mean
        if self.y and not far:
            b = b - a * mean
        return Coefficients(mean if far else None, a, b, slope, offset)

    def _write(self, unit, t, of, spread):
        """Write the outputs of a tile."""
        scratch, (piece, index) = self.scratch, unit.tiles[t]
        views = self.problems[unit.row][piece]
        work = self.plan.arithmetic(views["x"][index].shape)
        shift = of.shift is not None
        # a tile that is shifted already was so by its own mean, which is the block's only if it is the only one
        usable = not scratch.shifted or (shift and (self.given or len(unit.tiles) == 1))
        if scratch.key != (unit.row, piece, index) or not usable:
            self._load(unit, t, self.applied)
        if work not in spread:
            spread[work] = Coefficients(*(None if c is None else work.spread(c) for c in of))
        wide, x, dy = spread[work], scratch.arrays.get("x"), scratch.arrays.get("dy")
        if shift and not scratch.shifted and "x" in self.applied:
            x -= wide.shift
        scratch.key = None  # from here on the buffers hold results
        if self.y:
            y = np.multiply(x, wide.a, out=scratch.room("y", x.shape) if self.dx else x)
            y += wide.b
            self._store(views["y"][index], y)
        if self.dx:
            dy *= wide.a
            if self.training:
                x *= wide.slope
                dy += x
                dy += wide.offset
            self._store(views["dx"][index], dy)

    @staticmethod
    def _store(out, values):
        np.copyto(out, values.reshape(out.shape), casting="unsafe")
