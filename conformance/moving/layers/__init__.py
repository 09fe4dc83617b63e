"""The frameworks' own BN layers, each built by its public constructor with arguments in the user's words.

A layer class offers, beside the class attributes `form`, `first` (channels on axis 1; otherwise the last axis),
`variance` (how it is computed, for the allowance) and `ranks`:

    Layer(rank, channels, **arguments)       what a user writes; no arguments: the framework's defaults
    load(arrays), arrays()                   parameters and state by the form's names, layer path ""
    infer(x), train(x)                       y; training moves the state
    step(x, target, rate)                    one step of the framework's own SGD on sum((y - target)²)/(2 m); moves both
    bare(x)                                  y of a call that says nothing of the mode; absent where there is none
    freezing, frozen_step(setting, ...)      what a user sets to freeze a layer, and a training step with it set
    masked(x, mask)                          y in training with a boolean mask of shape (N,); absent where there is none
    counts()                                 how many numbers the framework counts, by what counts them

Arrays are NumPy float32 in the framework's own layout.
"""

import importlib
import importlib.util
import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Home:
    """Where a layer class is: module:Class; what must be installed; what the environment must say."""

    target: str
    needs: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()

    def missing(self) -> tuple[str, ...]:
        return tuple(name for name in self.needs if importlib.util.find_spec(name) is None)

    def load(self) -> type:
        """The class; the environment is set first, for Keras' backend is one a process."""
        os.environ.update(self.environment)
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        module, _, name = self.target.partition(":")
        return getattr(importlib.import_module(f".{module}", __package__), name)


def _keras(engine, module):
    return Home("keras_:KerasLayer", ("keras", module, "h5py"), (("KERAS_BACKEND", engine),))


HOMES = {
    "core": Home("core:CoreLayer", ()),
    "torch": Home("torch_:TorchLayer", ("torch",)),
    "keras-tensorflow": _keras("tensorflow", "tensorflow"),
    "keras-jax": _keras("jax", "jax"),
    "keras-torch": _keras("torch", "torch"),
    "flax-linen": Home("flax_:LinenLayer", ("flax", "jax", "optax")),
    "flax-nnx": Home("flax_:NnxLayer", ("flax", "jax", "optax")),
    "onnx": Home("onnx_:OnnxLayer", ("onnx", "onnxruntime")),
    "equinox": Home("jax_:EquinoxLayer", ("equinox", "jax", "optax")),
    "haiku": Home("jax_:HaikuLayer", ("haiku", "jax", "optax")),
    "mlx": Home("mlx_:MlxLayer", ("mlx",)),
    "paddle": Home("paddle_:PaddleLayer", ("paddle",)),
    "tinygrad": Home("tinygrad_:TinygradLayer", ("tinygrad",), (("DEV", os.environ.get("DEV", "PYTHON")),)),
}
