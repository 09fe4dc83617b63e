"""mlx.nn.BatchNorm: ranks 2 to 4, channels last."""

from importlib import metadata

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np


class MlxLayer:
    form, first, variance, ranks = "mlx", False, "two-pass", (2, 3, 4)

    def __init__(self, rank, channels, num_features=None, **arguments):
        self.layer = nn.BatchNorm(channels, **arguments)

    @staticmethod
    def version():
        return metadata.version("mlx")

    def load(self, arrays):
        self.layer.update({name: mx.array(value) for name, value in arrays.items()})

    def arrays(self):
        return {name: np.array(value) for name, value in self.layer.parameters().items()}

    def infer(self, x):
        self.layer.eval()
        return np.array(self.layer(mx.array(x)))

    def train(self, x):
        self.layer.train()
        return np.array(self.layer(mx.array(x)))

    def bare(self, x):
        return np.array(self.layer(mx.array(x)))

    freezing = ("eval()", "freeze()", "eval() and freeze()")

    def frozen_step(self, setting, x, target, rate):
        if "freeze" in setting:
            self.layer.freeze()
        self.step(x, target, rate, training="eval" not in setting)

    def counts(self):
        of = lambda tree: sum(value.size for value in tree.values())
        return {"parameters()": of(self.layer.parameters()), "trainable": of(self.layer.trainable_parameters())}

    def step(self, x, target, rate, training=True):
        self.layer.train(training)
        if not self.layer.trainable_parameters():
            mx.eval(self.layer(mx.array(x)), self.layer.parameters())
            return

        def loss(layer, x, target):
            y = layer(x)
            return 0.5 * mx.sum((y - target) ** 2) * (y.shape[-1] / y.size)

        _, gradients = nn.value_and_grad(self.layer, loss)(self.layer, mx.array(x), mx.array(target))
        optim.SGD(learning_rate=rate).update(self.layer, gradients)
        mx.eval(self.layer.parameters())
