"""Batch renormalization (Ioffe 2017) [BN-6.4]."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..backward import Gradients, train_backward
from ..dtypes import as_float64
from ..errors import DomainError
from ..forward import batch_statistics, check_eps, normalize
from ..layout import Axes, Layout


class RenormForward(NamedTuple):
    """y (x's shape); batch_mean, batch_var, r, d (param_shape)."""

    y: np.ndarray
    batch_mean: np.ndarray
    batch_var: np.ndarray
    r: np.ndarray
    d: np.ndarray


def renorm_forward(
    x: ArrayLike,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    *,
    running_mean: ArrayLike,
    running_var: ArrayLike,
    eps: float,
    channel_axes: Axes,
    r_max: float,
    d_max: float,
) -> RenormForward:
    """y = gamma (x_hat r + d) + beta with r = clip(s_B/s, 1/r_max, r_max), d = clip((mu_B - mu)/s, -d_max, d_max).

    s_B = sqrt(batch_var + eps), s = sqrt(running_var + eps), mu = running_mean, all before the update.
    r and d are constants for the gradient. Shapes as `train_forward`. Errors: r_max < 1 or d_max < 0.

    >>> out = renorm_forward(np.array([[1.0], [3.0]]), running_mean=np.zeros(1), running_var=np.ones(1),
    ...                      eps=0.0, channel_axes=1, r_max=1.0, d_max=0.5)
    >>> out.y.ravel().tolist(), out.d.tolist()
    ([-0.5, 1.5], [0.5])
    """
    if not (r_max >= 1 and d_max >= 0):
        raise DomainError(f"r_max is {r_max!r} and d_max {d_max!r}, expected r_max >= 1 and d_max >= 0", "BN-6.4")
    x = as_float64("x", x)
    layout = Layout(x.shape, channel_axes)
    eps = check_eps(eps)
    gamma, beta = layout.parameter("gamma", gamma, 1.0), layout.parameter("beta", beta, 0.0)
    mean, var = layout.parameter("running_mean", running_mean), layout.parameter("running_var", running_var)
    batch_mean, batch_var, _ = batch_statistics(x, channel_axes=layout.channel_axes)
    std = np.sqrt(var + eps)
    r = np.clip(np.sqrt(batch_var + eps) / std, 1 / r_max, r_max)
    d = np.clip((batch_mean - mean) / std, -d_max, d_max)
    x_hat, _ = normalize(x, batch_mean, batch_var, eps, layout)
    y = layout.expand(gamma) * (x_hat * layout.expand(r) + layout.expand(d)) + layout.expand(beta)
    return RenormForward(y, batch_mean, batch_var, r, d)


def renorm_backward(
    dy: ArrayLike,
    x: ArrayLike,
    gamma: ArrayLike | None = None,
    *,
    running_mean: ArrayLike,
    running_var: ArrayLike,
    eps: float,
    channel_axes: Axes,
    r_max: float,
    d_max: float,
) -> Gradients:
    """Gradients of `renorm_forward` with r and d held constant [BN-6.4]."""
    out = renorm_forward(
        x,
        running_mean=running_mean,
        running_var=running_var,
        eps=eps,
        channel_axes=channel_axes,
        r_max=r_max,
        d_max=d_max,
    )
    layout = Layout(np.shape(x), channel_axes)
    gamma = layout.parameter("gamma", gamma, 1.0)
    plain = train_backward(dy, x, gamma * out.r, eps=eps, channel_axes=channel_axes)
    return Gradients(plain.dx, plain.dgamma * out.r + plain.dbeta * out.d, plain.dbeta)
