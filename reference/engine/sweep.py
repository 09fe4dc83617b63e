"""One sweep of the engine: what the values of each channel say, then the outputs, tile by tile."""

from functools import partial
from typing import NamedTuple

import numpy as np

from .c_tile import CTileKernel
from .moments import DY, DY_X, M2, MEAN, Coefficients, all_merged, cancels, merged
from .numpy_tile import SPARE, NumpyTileKernel, quick_loops
from .tiles import TilePlan


class Unit(NamedTuple):
    """A block of channels: its row of parameters and its range."""

    row: int
    block: slice


def _chunks(items, threads):
    """The items in order, in four parts a thread at most."""
    step = -(-len(items) // (4 * threads))
    return [items[at : at + step] for at in range(0, len(items), step)]


class Sweep:
    """problems: list of lists of pieces {name: (outer, channels, inner) view} with x, and y, dy, dx as far as wanted.

    rows: name -> (problems, channels) of gamma, beta, and mean and var where they are given, not computed.
    serial: elements up to which a second thread costs more than it brings.
    After `run`, y and dx are written, and `results` has dgamma and dbeta as such rows, mean and var too where y is
    wanted and they are not given.

    An output needs the statistics of its whole channel, so all of a block is read before any of it is written: once
    where the block stays in a cache, twice where it does not.
    """

    def __init__(self, problems, rows, eps, training):
        self.problems, self.rows, self.eps, self.training = problems, rows, eps, training
        wants, shape = set(problems[0][0]), problems[0][0]["x"].shape
        self.y, self.dy, self.dx, self.given = "y" in wants, "dy" in wants, "dx" in wants, "mean" in rows
        self.measured = self.dy or not self.given
        self.kernel = self._choose_kernel(problems[0][0], shape)
        plan = self.kernel.plan
        self.units = [Unit(row, block) for row in range(len(problems)) for block in plan.blocks(shape[1])]
        self.tiles, self.counts = plan.tiles(len(problems[0]), shape)
        self.serial = self.kernel.serial * (1 if self.measured else 2)
        self.groups = range(0, len(self.tiles), self.kernel.group if self.measured else 1)
        names = (["mean", "var"] if self.y and not self.given else []) + (["dgamma", "dbeta"] if self.dy else [])
        self.results = {name: np.empty((len(problems), shape[1])) for name in names}

    def _choose_kernel(self, views, shape):
        """The kernel that works on the tiles: the C one where it takes these types and strides, else NumPy."""
        native = CTileKernel.of(TilePlan.of(shape, CTileKernel.limits, self.measured), views)
        if native:
            return native
        plan = TilePlan.of(shape, NumpyTileKernel.limits, self.measured)
        return NumpyTileKernel(plan, 2 if self.dy else 1, max(view.itemsize for view in views.values()), [])

    def run(self, mapped, threads):
        """Do it all; mapped(work, items) does the work on that many threads, and gives the list of results."""
        if threads == 1 or len(self.units) >= 4 * threads:
            mapped(self._in_one_pass, _chunks(self.units, threads))  # a block's second pass finds its source in cache
        else:
            self._in_two_passes(mapped, threads)
        SPARE.extend(self.kernel.taken)

    def _in_two_passes(self, mapped, threads):
        """All moments, then all outputs."""
        groups = [(unit, g) for unit in range(len(self.units)) for g in self.groups]
        chunks = _chunks(groups, threads)
        moments = mapped(self._moments_of, chunks) if self.measured else [[None] * len(groups)]
        parts = iter([part for chunk in moments for part in chunk])
        coefficients = [self._coefficients(unit, [next(parts) for _ in self.groups]) for unit in self.units]
        mapped(
            partial(self._write_all, coefficients), chunks[::-1]
        )  # the last that was measured may still be in a cache

    @quick_loops()
    def _in_one_pass(self, units):
        for unit in units:
            coefficients = self._coefficients(unit, [self._moments(unit, g) for g in self.groups])
            broadcast = {}
            for t in reversed(range(len(self.tiles))):  # the last that was measured is still there
                self._write(unit, t, coefficients, broadcast)

    @quick_loops()
    def _moments_of(self, groups):
        return [self._moments(self.units[u], g) for u, g in groups]

    @quick_loops()
    def _write_all(self, coefficients, groups):
        broadcast = [{} for _ in self.units]
        for u, g in groups:
            for t in range(g, min(g + self.groups.step, len(self.tiles))):
                self._write(self.units[u], t, coefficients[u], broadcast[u])

    def _moments(self, unit, g):
        """Moments of the group of tiles that begins with tile g, or None where nothing is to be found."""
        if not self.measured:
            return None
        counts = self.counts[g : g + self.groups.step]
        return merged([self._measure(unit, g + t) for t in range(len(counts))], counts)

    def _views(self, unit, t):
        """The tile's part of x, dy, y and dx, None for what is not there."""
        piece, rows, columns = self.tiles[t]
        views = self.problems[unit.row][piece]
        return [views[name][rows, unit.block, columns] if name in views else None for name in ("x", "dy", "y", "dx")]

    def _measure(self, unit, t):
        """The moments of a tile, arrays by channel."""
        x, dy, *_ = self._views(unit, t)
        given = None
        if self.given:
            mean, var = self.rows["mean"][unit], self.rows["var"][unit]
            given = mean, cancels(mean, var + self.eps)
        return self.kernel.measure((unit, t), x, dy, self.counts[t], given)

    @np.errstate(all="ignore")
    def _coefficients(self, unit, parts):
        """Enter what was found of a block, and say how its outputs are computed."""
        row, m = {name: values[unit] for name, values in self.rows.items()}, self.counts.sum()
        if parts[0] is not None:
            moments = all_merged(parts, np.add.reduceat(self.counts, self.groups))
        mean, var = (row["mean"], row["var"]) if self.given else (moments[MEAN], moments[M2] / m)
        if "mean" in self.results:
            self.results["mean"][unit], self.results["var"][unit] = mean, var
        shifted_var = var + self.eps
        r = 1.0 / np.sqrt(shifted_var)
        a, b, slope, offset = row["gamma"] * r, row.get("beta"), None, None
        shift = self.kernel.always_shifts or cancels(mean, shifted_var)
        if self.dy:
            self.results["dgamma"][unit], self.results["dbeta"][unit] = r * moments[DY_X], moments[DY]
        if self.dx and self.training:
            slope, offset = r * r * moments[DY_X] / -m, a * moments[DY] / -m
            # what is not finite must meet x - mean, as in the definition, not x
            shift = shift or not np.isfinite(a * slope + offset).all()
            offset = offset if shift else offset - slope * (a * mean)
        if self.y and not shift:
            b = b - a * mean
        return Coefficients(mean if shift else None, a, b, slope, offset)

    def _write(self, unit, t, coefficients, broadcast):
        """Write the outputs of a tile."""
        x, dy, y, dx = self._views(unit, t)
        # a tile that is shifted already was so by its own mean, which is the block's only if it is the only one
        alike = self.given or len(self.tiles) == 1
        self.kernel.write((unit, t), x if self.y or self.training else None, dy, y, dx, coefficients, broadcast, alike)
