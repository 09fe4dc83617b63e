"""What the engine knows of a channel: the moments of its values, merged from tiles, and the coefficients of its
outputs."""

from typing import NamedTuple

import numpy as np

GROUP = 4  # tiles merged at a time, so that the moments of all never lie side by side
KAPPA = 4.0  # largest E[x**2] / var for which one pass over x is taken

# moments of a channel: mean, what rounding took from it, sum (x - its mean)**2; with dy: sum dy, sum dy (x - MEAN)
MEAN, LOW, M2, DY, DY_X = range(5)


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
    # the tiles are the last axis: sums over it are pairwise
    return parts[0] if len(parts) == 1 else stack_merged(np.stack(parts, axis=-1), counts)


def stack_merged(moments, counts):
    """The same of (moments, channels, tiles)."""
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


def cancels(mean, variance):
    """Whether a x + b would lose bits that a (x - mean) keeps; also where anything is not finite.

    The products a x and a mean are each rounded, and their difference is as small as the deviation: where the mean is
    large against it, their roundings are what is left.
    """
    return not (mean * mean < (KAPPA - 1) * variance).all()
