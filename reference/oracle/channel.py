"""The definition of one channel, letter by letter, over exact numbers.

x holds all n values of a channel; some of them are counted in the statistics (all, unless there is a mask), m is their
number, r = 1/sqrt(var + eps), x_hat = (x - mean) r. ChannelStatistics come from the counted values alone, every
position is normalized with them, and every dy flows [BN-6.1, BN-6.2]:

    mean = sum_counted(x) / m,  var = sum_counted((x - mean)^2) / m
    y    = gamma x_tilde + beta,  x_tilde = x_hat r' + d'   (r' = 1, d' = 0 but in renormalization [BN-6.4])
    dbeta = sum(dy),  dgamma = sum(dy x_tilde)
    dx_i = gamma r' r (dy_i - [i counted] (sum(dy) + x_hat_i sum(dy x_hat)) / m)

where sums without a subscript run over all positions. Evaluated with IEEE 754's rules for NaN and infinity, these lines
are also what non-finite input does [BN-7.1]. A vector here is a `Values` or a `Form`.
"""

import math
from dataclasses import dataclass, field
from fractions import Fraction

from .reals import Field, Real


@dataclass
class ChannelStatistics:
    """What a channel is normalized with: mean, variance, r, the factor r' and shift d' of renormalization (or None)."""

    mean: Real
    var: Real
    r: Real
    factor: Real | None = None
    shift: Real | None = None

    @property
    def scale(self) -> Real:
        """r' r, the derivative of x_tilde by x with the statistics held."""
        return self.r if self.factor is None else self.r * self.factor

    @property
    def finite(self) -> bool:
        return all(s is None or s.finite for s in (self.mean, self.var, self.r, self.factor, self.shift))


@dataclass
class Channel:
    """The data of one channel in one step: vectors x, dy, tangents' x_dot and cotangents' u_x, numbers for the rest.

    m: how many values are counted; None where the statistics do not depend on x (inference). What is absent is None, or
    not in its dict.
    """

    x: object
    m: int | None
    gamma: Real
    beta: Real | None = None
    dy: object = None
    tangents: dict = field(default_factory=dict)
    cotangents: dict = field(default_factory=dict)


def batch_moments(x, m: int) -> tuple[Real, Real]:
    """Mean and variance with ddof 0 of the counted values [BN-2.1, BN-2.2]; NaN if there is none."""
    mean = x.sum(counted=True).over(m)
    centered = x - mean
    return mean, centered.dot(centered, counted=True).over(m)


def inverse_root(var: Real, eps: Fraction, roots: Field, bit: int = 0) -> Real:
    """1/sqrt(var + eps) by radicand `bit` of the field; inf at 0, NaN below, 0 at inf [BN-7.4]."""
    if not var.finite:
        return Real.of(0) if var.special == math.inf else Real(special=math.nan)
    v = var.fraction + eps
    if v <= 0:
        return Real(special=math.inf if v == 0 else math.nan)
    return Real({1 << bit: 1 / v}, roots)


def roots_of(*variances: Real, eps: Fraction) -> Field:
    """The field in which the roots of the given variances plus eps live."""
    return Field(*(v.fraction + eps if v.finite and v.fraction + eps > 0 else Fraction(1) for v in variances))


def plain_statistics(mean: Real, var: Real, eps: Fraction) -> ChannelStatistics:
    """Normalization by one mean and variance [BN-2.3, BN-4.1]."""
    return ChannelStatistics(mean, var, inverse_root(var, eps, roots_of(var, eps=eps)))


def renorm_statistics(mean, var, running_mean, running_var, eps, r_max: Fraction, d_max: Fraction) -> ChannelStatistics:
    """r' = clip(s_B/s, 1/r_max, r_max), d' = clip((mean - running_mean)/s, -d_max, d_max) [BN-6.4]."""
    roots = roots_of(var, running_var, eps=eps)
    r, running_r = inverse_root(var, eps, roots, 0), inverse_root(running_var, eps, roots, 1)
    std = (var + Real.of(eps)) * r
    factor = _clip(std * running_r, Real.of(1 / r_max), Real.of(r_max))
    shift = _clip((mean - running_mean) * running_r, Real.of(-d_max), Real.of(d_max))
    return ChannelStatistics(mean, var, r, factor, shift)


