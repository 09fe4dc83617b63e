"""How far a correct implementation may stay from the exact value: running error analysis.

A two-pass algorithm in the compute type (unit roundoff u) is followed term by term; each output gets an
allowance per element, in the output's own units. The direct form, the reciprocal square root and the folded
form a x + b are covered alike. Growth of the error of a sum of m terms: 2 + sqrt(m) where the sum is blocked or
pairwise, m where it runs one term after the other. Sources: N. J. Higham, *Accuracy and Stability of Numerical
Algorithms*, 2nd ed., chapters 1, 3 and 4; Chan, Golub and LeVeque, *Algorithms for computing the sample
variance*, 1983.
"""

from typing import NamedTuple

import numpy as np

from .dtypes import smallest, unit_roundoff
from .forward import batch_statistics, normalize
from .layout import Layout


class Numerics(NamedTuple):
    """What an implementation declares of its arithmetic.

    dtype: type of the arithmetic. variance: "two-pass" or "one-pass" (clamped or not).
    reduction: "pairwise" (blocked, tree) or "sequential".
    """

    dtype: str = "float32"
    variance: str = "two-pass"
    reduction: str = "pairwise"

    @property
    def u(self) -> float:
        return unit_roundoff(self.dtype)

    def growth(self, m):
        """Error of a sum of m terms in units of u times the sum of magnitudes."""
        m = np.asarray(m, np.float64)
        return 2 + (m if self.reduction == "sequential" else np.sqrt(m))


STEP_INPUTS = ("x", "dy", "x_dot", "gamma_dot", "beta_dot", "u_x", "u_gamma", "u_beta")


class _Channel(NamedTuple):
    """Statistics of one step with their allowances; param_shape each."""

    mean: np.ndarray
    var: np.ndarray
    mean_error: np.ndarray
    var_error: np.ndarray
    m: np.ndarray


def batch_allowance(x, layout: Layout, numerics: Numerics, mask=None) -> _Channel:
    """Allowances of batch_mean and batch_var [BN-2.1, BN-2.2]."""
    u, tiny = numerics.u, smallest(numerics.dtype)
    mean, var, m = batch_statistics(x, channel_axes=layout.channel_axes, mask=mask)
    growth = numerics.growth(m)
    counted = np.abs(x) if mask is None else np.where(mask, np.abs(x), 0.0)
    mean_error = u * growth * layout.total(counted) / m + tiny
    var_error = var * u * (growth + 3) + mean_error**2 + tiny * growth
    if numerics.variance != "two-pass":
        var_error = var_error + 2 * u * growth * (var + mean**2) + 2 * np.abs(mean) * mean_error
    return _Channel(mean, var, mean_error, var_error, m)


def _relative_error_of_r(channel, eps, u):
    """Largest relative error of 1/sqrt(var + eps) over the variances that the allowance admits.

    Half the relative error of var + eps where that is small. A one-pass variance may lose every digit: then r is bounded by
    1/sqrt(eps) alone, as for a variance clamped at zero, not by the linear term.
    """
    exact, error = channel.var + eps, channel.var_error + u * eps
    lowest = np.maximum(exact - error, eps * (1 - u))
    return np.minimum(np.sqrt(exact / lowest) - 1, 1e30)


