"""Powers of two, applied without overflow on the way."""

import numpy as np


def times_power(array, exponents):
    """array * 2^exponents, rounded once and only if the result is subnormal; exponents as far as +-2100, broadcast."""
    half = np.asarray(exponents) // 2
    return array * np.ldexp(1.0, half) * np.ldexp(1.0, exponents - half)


def row_exponents(rows) -> np.ndarray:
    """For each row the least e with all |values| < 2^e; 0 for a row of zeros or of nothing."""
    largest = np.abs(rows).max(axis=1, initial=0.0)
    return np.frexp(largest)[1].astype(np.int64)


def blocks(channels: int, positions: int, elements: int = 8192):
    """Slices (rows, columns) that tile (channels, positions) in pieces of about `elements`: they fit the cache."""
    height = max(1, elements // max(positions, 1))
    for row in range(0, channels, height):
        for column in range(0, positions, elements):
            yield slice(row, min(row + height, channels)), slice(column, min(column + elements, positions))
