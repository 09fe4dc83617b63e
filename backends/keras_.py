"""Keras 3: `keras.layers.BatchNormalization`, on whichever backend KERAS_BACKEND names.

One class for all: the layer is Keras' own, and an engine module for each backend brings its tensors and its automatic
differentiation. An engine offers `version`, `place`, `settings`, `tensor`, `array`, `arrays` (of what is there), and

    step(layer, x, mask, training, dy)                -> y, [dx, a gradient for each parameter]; moves the layer's state
    jvp(layer, training, primals, tangents)           -> y_dot                                   leaves it alone
    double_backward(layer, training, primals, dy, cotangents)
                                                      -> [d2x, one for each parameter, d2dy]     leaves it alone
    timed(layer, operation, x, dy)                    -> what the contract's `timed` gives

with primals = [x, *parameters].
"""

import inspect
from dataclasses import replace
from importlib import import_module

import keras
import numpy as np

from .contract import Conventions

engine = import_module(f".keras_{keras.backend.backend()}", __package__)

NO_RENORM = {"renorm": "this version of Keras has no batch renormalization"}
HAS_RENORM = "renorm" in inspect.signature(keras.layers.BatchNormalization).parameters

CONVENTIONS = Conventions(
    running_ddof=0,
    decay_name="momentum",
    decay_meaning="old",
    default_eps=1e-3,
    default_decay=0.99,
    reduction="sequential",
    channel_axes="one",
    offers=("as-built",),
    ranks=(2, 3, 4, 5, 6),
    devices=("cpu", "gpu"),
    state_names=("moving_mean", "moving_variance"),
    cannot={
        "params:narrow": "Keras' variables have x's type, or float32 beside half x",
        "state:mixed": "Keras keeps the moving statistics in the type of its other variables",
        "decay:cumulative": "Keras has only the exponential average",
        "synchronized": (
            "synchronized=True works on TensorFlow alone, over the replicas of a tf.distribute strategy, "
            "which share batches out evenly"
        ),
        "folding": "Keras has no function that folds the layer into a preceding one",
        "population": "Keras has only the exponential average, no population statistics",
    }
    | ({} if HAS_RENORM else NO_RENORM),
)


class KerasLayer:
    """`keras.layers.BatchNormalization` with its weights set by `Variable.assign`."""

    conventions = replace(CONVENTIONS, **engine.CONVENTIONS)

    @staticmethod
    def compiling() -> float:
        return engine.compiling() if hasattr(engine, "compiling") else 0.0

    @staticmethod
    def settings(device: str) -> dict:
        return engine.settings(device)

    @staticmethod
    def version() -> str:
        return f"{keras.__version__} ({engine.version()})"

    def __init__(self, config, gamma, beta, running_mean, running_var):
        self.config, self.device = config, engine.place(config.device)
        self.scope = f"{config.device}:0"
        affine = {"dgamma": gamma, "dbeta": beta}
        self.names = [name for name, value in affine.items() if value is not None or config.as_built]
        given = [value for value in (gamma, beta, running_mean, running_var) if value is not None]
        self.layer = self._build(given)

    def _build(self, weights, **options):
        """A layer for the configuration, with `weights` in the order gamma, beta, moving statistics, others."""
        config = self.config
        policy = config.x_dtype if config.param_dtype == config.x_dtype else f"mixed_{config.x_dtype}"
        with keras.device(self.scope):
            layer = keras.layers.BatchNormalization(
                axis=config.channel_axes[0],
                scale="dgamma" in self.names,
                center="dbeta" in self.names,
                dtype=policy,
                **({} if config.defaults else {"momentum": config.decay, "epsilon": config.eps}),
                **options,
            )
            layer.build(config.shape)
            # copies, because a backend may keep the memory it is given; weights that are not given stay as they were
            # built
            for variable, value in zip(layer.weights, weights):
                variable.assign(np.array(value))
        return layer

    def train(self, x, dy):
        return self._step(self.layer, x, dy, True)

    def infer(self, x, dy):
        return self._step(self.layer, x, dy, False)

    def train_masked(self, x, dy, mask):
        """Keras' mask has no channel axis: one value a position, the channels being last."""
        return self._step(self.layer, x, dy, True, mask[..., 0] if mask.shape[-1] == 1 else mask)

    def train_renorm(self, x, dy, r_max, d_max):
        """A layer with `renorm=True`, whose statistics start from those of the plain one, and end in them.

        Keras keeps the standard deviation, eps included, beside the variance.
        """
        weights = _arrays(self.layer.weights)
        deviation = np.sqrt(weights[-1] + weights[-1].dtype.type(self.config.eps))
        renormalizing = self._build(
            [*weights, deviation, weights[-2], deviation],
            renorm=True,
            renorm_clipping={"rmax": r_max, "rmin": 1.0 / r_max, "dmax": d_max},
            renorm_momentum=self.config.decay,
        )
        out = self._step(renormalizing, x, dy, True)
        self.layer.set_weights(_arrays(renormalizing.weights)[: len(weights)])
        return out

    def _step(self, layer, x, dy, training, mask=None):
        with keras.device(self.scope):
            x, mask, dy = (self._tensor(value) for value in (x, mask, dy))
            y, gradients = engine.step(layer, x, mask, training, dy)
        found = {"y": y} | dict(zip(["dx", *self.names], gradients))
        return engine.arrays(found)

    def timed(self, operation, x, dy):
        with keras.device(self.scope):
            return engine.timed(self.layer, operation, self._tensor(x), self._tensor(dy))

    def jvp(self, mode, x, *tangents):
        with keras.device(self.scope):
            y_dot = engine.jvp(self.layer, mode == "train", self._primals(x), self._present(tangents))
            return {"y_dot": engine.array(y_dot)}

    def double_backward(self, mode, x, dy, *cotangents):
        with keras.device(self.scope):
            primals, dy, cotangents = self._primals(x), self._tensor(dy), self._present(cotangents)
            found = engine.double_backward(self.layer, mode == "train", primals, dy, cotangents)
        names = ["d2x", *(name.replace("d", "d2", 1) for name in self.names), "d2dy"]
        return engine.arrays(dict(zip(names, found)))

    def _tensor(self, value):
        return value if value is None else engine.tensor(value, self.device)

    def _present(self, values):
        return [self._tensor(value) for value in values if value is not None]

    def _primals(self, x):
        return [self._tensor(x), *(variable.value for variable in self.layer.trainable_variables)]

    def state(self):
        return {
            "running_mean": engine.array(self.layer.moving_mean.value),
            "running_var": engine.array(self.layer.moving_variance.value),
        }


def _arrays(variables):
    return [engine.array(variable.value) for variable in variables]
