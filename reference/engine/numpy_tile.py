"""The engine's arithmetic on one tile in NumPy, by way of buffers that stay in cache."""

import os
from collections import deque
from contextlib import contextmanager, suppress
from math import prod
from threading import local

import numpy as np

from .moments import GROUP, KAPPA, Coefficients
from .tiles import BUFFER, Limits, arithmetic

FLOAT64 = np.dtype(np.float64)
SPARE = deque(maxlen=os.cpu_count())  # buffers of earlier calls: fresh memory costs a page fault every 4 kB


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


def _buffer(size):
    """At least `size` bytes, from an earlier call where it left as many."""
    while SPARE:
        with suppress(IndexError):  # another thread was faster
            if (found := SPARE.pop()).size >= size:
                return found
    return np.empty(size, np.uint8)


class NumpyTileKernel(local):
    """A thread's buffers, and the tile in them: its key, its arrays, how to work on it, whether x was shifted.

    plan: a tiles.TilePlan; stack: tiles in float64; itemsize: of the widest type of input and output. taken: list of
    the threads' buffers, for later calls.
    """

    limits = Limits(long=1024, rows=102_400, columns=65_536, written=65_536, widest=4096, wide=1024, folded=2048)
    serial = 1 << 16  # elements up to which one thread is faster than two
    group = GROUP  # tiles a thread measures at a time
    always_shifts = False  # whether x - mean is taken where a x + b would do

    def __init__(self, plan, stack, itemsize, taken):
        self.plan, self.narrow_from = plan, plan.size * stack * FLOAT64.itemsize
        self.size, self.buffer, self.taken = self.narrow_from + plan.size * itemsize, None, taken
        self.key, self.arrays, self.work, self.shifted = None, None, None, False

    def measure(self, key, x, dy, count, given):
        """The moments of a tile, arrays by channel; given: None, or the mean to be taken and whether x - mean is."""
        self._load(key, [x] if dy is None else [x, dy])
        arrays, work, zero = self.arrays, self.work, np.zeros(x.shape[1])
        if given:
            mean, shift = given
            if shift:
                self._shift(mean)
            (sum_dy,), (product,) = work.sum(arrays[1:]), work.dot(arrays[1:], arrays[0])
            return [mean, zero, zero, sum_dy, product if shift else product - mean * sum_dy]
        sums, products = work.sum(arrays), work.dot(arrays, arrays[0])
        mean, low = sums[0] / count, zero
        m2 = products[0] - sums[0] * mean
        # one pass over x, E[x^2] - E[x]^2, is good as long as the mean is no larger than the deviation
        shift = not ((m2 * KAPPA >= products[0]) & (m2 < np.inf)).all()
        if shift:
            self._shift(mean)
            products = work.dot(arrays, arrays[0])
            low = work.sum(arrays[:1])[0] / count
            m2 = products[0] - count * low * low
        if dy is None:
            return [mean, low, m2]
        return [mean, low, m2, sums[1], products[1] if shift else products[1] - mean * sums[1]]

    def write(self, key, x, dy, y, dx, coefficients, broadcast, shifted_alike):
        """Write the outputs of a tile, by Coefficients; broadcast: dict for what they become on a tile.

        shifted_alike: whether a tile that was shifted when it was measured was so by coefficients.shift.
        """
        usable = not self.shifted or (coefficients.shift is not None and shifted_alike)
        if self.key != key or not usable:
            self._load(key, [array for array in (x, dy) if array is not None])
        if self.work not in broadcast:
            broadcast[self.work] = Coefficients(*(None if c is None else self.work.broadcast(c) for c in coefficients))
        wide, z, g = broadcast[self.work], self.arrays[0], self.arrays[-1]
        self.key = None  # from here on the buffers hold results
        if x is None:
            self._store(dx, np.multiply, g, wide.a)
            return
        if wide.shift is not None and not self.shifted:
            z -= wide.shift
        z *= wide.a
        if y is not None:
            self._store(y, np.add, z, wide.b)
        if dx is not None:
            g *= wide.a
            z *= wide.slope
            g += z
            self._store(dx, np.add, g, wide.offset)

    def _room(self, shape, dtype, start):
        """An array in the buffer, which is made when a thread first asks for it."""
        if self.buffer is None:
            self.buffer = _buffer(self.size)
            self.taken.append(self.buffer)
        return self.buffer[start : start + prod(shape) * dtype.itemsize].view(dtype).reshape(shape)

    def _load(self, key, sources):
        """Bring the sources, all of one shape, into the buffers, stacked in float64.

        What is narrower is copied as it is first: NumPy copies from memory at full speed, but converts from it at half.
        """
        stacked = self._room((len(sources), *sources[0].shape), FLOAT64, 0)
        for source, tile in zip(sources, stacked):
            if source.dtype != FLOAT64:
                narrow = self._room(source.shape, source.dtype, self.narrow_from)
                np.copyto(narrow, source)
                source = narrow
            np.copyto(tile, source)
        self.key, self.shifted, self.work = key, False, arithmetic(stacked.shape[1:], self.plan.fold)
        self.arrays = stacked.reshape(len(stacked), *self.work.shape)

    def _shift(self, mean):
        self.arrays[0] -= self.work.broadcast(mean)
        self.shifted = True

    def _store(self, out, combine, left, right):
        """out = combine(left, right), rounded once (bfloat16 by ml_dtypes twice), by way of a buffer for the same
        reason."""
        narrow = self._room(left.shape, out.dtype, self.narrow_from)
        combine(left, right, out=narrow, casting="unsafe")
        np.copyto(out, narrow.reshape(out.shape))
