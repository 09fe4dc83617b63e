"""Flax nnx: `flax.nnx.BatchNorm` as shipped, and with `use_fast_variance=False`."""

from dataclasses import replace

from flax import nnx

from . import flax_linen
from .flax_linen import NAMES
from .jax_ import JaxBackend

CONVENTIONS = replace(flax_linen.CONVENTIONS, channel_axes="one")


class NnxLayer(JaxBackend):
    """`flax.nnx.BatchNorm` as shipped: variance as E[x²] - E[x]², clamped at zero."""

    conventions = CONVENTIONS
    fast_variance = True
    version = staticmethod(flax_linen.LinenLayer.version)

    @staticmethod
    def built(config):
        layer = nnx.BatchNorm(*config.channels, axis=config.channel_axes[0], rngs=nnx.Rngs(0))
        return {name: getattr(layer, own)[...] for name, own in NAMES.items()}

    @classmethod
    def apply(cls, call, numbers, parameters, statistics, x, mask):
        (axis,) = call.channel_axes
        # built inside the trace, so that eps and decay may be traced too; the initial values are replaced at once
        layer = nnx.BatchNorm(
            statistics["running_mean"].size,
            use_running_average=not call.training,
            axis=axis,
            **numbers,
            use_scale="gamma" in parameters,
            use_bias="beta" in parameters,
            axis_name=call.axis_name,
            use_fast_variance=cls.fast_variance,
            rngs=nnx.Rngs(0),
        )
        nnx.update(layer, {NAMES[name]: value for name, value in (parameters | statistics).items()})
        y = layer(x, mask=mask)
        return y, {name: getattr(layer, NAMES[name])[...] for name in statistics}


class NnxTwoPass(NnxLayer):
    """`flax.nnx.BatchNorm(use_fast_variance=False)`."""

    conventions = replace(CONVENTIONS, variance="two-pass")
    fast_variance = False
