"""Flax linen: `flax.linen.BatchNorm` as shipped, and with `use_fast_variance=False`."""

from dataclasses import replace

import flax
import jax
from flax import linen

from .contract import Conventions
from .jax_ import REDUCTION_NOTE, JaxBackend

NAMES = {"gamma": "scale", "beta": "bias", "running_mean": "mean", "running_var": "var"}

CONVENTIONS = Conventions(
    running_ddof=0,
    decay_name="momentum",
    decay_meaning="old",
    default_eps=1e-5,
    default_decay=0.99,
    variance="one-pass-clamped",
    reduction="sequential",
    notes=REDUCTION_NOTE,
    y_dtype="promoted",
    channel_axes="any",
    offers=("as-built",),
    ranks=(2, 3, 4, 5, 6),
    devices=("cpu", "gpu"),
    state_names=("mean", "var"),
    cannot={
        "axis:unsorted": "Flax sorts the channel axes: parameters always come in the order of x's axes",
        "decay:cumulative": "Flax has only the exponential average",
        "renorm": "Flax has no batch renormalization",
        "folding": "Flax has no function that folds the layer into a preceding one",
        "population": "Flax has only the exponential average, no population statistics",
    },
)


class LinenLayer(JaxBackend):
    """`flax.linen.BatchNorm` as shipped: variance as E[x²] - E[x]², clamped at zero."""

    conventions = CONVENTIONS
    fast_variance = True

    @staticmethod
    def version() -> str:
        return f"{flax.__version__} (jax {jax.__version__})"

    @staticmethod
    def built(config):
        layer = linen.BatchNorm(use_running_average=False, axis=config.channel_axes)
        variables = layer.init(jax.random.key(0), jax.numpy.zeros(config.shape))
        held = variables["params"] | variables["batch_stats"]
        return {name: held[own] for name, own in NAMES.items()}

    @classmethod
    def apply(cls, call, numbers, parameters, statistics, x, mask):
        layer = linen.BatchNorm(
            use_running_average=not call.training,
            axis=call.channel_axes,
            **numbers,
            use_scale="gamma" in parameters,
            use_bias="beta" in parameters,
            axis_name=call.axis_name,
            use_fast_variance=cls.fast_variance,
        )
        variables = {
            "params": {NAMES[name]: value for name, value in parameters.items()},
            "batch_stats": {NAMES[name]: value for name, value in statistics.items()},
        }
        y, changed = layer.apply(variables, x, mask=mask, mutable=["batch_stats"])
        return y, {name: changed["batch_stats"][NAMES[name]] for name in statistics}


class LinenTwoPass(LinenLayer):
    """`flax.linen.BatchNorm(use_fast_variance=False)`."""

    conventions = replace(CONVENTIONS, variance="two-pass")
    fast_variance = False
