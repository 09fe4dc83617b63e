"""One small class an implementation: a layer on tensors that stay where they are, and the four operations on them.

`forward` is a training step without gradients, `step` one with dx, dgamma and dbeta, `backward` the second half of a
step alone, `inference` uses the running statistics. Nothing is converted inside what is timed, and nothing is returned
before the device has finished.
"""

from functools import partial
from time import perf_counter

import numpy as np

from bnconform.backends.errors import NoGpu
from bnconform.backends.registry import entry
from bnconform.dtypes import dtype

EPS, DECAY = 1e-5, 0.9


class Unsupported(Exception):
    """The framework cannot do this problem; the text says why."""


class Driver:
    """Where the tensors are NumPy's. `copies` sets of inputs are taken in turn, so that none is found in cache."""

    def __init__(self, target, device, threads):
        if device == "gpu":
            raise NoGpu(f"{target or 'NumPy'} computes on the CPU")
        self.target, self.threads = target, threads

    def version(self):
        return np.__version__

    def prepare(self, problem, copies=1):
        """Make the layer and the tensors. Errors: Unsupported."""
        rng = np.random.default_rng(0)
        self.problem, self.turn = problem, 0
        self.gamma, self.beta = rng.uniform(0.5, 1.5, problem.channels), rng.uniform(-1, 1, problem.channels)
        self.sets = [self._set(rng) for _ in range(copies)]
        self.build()

    def _set(self, rng):
        x, dy = (
            rng.standard_normal(self.problem.memory_shape, np.float32).astype(dtype(self.problem.dtype)) for _ in "xy"
        )
        return self.place(x), self.place(dy)

    def place(self, array):
        return array

    def build(self):
        self.common = {"eps": EPS, "channel_axes": self.problem.channel_axis}
        self.state = {"running_mean": np.zeros(self.problem.channels), "running_var": np.ones(self.problem.channels)}

    def call(self, operation):
        """The operation on the next set of inputs, ready to be called; what a backward starts from is there already."""
        self.turn = (self.turn + 1) % len(self.sets)
        inputs = self.sets[self.turn]
        if operation == "backward":
            kept = self.keep(*inputs)
            self.wait(kept)
            return partial(self.backward, kept, *inputs)
        return partial(getattr(self, operation), *inputs)

    def keep(self, x, dy):
        """What a forward leaves for the backward."""
        return self.forward(x, dy)

    def step(self, x, dy):
        """Both halves, one after the other; a driver overrides it where its framework does both at once."""
        kept = self.keep(x, dy)
        return kept, self.backward(kept, x, dy)

    def timed(self, operation):
        """Seconds of one call."""
        call = self.call(operation)
        began = perf_counter()
        self.wait(call())
        return perf_counter() - began

    def wait(self, result):
        """Return when `result` is there."""

    def peak(self):
        """The device's count of the most bytes in use so far since the last call, or None on the CPU."""


class Readable(Driver):
    """The definition itself: float64 out, whatever goes in."""

    def forward(self, x, dy):
        import bnconform

        return bnconform.train_forward(x, self.gamma, self.beta, **self.common)

    def backward(self, kept, x, dy):
        import bnconform

        return bnconform.train_backward(dy, x, self.gamma, **self.common)

    def inference(self, x, dy):
        import bnconform

        return bnconform.inference_forward(x, self.gamma, self.beta, **self.state, **self.common)


class Engine(Driver):
    """The tiled engine; the output has the input's type. Forward and backward are two calls."""

    def build(self):
        super().build()
        self.common |= {"out_dtype": self.problem.dtype, "threads": self.threads}

    def forward(self, x, dy):
        from bnconform import engine

        return engine.train_forward(x, self.gamma, self.beta, **self.common)

    def backward(self, kept, x, dy):
        from bnconform import engine

        return engine.train_backward(dy, x, self.gamma, saved=kept, **self.common)

    def inference(self, x, dy):
        from bnconform import engine

        return engine.inference_forward(x, self.gamma, self.beta, **self.state, **self.common)


class FusedEngine(Engine):
    """The same, forward and backward in one sweep."""

    def step(self, x, dy):
        from bnconform import engine

        return engine.train_step(dy, x, self.gamma, self.beta, **self.common)


class Adapter(Driver):
    """Any other implementation, through its adapter: conversion from and to NumPy is part of the time."""

    def __init__(self, target, device, threads):
        self.backend, self.device = entry(target).load(), device

    def version(self):
        return self.backend.version() if hasattr(self.backend, "version") else "unknown"

    def build(self):
        from bnconform.backends.contract import Config

        problem = self.problem
        width = "float64" if problem.dtype == "float64" else "float32"
        config = Config(
            problem.memory_shape, (problem.channel_axis,), EPS, DECAY, problem.dtype, width, width, self.device
        )
        rows = (self.gamma, self.beta, np.zeros(problem.channels), np.ones(problem.channels))
        self.layer = self.backend(config, *(row.astype(width) for row in rows))

    def forward(self, x, dy):
        return self.layer.train(x, None)

    def keep(self, x, dy):
        raise Unsupported("an adapter has no backward of its own")

    def step(self, x, dy):
        return self.layer.train(x, dy)

    def inference(self, x, dy):
        return self.layer.infer(x, None)


OWN = {"numpy": Readable, "numpy-engine": Engine, "numpy-engine-fused": FusedEngine}
