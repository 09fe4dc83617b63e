"""Keras on JAX: `stateless_call` under `jax.jit`, differentiated by `jax.vjp` and `jax.jvp`."""

import json
from functools import partial

import jax

from .jax_ import REDUCTION_NOTE, array, arrays, compiling, place, settings

__all__ = [
    "CONVENTIONS",
    "array",
    "arrays",
    "compiling",
    "jvp",
    "place",
    "second",
    "settings",
    "step",
    "tensor",
    "version",
]

CONVENTIONS = {"notes": REDUCTION_NOTE}

# the first layer of each kind stands for all of them when a step is compiled
_KINDS = {}


def version() -> str:
    return f"jax {jax.__version__}"


def tensor(value, device):
    return jax.device_put(value, device)


def _kind(layer, x, training):
    """What a compilation depends on beside shapes and types; eps and momentum are traced, and shared by all layers."""
    config = layer.get_config() | {"name": None, "epsilon": None, "momentum": None}
    kind = (json.dumps(config, sort_keys=True), x.ndim, tuple(layer.moving_mean.shape), training)
    _KINDS.setdefault(kind, layer)
    return kind


def _call(kind, numbers, parameters, state, x, mask):
    """(y, new state) of the kind's layer with other numbers and values."""
    layer, training = _KINDS[kind], kind[-1]
    own = layer.epsilon, layer.momentum
    layer.epsilon, layer.momentum = numbers
    try:
        return layer.stateless_call(parameters, state, x, training=training, mask=mask)
    finally:
        layer.epsilon, layer.momentum = own


@partial(jax.jit, static_argnums=0)
def _forward(kind, numbers, parameters, state, x, mask):
    return _call(kind, numbers, parameters, state, x, mask)


@partial(jax.jit, static_argnums=0)
def _with_gradients(kind, numbers, parameters, state, x, mask, dy):
    y, pull, changed = jax.vjp(lambda x, *p: _call(kind, numbers, p, state, x, mask), x, *parameters, has_aux=True)
    return y, changed, pull(dy)


@partial(jax.jit, static_argnums=0)
def _jvp(kind, numbers, state, primals, tangents):
    return jax.jvp(lambda x, *p: _call(kind, numbers, p, state, x, None)[0], primals, tangents)[1]


@partial(jax.jit, static_argnums=0)
def _second(kind, numbers, state, primals, dy, cotangents):
    def gradients(*primals_and_dy):
        *primals, dy = primals_and_dy
        return jax.vjp(lambda x, *p: _call(kind, numbers, p, state, x, None)[0], *primals)[1](dy)

    return jax.vjp(gradients, *primals, dy)[1](cotangents)


def _values(variables):
    return [variable.value for variable in variables]


def _numbers(layer):
    return layer.epsilon, layer.momentum


def step(layer, x, mask, training, dy):
    arguments = (
        _kind(layer, x, training),
        _numbers(layer),
        _values(layer.trainable_variables),
        _values(layer.non_trainable_variables),
        x,
        mask,
    )
    if dy is None:
        y, changed = _forward(*arguments)
        gradients = []
    else:
        y, changed, gradients = _with_gradients(*arguments, dy)
    for variable, value in zip(layer.non_trainable_variables, changed):
        variable.assign(value)
    return y, gradients


def jvp(layer, training, primals, tangents):
    state = _values(layer.non_trainable_variables)
    return _jvp(_kind(layer, primals[0], training), _numbers(layer), state, tuple(primals), tuple(tangents))


def second(layer, training, primals, dy, cotangents):
    state = _values(layer.non_trainable_variables)
    return _second(_kind(layer, primals[0], training), _numbers(layer), state, tuple(primals), dy, tuple(cotangents))
