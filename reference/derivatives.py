"""Forward-mode derivative (JVP) and second order of both forwards [BN-5.3, BN-5.4]."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .backward import mean_over
from .dtypes import as_float64
from .forward import batch_statistics, check_eps, normalize
from .layout import Axes, Layout


class SecondOrder(NamedTuple):
    """Gradients of <u_x, dx> + <u_gamma, dgamma> + <u_beta, dbeta> with respect to x, gamma and dy."""

    d2x: np.ndarray
    d2gamma: np.ndarray
    d2dy: np.ndarray


class _Point:
    """One evaluation point: x_hat, r, gamma and the projection that the batch statistics cause."""

    def __init__(
        self,
        x: ArrayLike,
        gamma: ArrayLike | None,
        *,
        eps: float,
        channel_axes: Axes,
        running_mean: ArrayLike | None = None,
        running_var: ArrayLike | None = None,
    ) -> None:
        self.x = as_float64("x", x)
        self.layout = layout = Layout(self.x.shape, channel_axes)
        self.training = running_mean is None
        self.m = layout.m
        if self.training:
            mean, var, _ = batch_statistics(self.x, channel_axes=layout.channel_axes)
        else:
            mean, var = layout.parameter("running_mean", running_mean), layout.parameter("running_var", running_var)
        self.x_hat, r = normalize(self.x, mean, var, check_eps(eps), layout)
        self.r = layout.expand(r)
        self.gamma = layout.expand(layout.parameter("gamma", gamma, 1.0))

    def mean(self, values: np.ndarray) -> np.ndarray:
        return mean_over(values, self.m, self.layout)

    def project(self, w: np.ndarray) -> np.ndarray:
        """Derivative of x_hat along w, divided by r; the map is its own transpose."""
        if not self.training:
            return w
        return w - self.mean(w) - self.x_hat * self.mean(w * self.x_hat)

    def param(self, name: str, value: ArrayLike | None) -> np.ndarray:
        return self.layout.expand(self.layout.parameter(name, value, 0.0))


@np.errstate(invalid="ignore", divide="ignore", over="ignore")
def jvp(
    x: ArrayLike,
    x_dot: ArrayLike,
    gamma: ArrayLike | None = None,
    gamma_dot: ArrayLike | None = None,
    beta_dot: ArrayLike | None = None,
    *,
    eps: float,
    channel_axes: Axes,
    running_mean: ArrayLike | None = None,
    running_var: ArrayLike | None = None,
) -> np.ndarray:
    """Derivative of y along the tangents (x_dot, gamma_dot, beta_dot) [BN-5.3].

    Train mode without running statistics, inference mode with them. Shapes as x, param_shape,
    param_shape. Returns y_dot, float64 of x's shape.

    >>> x = np.array([[0.0], [2.0], [5.0]])
    >>> bool(abs(jvp(x, np.ones_like(x), eps=0.5, channel_axes=1)).max() < 1e-15)      # shift invariance
    True
    """
    at = _Point(x, gamma, eps=eps, channel_axes=channel_axes, running_mean=running_mean, running_var=running_var)
    x_dot = at.layout.like_x("x_dot", x_dot)
    return (
        at.gamma * at.r * at.project(x_dot)
        + at.param("gamma_dot", gamma_dot) * at.x_hat
        + at.param("beta_dot", beta_dot)
    )


@np.errstate(invalid="ignore", divide="ignore", over="ignore")
def second_order(
    x: ArrayLike,
    dy: ArrayLike,
    u_x: ArrayLike,
    gamma: ArrayLike | None = None,
    u_gamma: ArrayLike | None = None,
    u_beta: ArrayLike | None = None,
    *,
    eps: float,
    channel_axes: Axes,
    running_mean: ArrayLike | None = None,
    running_var: ArrayLike | None = None,
) -> SecondOrder:
    """Gradient of the backward pass [BN-5.4], as double backward in automatic differentiation.

    u_x, u_gamma, u_beta: cotangents of dx, dgamma, dbeta. Modes and shapes as `jvp`.

    >>> x, ones = np.array([[0.0], [2.0], [5.0]]), np.ones((3, 1))
    >>> out = second_order(x, x * x, ones, eps=0.5, channel_axes=1)
    >>> bool(abs(out.d2dy).max() < 1e-15)                     # dx sums to zero whatever dy is
    True
    """
    at = _Point(x, gamma, eps=eps, channel_axes=channel_axes, running_mean=running_mean, running_var=running_var)
    layout = at.layout
    dy, u_x = layout.like_x("dy", dy), layout.like_x("u_x", u_x)
    u_gamma, u_beta = at.param("u_gamma", u_gamma), at.param("u_beta", u_beta)
    projected = at.project(u_x)
    d2dy = at.gamma * at.r * projected + u_gamma * at.x_hat + u_beta
    d2gamma = layout.total(at.r * projected * dy)
    d2x = at.r * at.project(u_gamma * dy)
    if at.training:
        b, c = at.mean(dy * at.x_hat), at.mean(u_x * at.x_hat)
        k = at.mean(u_x * dy) - at.mean(u_x) * at.mean(dy) - b * c
        d2x = d2x - at.gamma * at.r**2 * (at.project(b * u_x + c * dy) + k * at.x_hat)
    return SecondOrder(d2x, d2gamma, d2dy)
