"""tinygrad.nn.BatchNorm, on its own Python device where no compiler is set (DEV)."""

from importlib import metadata

import numpy as np
from tinygrad import Tensor, nn
from tinygrad.helpers import Context
from tinygrad.nn.state import get_parameters, get_state_dict


class TinygradLayer:
    form, first, variance, ranks = "tinygrad", True, "two-pass", (2, 3, 4, 5)

    def __init__(self, rank, channels, sz=None, **arguments):
        self.layer = nn.BatchNorm(channels, **arguments)

    @staticmethod
    def version():
        return metadata.version("tinygrad")

    def load(self, arrays):
        for name, tensor in get_state_dict(self.layer).items():
            tensor.assign(Tensor(np.asarray(arrays[name]), dtype=tensor.dtype)).realize()

    def arrays(self):
        return {name: np.array(tensor.numpy()) for name, tensor in get_state_dict(self.layer).items()}

    def infer(self, x):
        with Context(TRAINING=0):
            return self.layer(Tensor(x)).numpy()

    def train(self, x):
        with Context(TRAINING=1):
            return self.layer(Tensor(x)).numpy()

    def bare(self, x):
        return self.layer(Tensor(x)).numpy()

    freezing = ("Context(TRAINING=0)",)

    def frozen_step(self, setting, x, target, rate):
        self.step(x, target, rate, training=0)

    def counts(self):
        of = lambda values: sum(int(np.prod(value.shape)) for value in values)
        return {"get_parameters()": of(get_parameters(self.layer)), "state": of(get_state_dict(self.layer).values())}

    def step(self, x, target, rate, training=1):
        optimizer = nn.optim.SGD([self.layer.weight, self.layer.bias], lr=rate)
        with Context(TRAINING=training):
            y = self.layer(Tensor(x))
            loss = ((y - Tensor(target)) ** 2).sum() * (0.5 * x.shape[1] / x.size)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        Tensor.realize(*get_state_dict(self.layer).values())
