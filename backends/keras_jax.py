"""Keras on JAX: `stateless_call` as a pure function, compiled and differentiated as every layer on JAX is."""

import json
from typing import NamedTuple

import jax

from . import jax_
from .jax_ import REDUCTION_NOTE, array, arrays, compiling, place, settings

CONVENTIONS = {"notes": REDUCTION_NOTE}

# the first layer of each kind stands for all of them when a step is compiled
_FIRST = {}


def version() -> str:
    return f"jax {jax.__version__}"


def tensor(value, device):
    return jax.device_put(value, device)


class Call(NamedTuple):
    """What a compilation depends on beside shapes and types; eps and momentum are traced, and shared by all layers."""

    config: str
    rank: int
    channels: tuple[int, ...]
    training: bool

    def __call__(self, numbers, parameters, state, x, mask):
        """(y, new state) of the first layer of this kind with other numbers and values."""
        layer = _FIRST[self]
        own = layer.epsilon, layer.momentum
        layer.epsilon, layer.momentum = numbers
        try:
            return layer.stateless_call(parameters, state, x, training=self.training, mask=mask)
        finally:
            layer.epsilon, layer.momentum = own


def _values(variables):
    return [variable.value for variable in variables]


def _arguments(layer, training, x, parameters):
    config = layer.get_config() | {"name": None, "epsilon": None, "momentum": None}
    call = Call(json.dumps(config, sort_keys=True), x.ndim, tuple(layer.moving_mean.shape), training)
    _FIRST.setdefault(call, layer)
    return call, (layer.epsilon, layer.momentum), parameters, _values(layer.non_trainable_variables), x


def step(layer, x, mask, training, dy):
    arguments = _arguments(layer, training, x, _values(layer.trainable_variables))
    y, changed, gradients, dx = jax_.step(*arguments, mask, dy)
    for variable, value in zip(layer.non_trainable_variables, changed):
        variable.assign(value)
    return y, [] if dy is None else [dx, *gradients]


def jvp(layer, training, primals, tangents):
    (x, *parameters), (x_dot, *dots) = primals, tangents
    return jax_.jvp(*_arguments(layer, training, x, parameters), dots, x_dot)


def double_backward(layer, training, primals, dy, cotangents):
    (x, *parameters), (u_x, *along) = primals, cotangents
    of_parameters, d2x, d2dy = jax_.double_backward(*_arguments(layer, training, x, parameters), dy, along, u_x)
    return [d2x, *of_parameters, d2dy]


def timed(layer, operation, x, dy):
    parameters = _values(layer.trainable_variables)
    return jax_.timed(operation, _arguments(layer, operation != "inference", x, parameters)[:-1], x, dy)
