"""One sweep of the engine: what each channel's values say, then the outputs, tile by tile."""

from functools import partial
from math import prod
from threading import local
from typing import NamedTuple

import numpy as np

from .tiles import Plan, load

KAPPA = 4.0  # largest E[x**2] / var for which one pass over x is taken


class Moments(NamedTuple):
    """Of the values of some channels: count, mean, sum (x - mean)**2, sum dy, sum dy (x - mean)."""

    n: int
    mean: np.ndarray
    m2: np.ndarray
    dy: np.ndarray
    dy_x: np.ndarray


def merged(parts, mean=None):
    """The moments of all parts together [BN-2.1, BN-2.2]; about `mean` where that was given to all of them."""
    if len(parts) == 1:
        return parts[0]
    # a row a channel: NumPy sums pairwise along the last axis only
    n = np.array([part.n for part in parts], np.float64)
    means, m2, dy, dy_x = (np.ascontiguousarray(np.stack(found, axis=-1)) for found in list(zip(*parts))[1:])
    total = partial(np.add.reduce, axis=-1)
    if mean is None:
        mean = total(means * (n / n.sum()))
        shift = means - mean[:, None]
        m2, dy_x = m2 + n * shift * shift, dy_x + shift * dy
    return Moments(int(n.sum()), mean, total(m2), total(dy), total(dy_x))


class Unit(NamedTuple):
    """A block of channels: the row of parameters, the channels in it, its tiles (piece, index)."""

    row: int
    block: slice
    tiles: list


class Coefficients(NamedTuple):
    """y = a z + b and dx = a dy + slope z + offset, with z = x - shift, or x where shift is None."""

    shift: np.ndarray | None
    a: np.ndarray
    b: np.ndarray | None
    slope: np.ndarray | None
    offset: np.ndarray | None


def _far(mean, spread):
    """Whether a x + b would lose bits that a (x - mean) keeps; also where anything is not finite."""
    return not np.all(mean * mean < (KAPPA - 1) * spread)


class Scratch(local):
    """Each thread's buffers, and what of the last tile is still in them."""

    def __init__(self, size, names):
        self.buffer = {name: np.empty(size) for name in names}
        self.key, self.shifted = None, False


