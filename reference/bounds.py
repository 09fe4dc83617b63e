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

from .backward import inference_backward, train_backward
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


class _Normalized:
    """x_hat and the allowance of every quantity that leads to y and the gradients."""

    def __init__(self, x, gamma, channel, eps, layout, numerics):
        self.x, self.layout, self.u, self.tiny = x, layout, numerics.u, smallest(numerics.dtype)
        self.channel, self.numerics = channel, numerics
        self.x_hat, r = normalize(x, channel.mean, channel.var, eps, layout)
        self.r, self.gamma = layout.expand(r), layout.expand(gamma)
        self.abs_hat = np.abs(self.x_hat)
        self.spread = np.abs(x) + np.abs(layout.expand(channel.mean))
        # relative error of r: half that of var + eps, which an error of order one may not bound linearly
        relative = np.minimum((channel.var_error + self.u * eps) / (channel.var + eps), 1e30)
        self.rho = layout.expand(0.5 * (relative + self.u) + 2 * self.u)
        self.hat_error = (
            self.r * (layout.expand(channel.mean_error) + self.u * self.spread) + self.abs_hat * (self.rho + 2 * self.u)
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

    def dx(self, dy, dgamma, dbeta):
        """Allowance of the training gradient [BN-5.1]; dgamma, dbeta exact."""
        expand, m, u = self.layout.expand, max(self.layout.m, 1), self.u
        dbeta_error, dgamma_error = self.sums(dy)
        slope, offset = expand(np.abs(dgamma) / m), expand(np.abs(dbeta) / m)
        core = np.abs(dy) + offset + self.abs_hat * slope
        return np.abs(self.gamma) * self.r * (
            3 * u * core
            + expand(dbeta_error / m)
            + self.abs_hat * expand(dgamma_error / m)
            + slope * self.hat_error
            + core * (self.rho + 2 * u)
        ) + self.tiny


def rounding(values, name: str):
    """Allowance of the final rounding into the output's type: u |value| and half the smallest number."""
    return unit_roundoff(name) * np.abs(values) + smallest(name)


@np.errstate(all="ignore")
def train_allowances(x, dy, gamma, beta, *, eps, channel_axes, numerics, mask=None):
    """Allowances of y, batch_mean, batch_var, dx, dgamma, dbeta before the final rounding, and the channel record."""
    layout = Layout(np.shape(x), channel_axes)
    x = np.asarray(x, np.float64)
    gamma, beta = layout.parameter("gamma", gamma, 1.0), layout.parameter("beta", beta, 0.0)
    channel = batch_allowance(x, layout, numerics, mask)
    at = _Normalized(x, gamma, channel, eps, layout, numerics)
    out = {"y": at.y(layout.expand(beta)), "batch_mean": channel.mean_error, "batch_var": channel.var_error}
    if dy is not None:
        dy = np.asarray(dy, np.float64)
        exact = train_backward(dy, x, gamma, eps=eps, channel_axes=channel_axes, mask=mask)
        out["dbeta"], out["dgamma"] = at.sums(dy)
        out["dx"] = at.dx(dy, exact.dgamma, exact.dbeta)
    return out, channel


@np.errstate(all="ignore")
def inference_allowances(x, dy, gamma, beta, state, *, eps, channel_axes, numerics):
    """Allowances of y, dx, dgamma, dbeta with statistics `state`, a record with mean, var and their errors."""
    layout = Layout(np.shape(x), channel_axes)
    x = np.asarray(x, np.float64)
    gamma, beta = layout.parameter("gamma", gamma, 1.0), layout.parameter("beta", beta, 0.0)
    channel = _Channel(state.mean, state.var, state.mean_error, state.var_error, np.full(layout.param_shape, layout.m))
    at = _Normalized(x, gamma, channel, eps, layout, numerics)
    out = {"y": at.y(layout.expand(beta))}
    if dy is not None:
        dy = np.asarray(dy, np.float64)
        exact = inference_backward(
            dy, x, gamma, running_mean=state.mean, running_var=state.var, eps=eps, channel_axes=channel_axes
        )
        out["dbeta"], out["dgamma"] = at.sums(dy)
        out["dx"] = np.abs(exact.dx) * (at.rho + 4 * at.u) + at.tiny
    return out


class StateAllowance(NamedTuple):
    """Exact running statistics with the error they may have gathered; param_shape each."""

    mean: np.ndarray
    var: np.ndarray
    mean_error: np.ndarray
    var_error: np.ndarray
    steps: int = 0

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
