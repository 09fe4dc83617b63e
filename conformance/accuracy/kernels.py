"""Batch normalization as textbooks and libraries compute it, in the arithmetic of its input.

Arrays are (m, problems): every column is a channel of its own. Nothing here knows the reference or its bounds.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import sums
from .gradients import (
    chained,
    differentiated,
    differentiated_folded,
    differentiated_one_pass,
    explicit,
    projected,
    second_order,
    tangent,
)

Sum = Callable[[np.ndarray], np.ndarray]


def mean_of(total: Sum, values):
    """Sum divided by the count, in the arithmetic of the values."""
    return total(values) / values.dtype.type(len(values))


def two_pass(x, total: Sum):
    """Mean first, then the mean of squared deviations."""
    mean = mean_of(total, x)
    deviation = x - mean
    return mean, mean_of(total, deviation * deviation)


def corrected(x, total: Sum):
    """Two passes, and the sum of the deviations taken off again (Chan, Golub and LeVeque 1983, eq. 1.7)."""
    mean = mean_of(total, x)
    deviation = x - mean
    excess = mean_of(total, deviation)
    return mean, mean_of(total, deviation * deviation) - excess * excess


def one_pass(x, total: Sum):
    """E[x^2] - E[x]^2, clamped at zero."""
    mean = mean_of(total, x)
    return mean, np.maximum(mean_of(total, x * x) - mean * mean, x.dtype.type(0))


def welford(x, total: Sum):
    """Mean and sum of squares updated value by value (Welford 1962); `total` is not used."""
    kind = x.dtype.type
    mean, squares = np.zeros_like(x[0]), np.zeros_like(x[0])
    for count, value in enumerate(x, 1):
        away = value - mean
        mean = mean + away / kind(count)
        squares = squares + away * (value - mean)
    return mean, squares / kind(len(x))


def merged(x, total: Sum):
    """Halves merged in a tree (Chan, Golub and LeVeque 1979); `total` is not used."""
    kind = x.dtype.type
    parts = [(1, value, np.zeros_like(value)) for value in x]
    while len(parts) > 1:
        pairs = [_merge(kind, *pair) for pair in zip(parts[::2], parts[1::2])]
        parts = pairs + parts[len(parts) - len(parts) % 2 :]
    _, mean, squares = parts[0]
    return mean, squares / kind(len(x))


def _merge(kind, left, right):
    (n, mean, squares), (k, other, more) = left, right
    away = other - mean
    moved = mean + away * kind(k / (n + k))
    return n + k, moved, squares + more + away * away * kind(n * k / (n + k))


def root(var, eps):
    """A square root and a division."""
    return var.dtype.type(1) / np.sqrt(var + eps)


def fma(a, b, c):
    """a b + c with one rounding (float32 products are exact in float64; the second rounding is of the sum)."""
    wide = np.longdouble if a.dtype == np.float64 else np.float64
    return (a.astype(wide) * b + c).astype(a.dtype)


def direct(x, mean, r, gamma, beta):
    return (x - mean) * r * gamma + beta


def scaled(x, mean, r, gamma, beta):
    return (x - mean) * (gamma * r) + beta


def folded(x, mean, r, gamma, beta):
    a = gamma * r
    return a * x + (beta - mean * a)


def fused(x, mean, r, gamma, beta):
    a = np.broadcast_to(gamma * r, x.shape)
    return fma(x, a, fma(np.broadcast_to(-mean, x.shape), a, beta))


def weighted(old, new, decay):
    """decay old + (1 - decay) new, the weights computed in the arithmetic of the state."""
    kind = old.dtype.type
    return kind(decay) * old + (kind(1) - kind(decay)) * new


def stepped(old, new, decay):
    """old + (1 - decay) (new - old)."""
    kind = old.dtype.type
    return old + (kind(1) - kind(decay)) * (new - old)


@dataclass(frozen=True)
class Variant:
    """One way to compute batch normalization, and the class it is declared as.

    variance, reduction: as in `Conventions`. total, moments, inverse, form, backward, blend: the parts. eps_type: type
    that eps is rounded to; stored: type that the statistics are rounded to. Only mistakes set the last two.
    """

    name: str
    total: Sum = sums.pairwise
    moments: Callable = two_pass
    form: Callable = direct
    backward: Callable = explicit
    forward_mode: Callable = tangent
    blend: Callable = weighted
    variance: str = "two-pass"
    reduction: str = "pairwise"
    inverse: Callable = root
    eps_type: str | None = None
    stored: str | None = None
    order: str = "given"

    def statistics(self, x):
        mean, var = self.moments(x, self.total)
        if self.stored:
            mean, var = (value.astype(self.stored).astype(x.dtype) for value in (mean, var))
        return mean, var

    def rsqrt(self, var, eps):
        eps = np.asarray(eps, var.dtype)
        if self.eps_type:
            eps = eps.astype(self.eps_type).astype(var.dtype)
        return self.inverse(var, eps)

    @np.errstate(all="ignore")
    def train(self, x, dy, gamma, beta, eps):
        """y, batch_mean, batch_var, dx, dgamma, dbeta."""
        if self.order == "shuffled":
            order = np.random.default_rng(len(x)).permutation(len(x))
            x, dy = x[order], dy[order]
        mean, var = self.statistics(x)
        r = self.rsqrt(var, eps)
        y = self.form(x, mean, r, gamma, beta)
        dx, dgamma, dbeta = self.backward(x, dy, mean, r, gamma, self.total)
        if self.order == "shuffled":
            back = np.argsort(order)
            y, dx = y[back], dx[back]
        return {"y": y, "batch_mean": mean, "batch_var": var, "dx": dx, "dgamma": dgamma, "dbeta": dbeta}

    @np.errstate(all="ignore")
    def derivatives(self, x, dy, w, gamma, gamma_dot, beta_dot, eps):
        """y_dot along (w, gamma_dot, beta_dot), and d2x, d2gamma, d2dy for them as cotangents."""
        mean, var = self.statistics(x)
        r = self.rsqrt(var, eps)
        out = {"y_dot": self.forward_mode(x, w, mean, r, gamma, gamma_dot, beta_dot, self.total)}
        return out | second_order(x, dy, w, mean, r, gamma, gamma_dot, beta_dot, self.total)

    @np.errstate(all="ignore")
    def infer(self, x, gamma, beta, mean, var, eps):
        """y by given statistics."""
        return self.form(x, mean, self.rsqrt(var, eps), gamma, beta)

    def update(self, mean, var, batch_mean, batch_var, m, decay, ddof):
        """Running statistics after a step."""
        unbiased = batch_var * batch_var.dtype.type(m / (m - ddof))
        return self.blend(mean, batch_mean, decay), self.blend(var, unbiased, decay)


FAIR = (
    Variant("direct, tree sums"),
    Variant("direct, shuffled order", order="shuffled", blend=stepped),
    Variant("scaled, blocks of sqrt(m)", sums.blocked, form=scaled, backward=differentiated),
    Variant(
        "scaled, NumPy's sums", sums.numpy_sum, form=scaled, backward=projected, forward_mode=chained, blend=stepped
    ),
    Variant("folded a x + b, tree sums", form=folded, backward=differentiated_folded, forward_mode=chained),
    Variant("folded with FMA, blocks", sums.blocked, form=fused, backward=projected),
    Variant("folded, wider accumulators", sums.wide, form=folded, backward=differentiated_folded, forward_mode=chained),
    Variant("corrected two-pass, tree sums", moments=corrected, backward=projected, variance="welford"),
    Variant("direct, one term after the other", sums.sequential, reduction="sequential"),
    Variant(
        "folded, from the last term",
        sums.backwards,
        form=folded,
        backward=differentiated_folded,
        reduction="sequential",
    ),
    Variant("Welford", sums.sequential, welford, scaled, projected, variance="welford", reduction="sequential"),
    Variant("merged halves", moments=merged, form=scaled, backward=projected, variance="welford"),
    Variant(
        "one-pass, tree sums", moments=one_pass, form=folded, backward=differentiated_one_pass, variance="one-pass"
    ),
    Variant("one-pass, one after the other", sums.sequential, one_pass, variance="one-pass", reduction="sequential"),
)


def rough_root(var, eps):
    """A mistake: a reciprocal root of 12 bits without a refining step, as rsqrtps gives it."""
    exact = 1.0 / np.sqrt((var + eps).astype(np.float64))
    mantissa, exponent = np.frexp(exact)
    return np.ldexp(np.round(mantissa * 4096) / 4096, exponent).astype(var.dtype)


MISTAKES = {
    "half-precision accumulation": Variant("half-precision accumulation", sums.in_half),
    "one-pass declared as two-pass": Variant("one-pass declared as two-pass", moments=one_pass),
    "inverse root of 12 bits": Variant("inverse root of 12 bits", inverse=rough_root),
    "eps rounded to half": Variant("eps rounded to half", eps_type="float16"),
    "statistics stored in half": Variant("statistics stored in half", stored="float16"),
}
