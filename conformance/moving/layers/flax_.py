"""flax.linen.BatchNorm and flax.nnx.BatchNorm."""

import flax
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

from .functional import Functional

PARAMETERS, STATISTICS = ("scale", "bias"), ("mean", "var")


class LinenLayer(Functional):
    form, variance = "flax-linen", "one-pass"
    names = {f"params/{n}": f"params/{n}" for n in PARAMETERS} | {f"state/{n}": f"batch_stats/{n}" for n in STATISTICS}

    def __init__(self, rank, channels, **arguments):
        self.layer = linen.BatchNorm(**arguments)
        made = self.layer.init(jax.random.key(0), jnp.ones((2,) * (rank - 1) + (channels,)), use_running_average=True)
        self.parameters, self.state = made.get("params", {}), made["batch_stats"]

    @staticmethod
    def version():
        return f"{flax.__version__} (jax {jax.__version__})"

    freezing = ("use_running_average=True",)

    def bare(self, x):
        variables = {"params": self.parameters, "batch_stats": self.state}
        return np.array(self.layer.apply(variables, x, mutable=["batch_stats"])[0])

    def masked(self, x, mask):
        variables = {"params": self.parameters, "batch_stats": self.state}
        mask = mask.reshape(-1, *[1] * (x.ndim - 1))
        call = {"use_running_average": False, "mask": mask, "mutable": ["batch_stats"]}
        return np.array(self.layer.apply(variables, x, **call)[0])

    def apply(self, parameters, state, x, training):
        variables = {"params": parameters, "batch_stats": state}
        y, changed = self.layer.apply(variables, x, use_running_average=not training, mutable=["batch_stats"])
        return y, changed["batch_stats"]


class NnxLayer(Functional):
    form, variance = "flax-nnx", "one-pass"
    names = {f"params/{n}": n for n in PARAMETERS} | {f"state/{n}": n for n in STATISTICS}
    version = staticmethod(LinenLayer.version)

    def __init__(self, rank, channels, num_features=None, **arguments):
        self.build = lambda: nnx.BatchNorm(channels, **arguments, rngs=nnx.Rngs(0))
        self.layer = self.build()
        values = {name: getattr(self.layer, name) for name in PARAMETERS + STATISTICS}
        there = {name: value[...] for name, value in values.items() if value is not None and value[...] is not None}
        self.parameters = {name: there[name] for name in PARAMETERS if name in there}
        self.state = {name: there[name] for name in STATISTICS}

    def apply(self, parameters, state, x, training):
        layer = self.build()  # inside the trace, whose variables it may then change
        nnx.update(layer, parameters | state)
        y = layer(x, use_running_average=not training)
        return y, {name: getattr(layer, name)[...] for name in STATISTICS}

    freezing = ("use_running_average=True", "eval()")

    def frozen_step(self, setting, x, target, rate):
        if setting == "eval()":
            self.layer.eval()
            frozen = self.layer.use_running_average
            self.layer.train()
            self.step(x, target, rate, training=not frozen)
        else:
            self.step(x, target, rate, training=False)

    def bare(self, x):
        return np.array(self.layer(x))

    def masked(self, x, mask):
        mask = mask.reshape(-1, *[1] * (x.ndim - 1))
        return np.array(self.layer(x, use_running_average=False, mask=mask))
