"""Inference as an affine map, folded into the layer before it [BN-4.2, BN-4.3]."""

import numpy as np
from numpy.typing import ArrayLike

from ..dtypes import as_float64
from ..errors import DomainError
from ..forward import check_eps


def affine_form(
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    *,
    running_mean: ArrayLike,
    running_var: ArrayLike,
    eps: float,
) -> tuple[np.ndarray, np.ndarray]:
    """(a, b) with y = a x + b for each channel [BN-4.2]; all of param_shape.

    >>> a, b = affine_form(running_mean=np.array([2.0]), running_var=np.array([3.0]), eps=1.0)
    >>> a.item(), b.item()
    (0.5, -1.0)
    """
    mean, var = as_float64("running_mean", running_mean), as_float64("running_var", running_var)
    a = 1.0 / np.sqrt(var + check_eps(eps))
    if gamma is not None:
        a = as_float64("gamma", gamma) * a
    b = -a * mean
    if beta is not None:
        b = b + as_float64("beta", beta)
    return a, b


def fold(
    weight: ArrayLike,
    bias: ArrayLike | None,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    *,
    running_mean: ArrayLike,
    running_var: ArrayLike,
    eps: float,
    out_axis: int = 0,
    groups: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of a linear or convolution layer that includes the BN after it [BN-4.3].

    weight: any rank, its output channels along `out_axis`; a grouped *transposed* convolution holds
    (inputs, outputs / groups, ...): give out_axis=1 and its `groups`. Ordinary grouped convolutions
    have all outputs along axis 0 and need groups=1. bias: (outputs,) or None.
    Returns (weight of the same shape, bias of shape (outputs,)), float64.

    >>> w, b = fold(np.ones((1, 2)), None, running_mean=np.array([1.0]), running_var=np.array([3.0]), eps=1.0)
    >>> w.tolist(), b.tolist()
    ([[0.5, 0.5]], [-0.5])
    """
    weight = as_float64("weight", weight)
    a, b = affine_form(gamma, beta, running_mean=running_mean, running_var=running_var, eps=eps)
    out_axis = out_axis % weight.ndim
    outputs = weight.shape[out_axis] * groups
    if a.shape != (outputs,):
        raise DomainError(f"running_var has shape {a.shape}, expected ({outputs},) = outputs of the layer", "BN-4.3")
    bias = np.zeros(outputs) if bias is None else as_float64("bias", bias)
    if groups == 1:
        scale = a.reshape([-1 if axis == out_axis else 1 for axis in range(weight.ndim)])
        return weight * scale, a * bias + b
    if out_axis != 1 or weight.shape[0] % groups:
        raise DomainError(
            f"groups is {groups} with out_axis {out_axis}, expected out_axis 1 and inputs divisible", "BN-4.3"
        )
    # input channel i belongs to group i // (inputs / groups); its outputs are that group's slice of a
    by_group = a.reshape(groups, 1, weight.shape[1], *[1] * (weight.ndim - 2))
    grouped = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    return (grouped * by_group).reshape(weight.shape), a * bias + b