def _clip(value: Real, low: Real, high: Real) -> Real:
    if not value.finite:
        return {math.inf: high, -math.inf: low}.get(value.special, value)
    if (value - low).sign() < 0:
        return low
    return high if (value - high).sign() > 0 else value


def evaluate_channel(channel: Channel, s: ChannelStatistics) -> dict:
    """Every requested output by name: a vector, or one number."""
    x_hat = (channel.x - s.mean) * s.r
    x_tilde = x_hat if s.factor is None else x_hat * s.factor + s.shift
    y = x_tilde * channel.gamma
    out = {"y": y if channel.beta is None else y + channel.beta}
    if channel.dy is not None:
        out |= _backward(channel, s, x_hat, x_tilde)
    if channel.tangents:
        out["y_dot"] = _forward_mode(channel, s, x_hat, x_tilde)
    if channel.cotangents:
        out |= _second_order(channel, s, x_hat, x_tilde)
    return out


def _project(v, channel: Channel, x_hat):
    """v_i - [i counted] (sum(v) + x_hat_i sum(v x_hat)) / m: what the statistics take off a cotangent v."""
    if channel.m is None:
        return v
    return v - (x_hat * v.dot(x_hat).over(channel.m) + v.sum().over(channel.m)).counted()


def _directional(v, channel: Channel, x_hat):
    """v_i - (sum_counted(v) + x_hat_i sum_counted(v x_hat)) / m: x_hat's derivative along v, over r. `_project`
    transposed."""
    if channel.m is None:
        return v
    return v - (x_hat * v.dot(x_hat, counted=True).over(channel.m) + v.sum(counted=True).over(channel.m))


def _backward(channel: Channel, s: ChannelStatistics, x_hat, x_tilde) -> dict:
    """First-order gradients [BN-5.1, BN-5.2, BN-6.2]."""
    dx = _project(channel.dy, channel, x_hat) * (channel.gamma * s.scale)
    return {"dx": dx, "dgamma": channel.dy.dot(x_tilde), "dbeta": channel.dy.sum()}


def _forward_mode(channel: Channel, s: ChannelStatistics, x_hat, x_tilde):
    """y_dot = gamma r' r directional(x_dot) + gamma_dot x_tilde + beta_dot [BN-5.3]; an absent tangent is 0."""
    t, terms = channel.tangents, []
    if "x_dot" in t:
        terms.append(_directional(t["x_dot"], channel, x_hat) * (channel.gamma * s.scale))
    if "gamma_dot" in t:
        terms.append(x_tilde * t["gamma_dot"])
    return _sum(terms, t.get("beta_dot"), channel.x)


def _second_order(channel: Channel, s: ChannelStatistics, x_hat, x_tilde) -> dict:
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
    u, d2dy, d2x, d2gamma = channel.cotangents, [], [], Real.of(0)
    b_slope = _project(channel.dy, channel, x_hat)  # dB/dx over r
    if "u_gamma" in u:
        d2dy.append(x_tilde * u["u_gamma"])
        d2x.append(b_slope * (s.scale * u["u_gamma"]))
    if "u_x" in u:
        along = _directional(u["u_x"], channel, x_hat)
        d2dy.append(along * (channel.gamma * s.scale))
        k = along.dot(channel.dy)
        d2gamma = s.scale * k
        if channel.m is not None:
            h = u["u_x"].dot(x_hat, counted=True)
            bent = b_slope * h + (along * channel.dy.dot(x_hat) + x_hat * k).counted()
            d2x.append(bent * -(channel.gamma * s.scale * s.r).over(channel.m))
    return {
        "d2x": _sum(d2x, None, channel.x),
        "d2gamma": d2gamma,
        "d2dy": _sum(d2dy, u.get("u_beta"), channel.x),
    }


def _sum(vectors, constant: Real | None, like):
    """The sum of vectors and a constant; 0, as long as `like`, if there are none."""
    result = vectors[0] if vectors else like.zero()
    for vector in vectors[1:]:
        result = result + vector
    return result if constant is None else result + constant
