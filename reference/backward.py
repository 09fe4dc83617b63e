"""Gradients of the two forwards by the chain rule (section 3 of the paper), in float64."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .dtypes import as_float64
from .forward import batch_statistics, check_eps, check_mask, normalize
from .layout import Axes, Layout


class Gradients(NamedTuple):
    """Gradients of a loss: dx (x's shape), dgamma and dbeta (param_shape)."""

    dx: np.ndarray
    dgamma: np.ndarray
    dbeta: np.ndarray


def mean_over(values: np.ndarray, m: ArrayLike, layout: Layout) -> np.ndarray:
    """Sum over the reduced axes divided by the count m, ready to broadcast against x."""
    return layout.expand(layout.total(values) / m)


@np.errstate(invalid="ignore", divide="ignore", over="ignore")
def train_backward(
    dy: ArrayLike,
    x: ArrayLike,
    gamma: ArrayLike | None = None,
    *,
    eps: float,
    channel_axes: Axes,
    mask: ArrayLike | None = None,
) -> Gradients:
    """Gradient through the normalization *and* the batch statistics [BN-5.1].

    dx = gamma r (dy - mean(dy) - x_hat mean(dy x_hat)); dgamma = sum(dy x_hat); dbeta = sum(dy).
    dy: x's shape; the rest as `train_forward`. With a mask every dy flows, but only the values
    that count move the statistics [BN-6.2].

    >>> x = np.array([[0.0], [2.0]])
    >>> grads = train_backward(np.array([[1.0], [1.0]]), x, eps=1.0, channel_axes=1)
    >>> grads.dx.ravel().tolist(), grads.dbeta.item()        # a constant dy moves nothing
    ([0.0, 0.0], 2.0)
    """
    x = as_float64("x", x)
    layout = Layout(x.shape, channel_axes)
    dy, gamma = layout.like_x("dy", dy), layout.parameter("gamma", gamma, 1.0)
    eps, mask = check_eps(eps), check_mask(mask, layout)
    batch_mean, batch_var, m = batch_statistics(x, channel_axes=layout.channel_axes, mask=mask)
    x_hat, inverse_std = normalize(x, batch_mean, batch_var, eps, layout)
    through_statistics = mean_over(dy, m, layout) + x_hat * mean_over(dy * x_hat, m, layout)
    if mask is not None:
        through_statistics = np.where(mask, through_statistics, 0.0)
    dx = layout.expand(gamma * inverse_std) * (dy - through_statistics)
    return Gradients(dx, layout.total(dy * x_hat), layout.total(dy))


@np.errstate(invalid="ignore", divide="ignore", over="ignore")
def inference_backward(
    dy: ArrayLike,
    x: ArrayLike,
    gamma: ArrayLike | None = None,
    *,
    running_mean: ArrayLike,
    running_var: ArrayLike,
    eps: float,
    channel_axes: Axes,
) -> Gradients:
    """Gradient with the statistics held constant [BN-5.2]: dx = gamma r dy.

    >>> x = np.array([[0.0], [2.0]])
    >>> inference_backward(np.ones((2, 1)), x, running_mean=np.zeros(1), running_var=np.full(1, 3.0),
    ...                    eps=1.0, channel_axes=1).dx.ravel().tolist()
    [0.5, 0.5]
    """
    x = as_float64("x", x)
    layout = Layout(x.shape, channel_axes)
    dy, gamma, eps = layout.like_x("dy", dy), layout.parameter("gamma", gamma, 1.0), check_eps(eps)
    mean, var = layout.parameter("running_mean", running_mean), layout.parameter("running_var", running_var)
    x_hat, inverse_std = normalize(x, mean, var, eps, layout)
    dx = layout.expand(gamma * inverse_std) * dy
    return Gradients(dx, layout.total(dy * x_hat), layout.total(dy))
