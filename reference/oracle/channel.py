"""The definition of one channel, letter by letter, over exact numbers.

x holds all n values of a channel; `counts` says which of them enter the statistics (all, unless there is a mask), m is their
number, r = 1/sqrt(var + eps), c = x - mean, x_hat = c r. Statistics come from the counted values alone, every position
is normalized with them, and every dy flows [BN-6.1, BN-6.2]:

    mean = sum_counted(x) / m,  var = sum_counted(c^2) / m
    y    = gamma x_tilde + beta,  x_tilde = x_hat r' + d'   (r' = 1, d' = 0 but in renormalization [BN-6.4])
    dbeta = sum(dy),  dgamma = sum(dy x_tilde)
    dx_i = gamma r' r (dy_i - [i counted] (sum(dy) + x_hat_i sum(dy x_hat)) / m)

where sums without a subscript run over all positions. Evaluated with IEEE 754's rules for NaN and infinity, these lines
are also what non-finite input does [BN-7.1].
"""

import math
from dataclasses import dataclass, field
from fractions import Fraction

from .reals import Field, Real, total

ONE = Real.of(1)
NOTHING = Real.of(0)


@dataclass
class Statistics:
    """What a channel is normalized with: mean, variance, r, the factor r' and shift d' of renormalization (or None)."""

    mean: Real
    var: Real
    r: Real
    factor: Real | None = None
    shift: Real | None = None


@dataclass
class Channel:
    """The data of one channel in one step; what is absent is None."""

    x: list
    counts: list | None  # None: the statistics do not depend on x (inference)
    gamma: Real = ONE
    beta: Real | None = None
    dy: list | None = None
    tangents: dict = field(default_factory=dict)  # x_dot: list; gamma_dot, beta_dot: Real
    cotangents: dict = field(default_factory=dict)  # u_x: list; u_gamma, u_beta: Real

    @property
    def m(self) -> int:
        return sum(self.counts)


def batch_moments(x, counts) -> tuple[Real, Real]:
    """Mean and variance with ddof 0 of the counted values [BN-2.1, BN-2.2]; NaN if there is none."""
    counted = [v for v, counts_here in zip(x, counts, strict=True) if counts_here]
    mean = total(counted).over(len(counted))
    centered = [v - mean for v in counted]
    return mean, total(c * c for c in centered).over(len(counted))


def inverse_root(var: Real, eps: Fraction, field_: Field, bit: int = 0) -> Real:
    """1/sqrt(var + eps) as radicand `bit` of the field; inf at 0, NaN below."""
    if not var.finite:
        return Real(special=0.0 if var.special == math.inf else math.nan)
    v = var.fraction + eps
    if v <= 0:
        return Real(special=math.inf if v == 0 else math.nan)
    return Real({1 << bit: 1 / v}, field_)


def field_of(*variances: Real, eps: Fraction) -> Field:
    """The field in which the roots of the given variances plus eps live."""
    return Field(*(v.fraction + eps if v.finite and v.fraction + eps > 0 else Fraction(1) for v in variances))


def plain_statistics(mean: Real, var: Real, eps: Fraction) -> Statistics:
    """Normalization by one mean and variance [BN-2.3, BN-4.1]."""
    return Statistics(mean, var, inverse_root(var, eps, field_of(var, eps=eps)))


def renorm_statistics(mean, var, running_mean, running_var, eps, r_max: Fraction, d_max: Fraction) -> Statistics:
    """r' = clip(s_B/s, 1/r_max, r_max), d' = clip((mean - running_mean)/s, -d_max, d_max) [BN-6.4]."""
    both = field_of(var, running_var, eps=eps)
    r, running_r = inverse_root(var, eps, both, 0), inverse_root(running_var, eps, both, 1)
    std = (var + Real.of(eps)) * r
    factor = _clip(std * running_r, Real.of(1 / r_max), Real.of(r_max))
    shift = _clip((mean - running_mean) * running_r, Real.of(-d_max), Real.of(d_max))
    return Statistics(mean, var, r, factor, shift)


def _clip(value: Real, low: Real, high: Real) -> Real:
    if not value.finite:
        return {math.inf: high, -math.inf: low}.get(value.special, value)
    if (value - low).sign() < 0:
        return low
    return high if (value - high).sign() > 0 else value


def evaluate_channel(channel: Channel, statistics: Statistics) -> dict:
    """Every requested output by name: a list of n numbers, or one number a channel."""
    s = statistics
    x_hat = [(v - s.mean) * s.r for v in channel.x]
    x_tilde = x_hat if s.factor is None else [v * s.factor + s.shift for v in x_hat]
    out = {"y": [_plus(channel.gamma * v, channel.beta) for v in x_tilde]}
    if channel.dy is not None:
        out |= _backward(channel, s, x_hat, x_tilde)
    if channel.tangents:
        out["y_dot"] = _forward_mode(channel, s, x_hat, x_tilde)
    if channel.cotangents:
        out |= _second_order(channel, s, x_hat, x_tilde)
    return out


def _plus(value: Real, term: Real | None) -> Real:
    return value if term is None else value + term


def _scale(s: Statistics) -> Real:
    return s.r if s.factor is None else s.r * s.factor


