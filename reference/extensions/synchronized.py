"""One batch spread over shards of unequal size [BN-6.3]."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..dtypes import as_float64
from ..errors import DomainError


def merge_moments(
    means: Sequence[ArrayLike], variances: Sequence[ArrayLike], counts: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, int]:
    """Mean, variance (ddof 0) and count of the union of shards (Chan, Golub and LeVeque 1979).

    means, variances: sequences of param_shape arrays. counts: numbers of values, one a shard.
    Weighted by the counts; the spread of the means enters the variance. Empty shards count nothing.
    Errors: no shard, lengths that differ, or no value at all.

    >>> mean, var, m = merge_moments([np.array([0.0]), np.array([6.0])], [np.array([1.0]), np.array([1.0])], [2, 1])
    >>> mean.item(), var.item(), m
    (2.0, 9.0, 3)
    """
    counts = [int(count) for count in counts]
    if not counts or not len(means) == len(variances) == len(counts):
        raise DomainError(
            f"{len(means)} means, {len(variances)} variances, {len(counts)} counts, expected "
            "as many of each, at least one",
            "BN-6.3",
        )
    total = sum(counts)
    if total == 0 or min(counts) < 0:
        raise DomainError(f"counts is {counts}, expected non-negative numbers with a positive sum", "BN-6.3")
    shards = [
        (n / total, as_float64("mean", mean), as_float64("variance", var))
        for n, mean, var in zip(counts, means, variances)
        if n
    ]
    mean = sum(share * part for share, part, _ in shards)
    var = sum(share * (part_var + (part - mean) ** 2) for share, part, part_var in shards)
    return np.asarray(mean), np.asarray(var), total
