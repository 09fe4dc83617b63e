"""Keras on PyTorch: eager, differentiated by `torch.autograd`."""

import torch
from torch.autograd import forward_ad

from .torch_arrays import array, arrays, finished, place, settings, tensor

CONVENTIONS = {"variance": "one-pass", "reduction": "pairwise", "notes": "the one-pass variance is not clamped at zero"}


def version() -> str:
    return f"torch {torch.__version__}"


def step(layer, x, mask, training, dy):
    if dy is None:
        return layer(x, training=training, mask=mask).detach(), []
    y, inputs = _graph(layer, x, training, mask)
    return y, torch.autograd.grad(y, inputs, dy)


def _graph(layer, x, training, mask=None):
    """y, and what it can be differentiated by."""
    inputs = [x.requires_grad_(), *(variable.value for variable in layer.trainable_variables)]
    return layer(x, training=training, mask=mask), inputs


def timed(layer, operation, x, dy):
    if operation == "backward":
        y, inputs = _graph(layer, x, True)
        return finished(lambda: torch.autograd.grad(y, inputs, dy, retain_graph=True), x.device)
    dy = dy if operation == "step" else None
    return finished(lambda: step(layer, x, None, operation != "inference", dy), x.device)


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
