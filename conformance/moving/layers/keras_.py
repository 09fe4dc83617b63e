"""keras.layers.BatchNormalization, on the backend that KERAS_BACKEND names."""

from importlib import metadata

import keras
import numpy as np

from ..objects import from_keras


def _loss(target, y):
    m = keras.ops.cast(keras.ops.size(y) // keras.ops.shape(y)[-1], "float32")
    return 0.5 * keras.ops.sum(keras.ops.square(y - target)) / m


class KerasLayer:
    form, first, ranks = "keras", False, (2, 3, 4, 5)
    variance = "one-pass" if keras.backend.backend() == "torch" else "two-pass"

    def __init__(self, rank, channels, **arguments):
        self.layer = keras.layers.BatchNormalization(**arguments)
        x = keras.Input((*[None] * (rank - 2), channels))
        self.model = keras.Model(x, self.layer(x))
        # fit and train_on_batch of a functional model override what its layers were called with
        self.fixed = keras.Model(x, self.layer(x, training=False))
        self.rate = None

    @staticmethod
    def version():
        engine = keras.backend.backend()
        package = "tensorflow-cpu" if engine == "tensorflow" else engine
        try:
            return f"{keras.__version__} ({engine} {metadata.version(package)})"
        except metadata.PackageNotFoundError:
            return f"{keras.__version__} ({engine})"

    def load(self, arrays):
        for variable in self.layer.weights:
            variable.assign(arrays[variable.name])

    def arrays(self):
        return {path.rpartition("/")[2]: value for path, value in from_keras(self.layer).arrays.items()}

    def infer(self, x):
        return np.array(keras.ops.convert_to_numpy(self.layer(x, training=False)))

    def train(self, x):
        return np.array(keras.ops.convert_to_numpy(self.layer(x, training=True)))

    def bare(self, x):
        return np.array(keras.ops.convert_to_numpy(self.layer(x)))

    freezing = ("trainable = False", "training=False")

    def frozen_step(self, setting, x, target, rate):
        self.layer.trainable = setting != "trainable = False"
        self.fixed.compile(keras.optimizers.SGD(rate), _loss)
        self.model.compile(keras.optimizers.SGD(rate), _loss)
        (self.fixed if setting == "training=False" else self.model).train_on_batch(x, target)

    def masked(self, x, mask):
        return np.array(keras.ops.convert_to_numpy(self.layer(x, training=True, mask=mask)))

    def counts(self):
        of = lambda weights: sum(int(np.prod(w.shape)) for w in weights)
        trainable = {"trainable_weights": of(self.layer.trainable_weights)}
        return {"count_params()": self.layer.count_params()} | trainable

    def step(self, x, target, rate):
        if self.rate != rate:
            self.model.compile(keras.optimizers.SGD(rate), _loss)
            self.rate = rate
        self.model.train_on_batch(x, target)
