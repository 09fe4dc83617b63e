"""Algorithm 1 and the last step of Algorithm 2 of Ioffe and Szegedy (2015), in float64."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .dtypes import as_float64
from .errors import DomainError
from .layout import Axes, Layout


class TrainForward(NamedTuple):
    """What a training step computes: y (x's shape), batch_mean, batch_var, m (param_shape each)."""

    y: np.ndarray
    batch_mean: np.ndarray
    batch_var: np.ndarray
    m: np.ndarray


def check_eps(eps: float) -> float:
    """`eps` if it is a finite number >= 0, in units of the variance [BN-2.4]."""
    if not (bool(np.isscalar(eps)) and np.isfinite(eps) and eps >= 0):
        raise DomainError(f"eps is {eps!r}, expected a finite number >= 0", "BN-2.4")
    return float(eps)


def check_mask(mask: ArrayLike | None, layout: Layout) -> np.ndarray | None:
    """`mask` broadcast to x's shape, or None; True marks a value that counts [BN-6.1]."""
    if mask is None:
        return None
    mask = np.asarray(mask)
    if mask.dtype != np.bool_:
        raise DomainError(f"mask has dtype {mask.dtype}, expected bool", "BN-6.1")
    try:
        return np.broadcast_to(mask, layout.shape)
    except ValueError:
        raise DomainError(
            f"mask has shape {mask.shape}, expected one that broadcasts to x {layout.shape}", "BN-6.1"
        ) from None


@np.errstate(invalid="ignore", divide="ignore", over="ignore")
def batch_statistics(
    x: ArrayLike, *, channel_axes: Axes, mask: ArrayLike | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, variance with ddof 0, and count of each channel, in two passes [BN-2.1, BN-2.2].

    x: any floating array. mask: boolean, broadcasts to x [BN-6.1].
    Returns (batch_mean, batch_var, m), each of param_shape; NaN where m = 0 [BN-7.2].

    >>> mean, var, m = batch_statistics(np.array([[1.0], [2.0], [6.0]]), channel_axes=1)
    >>> mean.item(), round(var.item(), 6), m.item()
    (3.0, 4.666667, 3)
    """
    x = as_float64("x", x)
    layout = Layout(x.shape, channel_axes).reducing()
    mask = check_mask(mask, layout)
    m = np.full(layout.param_shape, layout.m) if mask is None else layout.total(mask.astype(np.int64))
    counted = x if mask is None else np.where(mask, x, 0.0)
    batch_mean = layout.total(counted) / m
    deviation = x - layout.expand(batch_mean)
    if mask is not None:
        deviation = np.where(mask, deviation, 0.0)
    batch_var = layout.total(deviation * deviation) / m
    return batch_mean, batch_var, m


@np.errstate(invalid="ignore", divide="ignore", over="ignore")
def normalize(
    x: np.ndarray, mean: np.ndarray, var: np.ndarray, eps: float, layout: Layout
) -> tuple[np.ndarray, np.ndarray]:
    """x_hat = (x - mean) / sqrt(var + eps) and r = 1 / sqrt(var + eps) [BN-2.3]."""
    inverse_std = 1.0 / np.sqrt(var + eps)
    return (x - layout.expand(mean)) * layout.expand(inverse_std), inverse_std


@np.errstate(invalid="ignore", divide="ignore", over="ignore")
def train_forward(
    x: ArrayLike,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    *,
    eps: float,
    channel_axes: Axes,
    mask: ArrayLike | None = None,
) -> TrainForward:
    """Normalize a batch by its own statistics [BN-2.3], Algorithm 1 of the paper.

    x: floating array. gamma, beta: param_shape, or None for 1 and 0. eps: in units of x**2.
    channel_axes: an axis or several [BN-1.1]. mask: boolean, broadcasts to x [BN-6.1].
    Returns float64 y (x's shape), batch_mean, batch_var (ddof 0), m (param_shape).
    Errors: DomainError for shapes, dtypes or eps out of the domain.

    >>> out = train_forward(np.array([[1.0], [3.0]]), eps=0.0, channel_axes=1)
    >>> out.y.ravel().tolist(), out.batch_mean.item(), out.batch_var.item()
    ([-1.0, 1.0], 2.0, 1.0)
    """
    x = as_float64("x", x)
    layout = Layout(x.shape, channel_axes)
    eps = check_eps(eps)
    gamma, beta = layout.parameter("gamma", gamma, 1.0), layout.parameter("beta", beta, 0.0)
    batch_mean, batch_var, m = batch_statistics(x, channel_axes=layout.channel_axes, mask=mask)
    x_hat, _ = normalize(x, batch_mean, batch_var, eps, layout)
    y = layout.expand(gamma) * x_hat + layout.expand(beta)
    return TrainForward(y, batch_mean, batch_var, m)


@np.errstate(invalid="ignore", divide="ignore", over="ignore")
def inference_forward(
    x: ArrayLike,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    *,
    running_mean: ArrayLike,
    running_var: ArrayLike,
    eps: float,
    channel_axes: Axes,
) -> np.ndarray:
    """Normalize by given statistics, Algorithm 2 of the paper; they do not change [BN-4.1].

    Shapes and errors as `train_forward`. Returns float64 y of x's shape.

    >>> inference_forward(np.array([[5.0]]), running_mean=np.array([1.0]), running_var=np.array([4.0]),
    ...                   eps=0.0, channel_axes=1).item()
    2.0
    """
    x = as_float64("x", x)
    layout = Layout(x.shape, channel_axes)
    eps = check_eps(eps)
    gamma, beta = layout.parameter("gamma", gamma, 1.0), layout.parameter("beta", beta, 0.0)
    mean, var = layout.parameter("running_mean", running_mean), layout.parameter("running_var", running_var)
    x_hat, _ = normalize(x, mean, var, eps, layout)
    return layout.expand(gamma) * x_hat + layout.expand(beta)
