"""How far a correct implementation may stay from the exact value: running error analysis.

The computation is followed term by term in the declared arithmetic; each output gets an allowance per element, in
the output's own units. The direct form, the reciprocal square root, the folded form a x + b and what automatic
differentiation makes of them are covered alike. Derivation, assumptions and figures: BOUNDS.md. Sources: N. J. Higham,
*Accuracy and Stability of Numerical Algorithms*, 2nd ed., chapters 1 to 4; Chan, Golub and LeVeque, *Algorithms for
computing the sample variance*, 1983; Higham and Mary, *A new approach to probabilistic rounding error analysis*, 2019.
"""

from typing import NamedTuple

import numpy as np

from ..dtypes import smallest, unit_roundoff
from ..forward import batch_statistics
from ..layout import Layout
from .affine import HUGE, Affine


class Numerics(NamedTuple):
    """What an implementation declares of its arithmetic.

    dtype: type of the arithmetic. variance: "two-pass"; "welford" for updated, merged or corrected moments;
    "one-pass" (clamped or not). reduction: "pairwise" (blocked, tree) or "sequential".
    """

    dtype: str = "float32"
    variance: str = "two-pass"
    reduction: str = "pairwise"

    @property
    def u(self) -> float:
        return unit_roundoff(self.dtype)

    @property
    def tiny(self) -> float:
        """What an operation may lose to underflow."""
        return smallest(self.dtype)

    def gathered(self, count):
        """Relative error that `count` roundings leave: n u / (1 - n u), Higham's gamma_n; HUGE from n u = 1 on."""
        product = np.minimum(np.asarray(count, np.float64) * self.u, 1.0)
        return np.where(product < 1, product / np.maximum(1 - product, 1 / HUGE), HUGE)

    def of_sum(self, m):
        """Error of a mean of m terms relative to the mean of their magnitudes.

        Chains of 2 + sqrt(m) roundings: trees and blocks within it by the worst case, chains of m/36 by
        probability; sums that run one term after the other are allowed m.
        """
        m = np.asarray(m, np.float64)
        return self.gathered(2 + (m if self.reduction == "sequential" else np.sqrt(m)))


class Statistics(NamedTuple):
    """Mean and variance that normalize, and how far computed ones may be off; param_shape each.

    var_error bounds an overestimate, var_short an underestimate. `shift_in_var`: a wrong mean shows in the variance
    by its square, as in a two-pass variance, so that it cannot blow x_hat up. m: values a channel.
    """

    mean: np.ndarray
    var: np.ndarray
    mean_error: np.ndarray
    var_error: np.ndarray
    var_short: np.ndarray
    m: np.ndarray
    shift_in_var: bool = False


@np.errstate(all="ignore")
def batch_allowance(x, layout: Layout, numerics: Numerics, mask=None) -> Statistics:
    """Allowances of batch_mean and batch_var [BN-2.1, BN-2.2]."""
    u, tiny = numerics.u, numerics.tiny
    mean, var, m = batch_statistics(x, channel_axes=layout.channel_axes, mask=mask)
    sums = numerics.of_sum(m)
    counted = np.abs(x) if mask is None else np.where(mask, np.abs(x), 0.0)
    mean_error = sums * layout.total(counted) / m + tiny
    squared = mean_error**2
    rounding = sums + numerics.gathered(3)  # x - mean, twice, its square, the sum
    if numerics.variance == "two-pass":
        over, short = rounding * (var + squared) + squared, rounding * var
    elif numerics.variance == "welford":
        mean_error = mean_error + tiny * np.sqrt(m)  # every update or merge may underflow
        squared = mean_error**2
        over = short = rounding * (var + squared) + 2 * np.sqrt(var) * mean_error + squared
    else:
        square_sum = numerics.of_sum(m) + numerics.gathered(1)
        lost = 2 * np.abs(mean) * mean_error + squared + u * (np.abs(mean) + mean_error) ** 2
        over = short = square_sum * (var + mean**2) + lost + u * var
    keeps = numerics.variance == "two-pass"
    return Statistics(mean, var, mean_error, over + 2 * tiny, short + 2 * tiny, m, keeps)


def inverse_std_error(at: Statistics, eps, numerics: Numerics):
    """Relative error of r = 1 / sqrt(var + eps), and the largest r / exact r; HUGE where var + eps may vanish.

    What the variance is off goes through the root exactly, not linearly. Roundings: eps as stored and the
    sum by half; 4 u for the root and the division, or a reciprocal root of 2 ulp as GPUs have it; 1 u for gamma r.
    """
    total, u = at.var + eps, numerics.u
    stored = u * eps + u * total
    above, below = (at.var_error + stored) / total, (at.var_short + stored) / total
    largest = np.where(below < 1, np.maximum(1 - below, 1 / HUGE) ** -0.5, HUGE)
    off = np.maximum(1 - (1 + above) ** -0.5, largest - 1)
    return np.minimum(off + 5 * u * largest, HUGE), largest


