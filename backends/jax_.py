"""What adapters on JAX share: a layer as a pure function, its derivatives, and one compiled step a shape and mode.

Importing this module sets `jax_enable_x64`, without which JAX silently turns float64 into float32. Python numbers stay
weakly typed under the flag, so float32 and half layers compute as before.
"""

import os
from functools import partial
from typing import NamedTuple

import jax
import numpy as np

from .errors import NoGpu

jax.config.update("jax_enable_x64", True)

SHARDS = "shards"

_COMPILED = []  # seconds, one entry a stage: trace, lowering, compilation
jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **_: _COMPILED.append(seconds) if event.startswith("/jax/core/compile/") else None
)


def compiling() -> float:
    """Seconds this process has spent tracing and compiling."""
    return sum(_COMPILED)


# what the compiler makes of a sum is the same for every layer on it
REDUCTION_NOTE = (
    "XLA on the CPU sums all but the innermost axis one after the other: the error of a channels-last mean grows like m"
)


def place(device: str):
    """The first JAX device of kind "cpu" or "gpu". Errors: NoGpu."""
    try:
        return jax.devices(device)[0]
    except RuntimeError as error:
        if device == "gpu":
            raise NoGpu(f"jax.devices('gpu') says {error}") from None
        raise


def settings(device: str) -> dict:
    """What beside JAX's version may change numbers."""
    found = place(device)
    return {
        "device": found.device_kind,
        "platform": found.client.platform_version.splitlines()[0],
        "matmul precision": jax.config.jax_default_matmul_precision or "default",
        "XLA_FLAGS": os.environ.get("XLA_FLAGS", "none"),
    }


def array(value) -> np.ndarray:
    """A NumPy array that owns its memory (`np.asarray` of a JAX array may be a view of JAX's)."""
    return np.array(value)


def arrays(values: dict) -> dict:
    """The arrays that are there, by name. A gradient of integers has JAX's type float0, which holds no numbers: it is
    left out."""
    return {
        name: array(value) for name, value in values.items() if value is not None and value.dtype != jax.dtypes.float0
    }


class Call(NamedTuple):
    """What a compilation depends on beside shapes and types; eps and decay are traced, and shared by all cases."""

    backend: type
    channel_axes: tuple[int, ...]
    training: bool
    axis_name: str | None = None

    def __call__(self, numbers, parameters, statistics, x, mask):
        """(y, new statistics) of one step; over stacked shards where an axis is named."""
        run = partial(self.backend.apply, self, numbers, parameters, statistics)
        if self.axis_name is None:
            return run(x, mask)
        y, changed = jax.vmap(run, axis_name=self.axis_name)(x, mask)
        # every shard ends with the same statistics: the first speaks for all
        return y, jax.tree.map(lambda value: value[0], changed)


# Of a layer as a pure function, `call(numbers, parameters, statistics, x, mask) -> y, new statistics`, hashable;
# compiled once for each. `parameters` and `statistics` are any trees of arrays, `numbers` is traced with them.


@partial(jax.jit, static_argnums=0)
def step(call, numbers, parameters, statistics, x, mask, dy):
    """y, new statistics, and the gradients of parameters and x; these are None where dy is."""
    if dy is None:
        return *call(numbers, parameters, statistics, x, mask), None, None
    y, pull, changed = jax.vjp(lambda p, x: call(numbers, p, statistics, x, mask), parameters, x, has_aux=True)
    return y, changed, *pull(dy.astype(y.dtype))


@partial(jax.jit, static_argnums=0)
def jvp(call, numbers, parameters, statistics, x, parameters_dot, x_dot):
    """y_dot."""
    return jax.jvp(lambda p, x: call(numbers, p, statistics, x, None)[0], (parameters, x), (parameters_dot, x_dot))[1]


@partial(jax.jit, static_argnums=0)
def double_backward(call, numbers, parameters, statistics, x, dy, u_parameters, u_x):
    """Gradients of <gradients of the parameters and x, u> with respect to parameters, x and dy."""

    def gradients(p, x, dy):
        y, pull = jax.vjp(lambda p, x: call(numbers, p, statistics, x, None)[0], p, x)
        return pull(dy.astype(y.dtype))

    return jax.vjp(gradients, parameters, x, dy)[1]((u_parameters, u_x))


@partial(jax.jit, static_argnums=0)
def _half(call, numbers, parameters, statistics, x):
    return jax.vjp(lambda p, x: call(numbers, p, statistics, x, None), parameters, x, has_aux=True)[:2]


@jax.jit
def _pulled(pull, dy):
    return pull(dy)