def _project(values, channel: Channel, x_hat) -> list:
    """values_i - [i counted] (sum(values) + x_hat_i sum(values x_hat)) / m, the statistics' share taken off."""
    if channel.counts is None:
        return values
    mean = total(values).over(channel.m)
    slope = total(v * h for v, h in zip(values, x_hat, strict=True)).over(channel.m)
    return [
        v - (mean + h * slope) if counts_here else v
        for v, h, counts_here in zip(values, x_hat, channel.counts, strict=True)
    ]


def _backward(channel: Channel, s: Statistics, x_hat, x_tilde) -> dict:
    """First-order gradients [BN-5.1, BN-5.2, BN-6.2]."""
    scale = channel.gamma * _scale(s)
    return {
        "dx": [scale * v for v in _project(channel.dy, channel, x_hat)],
        "dgamma": total(g * v for g, v in zip(channel.dy, x_tilde)),
        "dbeta": total(channel.dy),
    }


def _forward_mode(channel: Channel, s: Statistics, x_hat, x_tilde) -> list:
    """y_dot = gamma r' x_hat_dot + gamma_dot x_tilde + beta_dot [BN-5.3].

    x_hat_dot_i = r (x_dot_i - (sum_counted(x_dot) + x_hat_i sum_counted(x_hat x_dot)) / m), at every position.
    """
    t, out = channel.tangents, [NOTHING] * len(channel.x)
    if t.get("x_dot") is not None:
        scale = channel.gamma * _scale(s)
        out = [scale * v for v in _directional(t["x_dot"], channel, x_hat)]
    if t.get("gamma_dot") is not None:
        out = [v + t["gamma_dot"] * h for v, h in zip(out, x_tilde)]
    return [_plus(v, t.get("beta_dot")) for v in out]


def _directional(values, channel: Channel, x_hat) -> list:
    """The derivative of x_hat along `values`, divided by r: the transpose of `_project`, and equal to it without a mask."""
    if channel.counts is None:
        return values
    counted = [(v, h) for v, h, here in zip(values, x_hat, channel.counts) if here]
    mean = total(v for v, _ in counted).over(channel.m)
    slope = total(v * h for v, h in counted).over(channel.m)
    return [v - (mean + h * slope) for v, h in zip(values, x_hat)]


def _second_order(channel: Channel, s: Statistics, x_hat, x_tilde) -> dict:
    """Gradients of L2 = <u_x, dx> + <u_gamma, dgamma> + <u_beta, dbeta> [BN-5.4], masks included.

    With A = sum(dy), B = sum(dy x_hat), U = sum_counted(u_x), H = sum_counted(u_x x_hat) and w_k = [k counted],
    L2 = gamma r' r K + u_gamma (r' B + d' A) + u_beta A, where K = sum(u_x dy) - (A U + B H) / m. By the chain rule,
    dr/dx_k = -r^2 x_hat_k w_k / m, dB/dx_k = r (dy_k - w_k (A + B x_hat_k) / m) and
    dH/dx_k = r w_k (u_k - (U + H x_hat_k) / m):

        d2dy_k  = gamma r' r (u_k - (U + x_hat_k H) / m) + u_gamma x_tilde_k + u_beta
        d2gamma = r' r K
        d2x_k   = r' (u_gamma - gamma r H / m) dB/dx_k - gamma r' r (B / m) dH/dx_k - gamma r' r K r x_hat_k w_k / m

    In inference w = 0 and the terms with 1/m are absent. An absent cotangent is 0.
    """
    u, n = channel.cotangents, len(channel.x)
    u_x, u_gamma = u.get("u_x"), u.get("u_gamma")
    scale, factor = _scale(s), s.factor or ONE
    d2dy, d2x, d2gamma = [NOTHING] * n, [NOTHING] * n, NOTHING
    b_slope = _project(channel.dy, channel, x_hat)  # dB/dx_k over r
    if u_gamma is not None:
        d2dy = [v + u_gamma * h for v, h in zip(d2dy, x_tilde)]
        d2x = [factor * s.r * u_gamma * v for v in b_slope]
    if u.get("u_beta") is not None:
        d2dy = [v + u["u_beta"] for v in d2dy]
    if u_x is not None:
        along = _directional(u_x, channel, x_hat)
        d2dy = [v + channel.gamma * scale * a for v, a in zip(d2dy, along)]
        d2gamma = scale * total(a * g for a, g in zip(along, channel.dy))
        if channel.counts is not None:
            d2x = [a + b for a, b in zip(d2x, _curvature(channel, s, x_hat, u_x, b_slope, along))]
    return {"d2x": d2x, "d2gamma": d2gamma, "d2dy": d2dy}


def _curvature(channel: Channel, s: Statistics, x_hat, u_x, b_slope, along) -> list:
    """The part of d2x that comes from dx's own dependence on x through the statistics."""
    scale = channel.gamma * _scale(s) * s.r
    big_b = total(g * h for g, h in zip(channel.dy, x_hat))
    big_h = total(v * h for v, h, here in zip(u_x, x_hat, channel.counts) if here)
    big_k = total(a * g for a, g in zip(along, channel.dy))
    out = []
    for h, here, slope, a in zip(x_hat, channel.counts, b_slope, along):
        value = big_h * slope
        if here:
            value = value + big_b * a + big_k * h
        out.append(-(scale * value).over(channel.m))
    return out
