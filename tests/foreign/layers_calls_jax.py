"""Wrong calls of JAX, Flax and Keras. What the frameworks do differently is in `backends/known`, under the name in KNOWN."""

import os
from dataclasses import replace

os.environ.setdefault("KERAS_BACKEND", "torch")

import jax
from foreign.labels import LEFT_OUT, both, label
from jax import numpy as jnp

from bnconform.backends.flax_linen import LinenLayer, LinenTwoPass
from bnconform.backends.keras_ import KerasLayer

FEW = ("dense", "ncl", "offset")  # a compilation for each shape: three problems are enough


class _ByHand(LinenTwoPass):
    """The layer in `jax.numpy`, with the adapter's gradients; statistics of several channel axes alike."""

    PROBLEMS = FEW
    conventions = replace(
        LinenTwoPass.conventions,
        y_dtype="x",
        cannot=LinenTwoPass.conventions.cannot | {"mask": "no masks", "synchronized": "one device"},
    )

    @staticmethod
    def moments(x, axes):
        return x.mean(axes, keepdims=True), x.var(axes, keepdims=True)

    @staticmethod
    def root(var, eps):
        return jax.lax.rsqrt(var + eps)

    @classmethod
    def apply(cls, call, numbers, parameters, statistics, x, mask):
        wide = [n if a in call.channel_axes else 1 for a, n in enumerate(x.shape)]
        axes = tuple(a for a in range(x.ndim) if a not in call.channel_axes)
        kind = x.dtype if x.dtype == jnp.float64 else jnp.float32
        work = x.astype(kind)
        mean, var = (statistics[name].reshape(wide).astype(kind) for name in ("running_mean", "running_var"))
        changed = statistics
        if call.training and x.size:
            mean, var = cls.moments(work, axes)
            changed = {
                name: (numbers["momentum"] * old + (1 - numbers["momentum"]) * new.reshape(old.shape)).astype(old.dtype)
                for (name, old), new in zip(statistics.items(), (mean, var))
            }
        y = (work - mean) * cls.root(var, numbers["epsilon"])
        y = y * parameters["gamma"].reshape(wide) if "gamma" in parameters else y
        y = y + parameters["beta"].reshape(wide) if "beta" in parameters else y
        return y.astype(x.dtype), changed


class VarianceStopped(_ByHand):
    LABEL = label(
        "dx mean_dy_x_hat variance",
        "stop_gradient stands around the variance: dx lacks its x_hat term",
        [
            both(
                r"(x_hat|variance|second term)",
                rf"({LEFT_OUT}|constant|stop|detach)",
                "(dx|mean_dy|gradient|backward|derivative)",
            )
        ],
        when="training",
        condition="training and has_dy and m > 1",
        reject=[r"mean\(dy\) (is )?(left out|missing)", r"\bboth\b|mask|blend|dgamma|inference"],
    )

    @staticmethod
    def moments(x, axes):
        return x.mean(axes, keepdims=True), jax.lax.stop_gradient(x.var(axes, keepdims=True))


class MeanStopped(_ByHand):
    LABEL = label(
        "dx mean_dy mean",
        "stop_gradient stands around the mean: dx lacks mean(dy)",
        [
            both(
                r"(mean_dy\b|mean\(dy\)|\bmean\b)",
                rf"({LEFT_OUT}|constant|stop|detach)",
                "(dx|mean_dy|gradient|backward|derivative)",
            )
        ],
        when="training",
        condition="training and has_dy and m > 0",
        reject=[r"x_hat|\bboth\b|mask|blend|dgamma|inference|variance"],
    )

    @staticmethod
    def moments(x, axes):
        mean = jax.lax.stop_gradient(x.mean(axes, keepdims=True))
        return mean, jnp.square(x - mean).mean(axes, keepdims=True)


class SaferRoot(_ByHand):
    LABEL = label(
        "eps variance root",
        "eps is added under a root that is taken twice: 1/sqrt(sqrt(var² + eps))",
        [
            r"var(iance)? ?(²|\^2|\*\*2)|variance (is )?squared|square of the variance|sqrt\(sqrt|fourth root|root of (the|a) root|root.*twice|twice.*root|[-−]?0?\.25\b|1/4"
        ],
    )

    @staticmethod
    def root(var, eps):
        return (jnp.square(var) + eps) ** -0.25


class FastVarianceDeclaredSlow(LinenLayer):
    KNOWN = "flax-linen-two-pass"
    PROBLEMS = ("dense", "offset")
    conventions = LinenTwoPass.conventions
    LABEL = label(
        "variance",
        "use_fast_variance is left at its default: E[x²] - E[x]², clamped at 0, where two passes are declared",
        [r"E\[x", r"one.?pass", r"cancel", r"mean of (the )?squares", r"difference of (the )?moments", "fast"],
        when="training, seen where the mean is large beside the deviation",
    )


class KerasWithoutTraining(KerasLayer):
    KNOWN = "keras-torch"
    PROBLEMS = ("dense", "images last")
    LABEL = label(
        "mean variance x_hat y",
        "the layer is called without training=True: running statistics normalize, and stay as they were",
        [
            both(
                r"(mean|variance|statistic\w*|x_hat|normaliz\w*)\b[^;.]{0,60}\b(running|moving|frozen|inference's|inference statistics|another mode|other mode)",
                r"(used|place|taken|swapped|normaliz|instead|replac|mode|read|computed from|\bis running)",
            ),
            r"running (statistics|values|mean)[^;.]{0,30}normaliz",
            r"normaliz\w* (by|with) (the )?running",
        ],
        reject=[r"in inference|, inference|blended|stored|after the update|m ?/ ?\(m|bits|\bN\b|channels"],
        when="training",
        condition="training and m > 0",
    )

    def train(self, x, dy):
        return self.infer(x, dy)


class KerasWeightsOutOfOrder(KerasLayer):
    KNOWN = "keras-torch"
    PROBLEMS = ("dense", "images last", "scale only")
    LABEL = label(
        "gamma beta",
        "weights are set in the order beta, gamma",
        [
            both(
                "gamma", "beta", r"(swap|exchang|change places|interchang|in place of|taken for|each other|mixed|order)"
            )
        ],
        when="with gamma and beta",
        condition="affine == 'gamma beta'",
    )

    def __init__(self, config, gamma, beta, running_mean, running_var):
        both_there = gamma is not None and beta is not None
        super().__init__(config, *((beta, gamma) if both_there else (gamma, beta)), running_mean, running_var)