class Sweep:
    """problems: list of lists of pieces {name: (outer, channels, inner) view} with x, and y, dy, dx as far as wanted.

    rows: name -> (problems, channels) of gamma, beta, and mean and var where they are given, not computed.
    After `run`, y and dx are written, and `found` has mean, var, dgamma, dbeta as such rows, as far as computed.
    """

    def __init__(self, problems, rows, eps, training):
        self.problems, self.rows, self.eps, self.training = problems, rows, eps, training
        first = problems[0][0]
        self.wants, self.given = set(first), "mean" in rows
        shape = first["x"].shape
        self.plan = Plan.of(shape)
        self.units = [
            Unit(row, block, self.plan.tiles(len(pieces), shape, block))
            for row, pieces in enumerate(problems)
            for block in self.plan.blocks(shape[1])
        ]
        names = ([] if self.given else ["mean", "var"]) + (["dgamma", "dbeta"] if "dy" in self.wants else [])
        self.found = {name: np.empty((len(problems), shape[1])) for name in names}
        both = self.wants >= {"y", "dx"}
        needs_x = "y" in self.wants or ("dx" in self.wants and training)
        self.sources = [name for name, needed in (("x", needs_x), ("dy", "dx" in self.wants)) if needed]
        self.scratch = Scratch(self.plan.size, ["x", *(["dy"] if "dy" in self.wants else []), *(["y"] if both else [])])

    def run(self, mapped, threads):
        """Do it all; `mapped` is `map` or that of a pool of so many threads."""
        if len(self.units) >= 4 * threads or threads == 1:
            list(mapped(self._whole, self.units))  # a block's second pass finds its source in cache
            return
        places = [(unit, tile) for unit in self.units for tile in unit.tiles]
        step = -(-len(places) // (4 * threads))
        chunks = [places[at : at + step] for at in range(0, len(places), step)]
        parts = (part for chunk in mapped(self._measure, chunks) for part in chunk)
        of = {id(unit): self._coefficients(unit, [next(parts) for _ in unit.tiles]) for unit in self.units}
        list(mapped(partial(self._apply, of=of), chunks))

    def _whole(self, unit):
        places = [(unit, tile) for tile in unit.tiles]
        of = {id(unit): self._coefficients(unit, self._measure(places))}
        self._apply(reversed(places), of)  # backwards: the last tile is in the buffers already

    def _load(self, unit, tile, names):
        """The tile's arithmetic, and x and dy as wanted in float64, in its shape."""
        scratch, (piece, index) = self.scratch, tile
        views = {name: self.problems[unit.row][piece][name][index] for name in names}
        scratch.key, scratch.shifted = (unit.row, piece, index), False
        work = self.plan.arithmetic(next(iter(views.values())).shape)
        tiles = [load(scratch.buffer[name], view).reshape(work.shape) for name, view in views.items()]
        return work, tiles

    @np.errstate(all="ignore")
    def _measure(self, places):
        """Moments of each tile."""
        if not self.found:
            return [None for _ in places]
        return [self._moments(*place) for place in places]

    def _moments(self, unit, tile):
        with_dy = "dy" in self.wants
        work, (x, *dy) = self._load(unit, tile, ("x", "dy") if with_dy else ("x",))
        block = unit.block.stop - unit.block.start
        n, m2, zero = x.size // block, np.zeros(block), np.zeros(block)
        if self.given:
            mean, var = self.rows["mean"][unit.row, unit.block], self.rows["var"][unit.row, unit.block]
            far = _far(mean, var + self.eps)
        else:
            mean, square = work.sum(x) / n, work.dot(x, x)
            m2 = square - n * mean * mean
            far = not np.all(np.isfinite(square) & (m2 * KAPPA >= square))
        if far:
            x -= work.spread(mean)
            self.scratch.shifted = True
            m2 = m2 if self.given else work.dot(x, x)
        if not with_dy:
            return Moments(n, mean, m2, zero, zero)
        sum_dy, sum_dy_x = work.sum(dy[0]), work.dot(dy[0], x)
        return Moments(n, mean, m2, sum_dy, sum_dy_x if far else sum_dy_x - mean * sum_dy)

    @np.errstate(all="ignore")
    def _coefficients(self, unit, parts):
        """Fill in what was found of a block, and say how its outputs are computed."""
        at = unit.row, unit.block
        row = {name: values[at] for name, values in self.rows.items()}
        moments = merged(parts, row.get("mean")) if self.found else None
        mean, var = (row["mean"], row["var"]) if self.given else (moments.mean, moments.m2 / moments.n)
        r = 1.0 / np.sqrt(var + self.eps)
        found = {"mean": mean, "var": var}
        slope = offset = None
        if "dy" in self.wants:
            found |= {"dgamma": r * moments.dy_x, "dbeta": moments.dy}
        for name in self.found:
            self.found[name][at] = found[name]
        a, far = row["gamma"] * r, _far(mean, var + self.eps)
        if "dx" in self.wants and self.training:
            slope, offset = -a * r * r * (moments.dy_x / moments.n), -a * (moments.dy / moments.n)
            # a gradient that is not finite spoils x_hat where the definition says, not where mean is not zero
            far = far or not np.all(np.isfinite(slope) & np.isfinite(offset))
            offset = offset if far else offset - slope * mean
        beta = row.get("beta")
        if beta is not None and not far:
            beta = beta - a * mean
        return Coefficients(mean if far else None, a, beta, slope, offset)

    @np.errstate(all="ignore")
    def _apply(self, places, of):
        """Write the outputs of each tile."""
        spread = {}
        for unit, tile in places:
            self._write(unit, tile, of[id(unit)], spread)

    def _write(self, unit, tile, of, spread):
        scratch, (piece, index) = self.scratch, tile
        shifted = of.shift is not None
        if scratch.key != (unit.row, piece, index) or (scratch.shifted and not (shifted and len(unit.tiles) == 1)):
            self._load(unit, tile, self.sources)
        work = self.plan.arithmetic(self.problems[unit.row][piece]["x"][index].shape)
        size = prod(work.shape)
        at = {name: buffer[:size].reshape(work.shape) for name, buffer in scratch.buffer.items()}
        wide = spread.setdefault((id(unit), work.shape), Coefficients(*(c if c is None else work.spread(c) for c in of)))
        if shifted and not scratch.shifted and "x" in self.sources:
            at["x"] -= wide.shift
        scratch.key = None
        if "y" in self.wants:
            y = np.multiply(at["x"], wide.a, out=at.get("y", at["x"]))
            y += wide.b
            self._store("y", y, unit, tile)
        if "dx" in self.wants:
            dx = np.multiply(at["dy"], wide.a, out=at["dy"])
            if self.training:
                x = np.multiply(at["x"], wide.slope, out=at["x"])
                dx += x
                dx += wide.offset
            self._store("dx", dx, unit, tile)

    def _store(self, name, values, unit, tile):
        out = self.problems[unit.row][tile[0]][name][tile[1]]
        np.copyto(out, values.reshape(out.shape), casting="unsafe")