class Allowance(NamedTuple):
    """What is accepted of one output.

    element: largest |error| by element. local: the part of it that each element has for itself, by its own roundings.
    drift: by channel, the largest |sum of errors| that the part shared by the channel's elements can cause.
    """

    element: np.ndarray
    local: np.ndarray
    drift: np.ndarray

    @classmethod
    def independent(cls, element, leaning=0.0) -> "Allowance":
        """Of an output with one value a channel. leaning: the part whose sign is the same in all channels."""
        element = np.asarray(element, np.float64)
        leaning = np.broadcast_to(np.abs(leaning), element.shape)
        return cls(element, np.maximum(element - leaning, 0.0), leaning)

    @classmethod
    def leaning(cls, element) -> "Allowance":
        """Of a variance: what a wrong mean or a clamp adds is never negative, so its sum is not tested for a bias."""
        return cls.independent(element, element)

    @classmethod
    def of(cls, result: Affine, layout: Layout) -> "Allowance":
        """Of an Affine of x's shape."""
        shape = layout.shape
        whole = lambda values: np.abs(layout.total(np.broadcast_to(values, shape)))
        drift = sum(map(whole, result.terms.values()), whole(result.rest))
        local = np.broadcast_to(result.local, shape)
        return cls(result.common + local, local, drift)

    def rounded(self, exact, name: str, compute: str) -> "Allowance":
        """With the final rounding into the output's type, and that of the golden value itself to float64."""
        exact = np.abs(exact)
        extra = unit_roundoff("float64") * exact + smallest("float64")
        if unit_roundoff(name) > unit_roundoff(compute) or smallest(name) > smallest(compute):
            extra = extra + unit_roundoff(name) * (exact + self.element) + smallest(name)
        return Allowance(self.element + extra, self.local + extra, self.drift)


class StateAllowance(NamedTuple):
    """Exact running statistics with the error they may have gathered, and the updates each has seen; param_shape."""

    mean: np.ndarray
    var: np.ndarray
    mean_error: np.ndarray
    var_error: np.ndarray
    mean_count: np.ndarray | int = 0
    var_count: np.ndarray | int = 0

    @classmethod
    def initial(cls, mean, var) -> "StateAllowance":
        """A state that is exactly what it was set to."""
        mean, var = np.asarray(mean, np.float64), np.asarray(var, np.float64)
        return cls(mean, var, np.zeros(mean.shape), np.zeros(var.shape))

    def statistics(self, m) -> Statistics:
        """As inference uses them, over m values a channel."""
        m = np.full(np.shape(self.mean), m)
        return Statistics(self.mean, self.var, self.mean_error, self.var_error, self.var_error, m)

    @np.errstate(all="ignore")
    def update(self, at: Statistics, *, decay, running_ddof, dtype: str, compute: str) -> "StateAllowance":
        """Errors blend as the values do; each update adds roundings [BN-3.1 to BN-3.5].

        dtype: type of the state; compute: type of the arithmetic; the coarser of the two rounds.
        """
        u = max(unit_roundoff(dtype), unit_roundoff(compute))
        tiny = max(smallest(dtype), smallest(compute))
        free = at.m - running_ddof
        factor = at.m / free
        estimate = at.var * factor
        estimate_error = np.maximum(at.var_error, at.var_short) * factor + 2 * u * estimate * (running_ddof > 0)
        mean = _blend(self.mean, self.mean_error, self.mean_count, at.mean, at.mean_error, at.m > 0, decay, u, tiny)
        var = _blend(self.var, self.var_error, self.var_count, estimate, estimate_error, free > 0, decay, u, tiny)
        return StateAllowance(mean[0], var[0], mean[1], var[1], mean[2], var[2])


def _blend(old, old_error, count, new, new_error, exists, decay, u, tiny):
    """(value, error, count) of decay old + weight new.

    Roundings, over the forms decay old + weight new and old + weight (new - old): the weight itself is off by u
    (1 - decay is computed), two products, a difference and the sum.
    """
    count = np.where(exists, np.asarray(count) + 1, count)
    weight = 1.0 / np.maximum(count, 1) if decay is None else np.full(np.shape(old), 1.0 - decay)
    kept = 1.0 - weight
    value = kept * old + weight * new
    rounding = u * (np.maximum(3 * kept, 2 + weight) * np.abs(old) + (1 + 3 * weight) * np.abs(new)) + tiny
    rounding = np.where(weight > 0, rounding, 0.0)
    error = kept * old_error + weight * new_error + rounding
    return np.where(exists, value, old), np.where(exists, error, old_error), count