class _Normalized:
    """x_hat and the allowance of every quantity that leads to y and the gradients."""

    def __init__(self, x, gamma, channel, eps, layout, numerics):
        self.x, self.layout, self.u, self.tiny = x, layout, numerics.u, smallest(numerics.dtype)
        self.channel, self.numerics = channel, numerics
        self.x_hat, r = normalize(x, channel.mean, channel.var, eps, layout)
        self.r, self.gamma = layout.expand(r), layout.expand(gamma)
        self.abs_hat = np.abs(self.x_hat)
        self.spread = np.abs(x) + np.abs(layout.expand(channel.mean))
        self.rho = layout.expand(np.maximum(_relative_error_of_r(channel, eps, self.u), 0.5 * self.u) + 2.5 * self.u)
        self.hat_error = (
            (1 + self.rho) * self.r * (layout.expand(channel.mean_error) + self.u * self.spread)
            + self.abs_hat * (self.rho + 2 * self.u)
        )

    def y(self, beta):
        """|gamma| hat_error + the roundings of the product and the sum [BN-2.3]."""
        scaled = np.abs(self.gamma * self.x_hat)
        return np.abs(self.gamma) * self.hat_error + self.u * (2 * scaled + 2 * np.abs(beta) + scaled) + self.tiny

    def sums(self, dy):
        """Allowances of sum(dy) and sum(dy x_hat), which cancels against mean(x) sum(dy) in the folded form."""
        total, growth = self.layout.total, self.numerics.growth(self.layout.m)
        magnitude = np.abs(dy)
        of_dy = self.u * growth * total(magnitude)
        of_dy_hat = total(magnitude * self.hat_error) + self.u * growth * total(magnitude * self.r * self.spread)
        return of_dy + self.tiny, of_dy_hat + self.tiny

    def projection(self, w):
        """Allowance of P(w) = w - mean(w) - x_hat mean(w x_hat), the shape of every training derivative [BN-5.1]."""
        expand, total, m, u = self.layout.expand, self.layout.total, max(self.layout.m, 1), self.u
        sum_error, hat_sum_error = self.sums(w)
        slope, offset = expand(np.abs(total(w * self.x_hat)) / m), expand(np.abs(total(w)) / m)
        core = np.abs(w) + offset + self.abs_hat * slope
        return (
            3 * u * core
            + expand(sum_error / m)
            + self.abs_hat * expand(hat_sum_error / m)
            + slope * self.hat_error
            + core * (self.rho + 2 * u)
        )

    def through(self, w_error):
        """How an error in w passes through P."""
        expand, total, m = self.layout.expand, self.layout.total, max(self.layout.m, 1)
        return w_error + expand(total(w_error) / m) + self.abs_hat * expand(total(self.abs_hat * w_error) / m)

    def dx(self, dy):
        """Allowance of the training gradient [BN-5.1]."""
        # r and P err together: where rho is not small, their product is not either
        crossed = self.hat_error * self.layout.expand(self.sums(dy)[1] / max(self.layout.m, 1))
        return np.abs(self.gamma) * self.r * (1 + self.rho) * (self.projection(dy) + crossed) + self.tiny

    def tangent(self, x_dot, gamma_dot, beta_dot, training):
        """Allowance of y_dot [BN-5.3], and with cotangents for tangents that of d2dy [BN-5.4]."""
        moved = self.projection(x_dot) if training else np.abs(x_dot) * (self.rho + 3 * self.u)
        rest = np.abs(gamma_dot) * (self.hat_error + 3 * self.u * self.abs_hat) + 2 * self.u * np.abs(beta_dot)
        return np.abs(self.gamma) * self.r * moved + rest + self.tiny

    def second(self, dy, u_x, u_gamma, u_beta, training):
        """Allowances of d2x, d2gamma, d2dy [BN-5.4]."""
        total, expand, m, u = self.layout.total, self.layout.expand, max(self.layout.m, 1), self.u
        growth = self.numerics.growth(self.layout.m)
        out = {"d2dy": self.tangent(u_x, u_gamma, u_beta, training)}
        mean = lambda values: expand(total(values) / m)
        projected = u_x - mean(u_x) - self.x_hat * mean(u_x * self.x_hat) if training else u_x
        moved = self.projection(u_x) if training else np.abs(u_x) * (self.rho + 3 * u)
        out["d2gamma"] = total(np.abs(dy) * self.r * moved) + u * growth * total(np.abs(dy * self.r * projected)) + self.tiny
        outer = u_gamma * dy
        if not training:
            return out | {"d2x": self.r * np.abs(outer) * (self.rho + 4 * u) + self.tiny}
        b, c = mean(dy * self.x_hat), mean(u_x * self.x_hat)
        b_error, c_error = expand(self.sums(dy)[1] / m), expand(self.sums(u_x)[1] / m)
        k_size = mean(np.abs(u_x * dy)) + mean(np.abs(u_x)) * mean(np.abs(dy)) + np.abs(b * c)
        k_error = u * expand(growth + 0.0 * total(dy)) * 2 * k_size + np.abs(b) * c_error + np.abs(c) * b_error
        inner = b * u_x + c * dy
        inner_error = np.abs(u_x) * b_error + np.abs(dy) * c_error + 3 * u * (np.abs(b * u_x) + np.abs(c * dy))
        size = self.through(np.abs(inner)) + self.abs_hat * k_size
        curved = self.projection(inner) + self.through(inner_error) + self.abs_hat * k_error + k_size * self.hat_error
        out["d2x"] = (
            self.r * (self.projection(outer) + self.through(2 * u * np.abs(outer)))
            + np.abs(self.gamma) * self.r**2 * (curved + size * (self.rho + 6 * u))
            + self.tiny
        )
        return out


