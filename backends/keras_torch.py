"""Keras on PyTorch: eager, differentiated by `torch.autograd`."""

import torch
from torch.autograd import forward_ad

from .torch_arrays import array, arrays, place, settings, tensor

__all__ = ["CONVENTIONS", "array", "arrays", "double_backward", "jvp", "place", "settings", "step", "tensor", "version"]

CONVENTIONS = {"variance": "one-pass", "reduction": "pairwise", "notes": "the one-pass variance is not clamped at zero"}


def version() -> str:
    return f"torch {torch.__version__}"


def step(layer, x, mask, training, dy):
    if dy is None:
        return layer(x, training=training, mask=mask).detach(), []
    inputs = [x.requires_grad_(), *(variable.value for variable in layer.trainable_variables)]
    y = layer(x, training=training, mask=mask)
    return y, torch.autograd.grad(y, inputs, dy)


def _pure(layer, training, x, *parameters):
    """y, with the state left alone."""
    state = [variable.value for variable in layer.non_trainable_variables]
    return layer.stateless_call(parameters, state, x, training=training)[0]


def jvp(layer, training, primals, tangents):
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(primal.detach(), tangent) for primal, tangent in zip(primals, tangents)]
        return forward_ad.unpack_dual(_pure(layer, training, *duals)).tangent


def double_backward(layer, training, primals, dy, cotangents):
    inputs = [primal.detach().requires_grad_() for primal in primals]
    dy = dy.requires_grad_()
    first = torch.autograd.grad(_pure(layer, training, *inputs), inputs, dy, create_graph=True)
    total = sum((u * gradient).sum() for u, gradient in zip(cotangents, first))
    # the gradient with respect to beta does not depend on beta
    return torch.autograd.grad(total, [*inputs, dy], allow_unused=True)