def timed(operation, arguments, x, dy):
    """The contract's `timed` for the arguments of a call."""
    if operation == "backward":
        y, pull = _half(*arguments, x)
        dy = dy.astype(y.dtype)
        return lambda: jax.block_until_ready(_pulled(pull, dy))
    dy = dy if operation == "step" else None
    return lambda: jax.block_until_ready(step(*arguments, x, None, dy))


class JaxBackend:
    """A layer on JAX. A subclass gives `conventions`, `version`, and

    apply(call, numbers, parameters, statistics, x, mask) -> y, new statistics

    numbers: {"epsilon", "momentum"}, or none of them where the layer's own are asked for; parameters: {"gamma",
    "beta"} as far as there are; statistics: {"running_mean", "running_var"}; all JAX arrays.

    built(config) -> its own initial values of all four, by name
    """

    compiling, settings = staticmethod(compiling), staticmethod(settings)

    def __init__(self, config, gamma, beta, running_mean, running_var):
        self.config, self.device = config, place(config.device)
        self.numbers = {} if config.defaults else {"epsilon": config.eps, "momentum": config.decay}
        if config.as_built:
            gamma, beta, running_mean, running_var = self.built(config).values()
        self.parameters = self._put({"gamma": gamma, "beta": beta})
        if running_mean is None:  # this layer always keeps statistics: its own initial values
            running_mean, running_var = np.zeros(config.channels, np.float32), np.ones(config.channels, np.float32)
        self.statistics = self._put({"running_mean": running_mean, "running_var": running_var})

    def _put(self, arrays):
        """Copies on the device (JAX may alias NumPy's memory on the CPU); what is None is left out."""
        return {
            name: jax.device_put(np.array(value), self.device) for name, value in arrays.items() if value is not None
        }

    def _arguments(self, mode, axis_name=None):
        call = Call(type(self), self.config.channel_axes, mode == "train", axis_name)
        return call, self.numbers, self.parameters, self.statistics

    def train(self, x, dy):
        return self._train(x, dy, None)

    def train_masked(self, x, dy, mask):
        return self._train(x, dy, mask)

    def infer(self, x, dy):
        return self._step(self._arguments("infer"), x, dy, None)[0]

    def _train(self, x, dy, mask, axis_name=None):
        out, self.statistics = self._step(self._arguments("train", axis_name), x, dy, mask)
        return out

    def _step(self, arguments, x, dy, mask):
        x, mask, dy = (value if value is None else jax.device_put(value, self.device) for value in (x, mask, dy))
        y, changed, gradients, dx = step(*arguments, x, mask, dy)
        return arrays({"y": y, "dx": dx} | {f"d{name}": value for name, value in (gradients or {}).items()}), changed

    def timed(self, operation, x, dy):
        x, dy = (jax.device_put(value, self.device) for value in (x, dy))
        return timed(operation, self._arguments("infer" if operation == "inference" else "train"), x, dy)

    def train_shards(self, x, dy, sizes):
        """`jax.vmap` with a named axis over the shards; smaller ones are padded, and the padding masked out."""
        mask = None
        if len(set(sizes)) > 1:
            mask = _stack(np.ones(x.shape[:1] + (1,) * (x.ndim - 1), bool), sizes)
        out = self._train(_stack(x, sizes), _stack(dy, sizes), mask, SHARDS)
        unstacked = {
            name: np.concatenate([part[:size] for part, size in zip(out[name], sizes)]) for name in ("y", "dx")
        }
        return out | unstacked

    def jvp(self, mode, x, x_dot, gamma_dot, beta_dot):
        at = self._put({"x": x, "x_dot": x_dot})
        dots = self._put({"gamma": gamma_dot, "beta": beta_dot})
        return {"y_dot": array(jvp(*self._arguments(mode), at["x"], dots, at["x_dot"]))}

    def double_backward(self, mode, x, dy, u_x, u_gamma, u_beta):
        at = self._put({"x": x, "dy": dy, "u_x": u_x})
        along = self._put({"gamma": u_gamma, "beta": u_beta})
        d2parameters, d2x, d2dy = double_backward(*self._arguments(mode), at["x"], at["dy"], along, at["u_x"])
        return arrays({"d2x": d2x, "d2dy": d2dy} | {f"d2{name}": value for name, value in d2parameters.items()})

    def state(self):
        return arrays(self.statistics)


def _stack(values, sizes):
    """Shards of axis 0 along a new first axis, each filled up with zeros to the largest; None stays None."""
    if values is None:
        return None
    stacked = np.zeros((len(sizes), max(sizes), *values.shape[1:]), values.dtype)
    for row, part in zip(stacked, np.split(values, np.cumsum(sizes)[:-1])):
        row[: len(part)] = part
    return stacked