def rounding(values, name: str):
    """Allowance of the final rounding into the output's type: u |value| and half the smallest number."""
    return unit_roundoff(name) * np.abs(values) + smallest(name)


@np.errstate(all="ignore")
def step_allowances(step, gamma, beta, channel, *, eps, channel_axes, numerics, training):
    """Allowances of one step before the final rounding into the output's type.

    step: dict with x and as wanted dy, x_dot, gamma_dot, beta_dot, u_x, u_gamma, u_beta (as the oracle takes them).
    channel: statistics that normalize, with their errors (`batch_allowance` or `StateAllowance.channel`).
    Returns name -> array for y, dx, dgamma, dbeta, y_dot, d2x, d2gamma, d2dy, as far as `step` asks for them.
    """
    wide = {name: np.asarray(step[name], np.float64) for name in STEP_INPUTS if step.get(name) is not None}
    layout = Layout(wide["x"].shape, channel_axes)
    gamma, beta = layout.parameter("gamma", gamma, 1.0), layout.parameter("beta", beta, 0.0)
    at = _Normalized(wide["x"], gamma, channel, eps, layout, numerics)
    param = lambda name: layout.expand(layout.parameter(name, wide.get(name), 0.0))
    out = {"y": at.y(layout.expand(beta))}
    if "dy" in wide:
        out["dbeta"], out["dgamma"] = at.sums(wide["dy"])
        if training:
            out["dx"] = at.dx(wide["dy"])
        else:
            out["dx"] = np.abs(at.gamma * at.r * wide["dy"]) * (at.rho + 4 * at.u) + at.tiny
    if "x_dot" in wide:
        out["y_dot"] = at.tangent(wide["x_dot"], param("gamma_dot"), param("beta_dot"), training)
    if "u_x" in wide:
        out |= at.second(wide["dy"], wide["u_x"], param("u_gamma"), param("u_beta"), training)
    return out


class StateAllowance(NamedTuple):
    """Exact running statistics with the error they may have gathered; param_shape each."""

    mean: np.ndarray
    var: np.ndarray
    mean_error: np.ndarray
    var_error: np.ndarray
    steps: int = 0

    @classmethod
    def initial(cls, mean, var) -> "StateAllowance":
        """A state that is exactly what it was set to."""
        mean, var = np.asarray(mean, np.float64), np.asarray(var, np.float64)
        return cls(mean, var, np.zeros(mean.shape), np.zeros(var.shape))

    def channel(self, m) -> _Channel:
        """The statistics as inference uses them, over m values."""
        return _Channel(self.mean, self.var, self.mean_error, self.var_error, np.full(np.shape(self.mean), m))

    @np.errstate(all="ignore")
    def update(self, channel: _Channel, *, decay, running_ddof, dtype: str) -> "StateAllowance":
        """Errors blend as the values do; each update adds roundings in the state's type [BN-3.1, BN-3.3]."""
        u, steps = unit_roundoff(dtype), self.steps + 1
        weight = 1.0 / steps if decay is None else 1.0 - decay
        factor = channel.m / (channel.m - running_ddof)
        blends = (
            (self.mean, self.mean_error, channel.mean, channel.mean_error, channel.m > 0),
            (self.var, self.var_error, channel.var * factor, channel.var_error * factor, channel.m > running_ddof),
        )
        values, errors = [], []
        for old, old_error, new, new_error, exists in blends:
            blended = (1 - weight) * old + weight * new
            # the weights themselves are rounded: u of a whole, not of the small weight
            error = (1 - weight) * old_error + weight * new_error + u * (2 * np.abs(old) + 3 * np.abs(new)) * (weight > 0)
            values.append(np.where(exists, blended, old))
            errors.append(np.where(exists, error + smallest(dtype), old_error))
        return StateAllowance(*values, *errors, steps)
