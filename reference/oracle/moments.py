"""Exact sums of products along rows, vectorized.

Each row is cut into slices of `WIDTH` bits: value = sum_k q_k 2^(e - WIDTH (k+1)) with integers |q_k| < 2^WIDTH and e
the row's exponent (Ozaki, Ogita, Oishi, Rump 2012, "Error-free transformations of matrix multiplication"). A product of
two slices summed over a block of 2^13 columns stays below 2^(20+20+13) = 2^53, so BLAS computes it in float64 without
any rounding, in whatever order. All pairs of slices at once are one Gram matrix a row; sums are put together from it as
integers.
"""

from fractions import Fraction

import numpy as np

from .scaling import blocks, row_exponents, times_power

WIDTH = 20
COLUMNS = 1 << 13
LAST = 1074 + WIDTH
ONES = "1"


class Moments:
    """sum_i a_i b_i over the positions of a region, for any two of the named rows (and "1"), as fractions.

    rows: name -> (channels, positions) float64, finite. regions: boolean weights of that shape, or None for all
    positions.
    """

    def __init__(self, rows: dict, regions: list):
        self.rows, self.regions = rows, regions
        self.exponents = {name: row_exponents(values) for name, values in rows.items()}
        self._blocks = None

    def sum(self, channel: int, region: int, a: str, b: str) -> Fraction:
        """Sum of a b over a region of a channel's row."""
        if self._blocks is None:
            self._blocks = self._compute()
        first, spans, grams = self._blocks[channel]
        gram = grams[region][channel - first]
        (start_a, count_a), (start_b, count_b) = spans[a], spans[b]
        total = 0
        for k in range(count_a):
            for j in range(count_b):
                total += int(gram[start_a + k, start_b + j]) << WIDTH * (count_a - 1 - k + count_b - 1 - j)
        shift = self._unit(a, channel, count_a) + self._unit(b, channel, count_b)
        return Fraction(total << shift) if shift >= 0 else Fraction(total, 1 << -shift)

    def _unit(self, name, channel, count) -> int:
        """Exponent of one unit of the last slice."""
        return 0 if name == ONES else int(self.exponents[name][channel]) - WIDTH * count

    def _compute(self) -> dict:
        """channel -> (first channel of its block, where each name's slices start and their count, Gram matrices by
        region)."""
        channels, positions = next(iter(self.rows.values())).shape
        table = {}
        for rows, columns in blocks(channels, positions, COLUMNS):
            if columns.start == 0:
                spans, size = self._spans(rows)
                # below 2^53 a block, so 512 blocks cannot overflow 63 bits
                kind = np.int64 if positions <= 512 * COLUMNS else object
                grams = [np.zeros((rows.stop - rows.start, size, size), kind) for _ in self.regions]
                table |= dict.fromkeys(range(rows.start, rows.stop), (rows.start, spans, grams))
            self._add_block(rows, columns, spans, size, grams)
        if positions == 0:
            spans = {name: (i, 1) for i, name in enumerate([ONES, *self.rows])}
            grams = [np.zeros((channels, len(spans), len(spans)), np.int64) for _ in self.regions]
            table = dict.fromkeys(range(channels), (0, spans, grams))
        return table

    def _spans(self, rows) -> tuple[dict, int]:
        """name -> (first slice, number of slices) that hold every bit of the named rows, and the number of slices in
        all."""
        spans, size = {ONES: (0, 1)}, 1
        for name, values in self.rows.items():
            count = _slice_count(values[rows], self.exponents[name][rows])
            spans[name] = (size, count)
            size += count
        return spans, size

    def _add_block(self, rows, columns, spans, size, grams) -> None:
        height, width = rows.stop - rows.start, columns.stop - columns.start
        slices = np.empty((height, size, width))
        slices[:, 0] = 1.0
        for name, values in self.rows.items():
            start, count = spans[name]
            _cut(values[rows, columns], self.exponents[name][rows, None], slices[:, start : start + count])
        for gram, region in zip(grams, self.regions, strict=True):
            left = slices if region is None else slices * region[rows, None, columns]
            gram += (left @ slices.transpose(0, 2, 1)).astype(np.int64)


def _slice_count(values, exponents) -> int:
    """Slices until nothing of any value is left: down to the lowest bit that is set."""
    bits = 0
    nonzero = values != 0
    if nonzero.any():
        significands, value_exponents = np.frexp(values)
        units = (significands * 2.0**53).astype(np.int64)
        lowest = value_exponents - 53 + np.frexp((units & -units).astype(np.float64))[1] - 1
        bits = int((exponents[:, None] - lowest)[nonzero].max())
    return max(1, -(-bits // WIDTH))


def _cut(values, exponents, out) -> None:
    """Write the slices of values (height, width) to out (height, count, width), each an integer below 2^WIDTH.

    Truncation keeps q 2^-t at most the remainder, so nothing overflows; every subtraction is exact. No value has bits
    below 2^-1074, so where t would be greater than LAST the remainder is 0.
    """
    rest = values
    for k in range(out.shape[1]):
        t = np.minimum(WIDTH * (k + 1) - exponents, LAST)
        np.trunc(times_power(rest, t), out=out[:, k])
        if k + 1 < out.shape[1]:
            rest = rest - times_power(out[:, k], -t)
