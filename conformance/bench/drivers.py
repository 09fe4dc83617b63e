"""One small class a framework: a layer on tensors that stay with the framework, and the three operations on them.

`forward` is a training step without gradients, `step` one with dx, dgamma and dbeta, `inference` uses the running
statistics. Nothing is converted inside what is timed, and nothing is returned before the device has finished.
"""

import importlib
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
        x, dy = (rng.standard_normal(self.problem.memory_shape, np.float32).astype(dtype(self.problem.dtype)) for _ in "xy")
        return self.place(x), self.place(dy)

    def place(self, array):
        return array

    def build(self):
        self.common = {"eps": EPS, "channel_axes": self.problem.channel_axis}
        self.state = {"running_mean": np.zeros(self.problem.channels), "running_var": np.ones(self.problem.channels)}

    def timed(self, operation):
        """Seconds of one call."""
        self.turn = (self.turn + 1) % len(self.sets)
        began = perf_counter()
        self.wait(getattr(self, operation)(*self.sets[self.turn]))
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

    def step(self, x, dy):
        import bnconform

        return self.forward(x, dy), bnconform.train_backward(dy, x, self.gamma, **self.common)

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

    def step(self, x, dy):
        from bnconform import engine

        saved = self.forward(x, dy)
        return saved, engine.train_backward(dy, x, self.gamma, saved=saved, **self.common)

    def inference(self, x, dy):
        from bnconform import engine

        return engine.inference_forward(x, self.gamma, self.beta, **self.state, **self.common)


class FusedEngine(Engine):
    """The same, forward and backward in one sweep."""

    def step(self, x, dy):
        from bnconform import engine

        return engine.train_step(dy, x, self.gamma, self.beta, **self.common)


class Torch(Driver):
    """`torch.nn.BatchNorm`, gradients by autograd; channels last is the memory format. CUDA is timed by events."""

    def __init__(self, target, device, threads):
        import torch
        from bnconform.backends.torch_ import LAYERS
        from bnconform.backends.torch_arrays import place

        self.torch, self.layers, self.threads = torch, LAYERS, threads
        self.device = place(device)
        torch.set_num_threads(threads)

    def version(self):
        return self.torch.__version__

    def place(self, array):
        from bnconform.backends.torch_arrays import tensor

        placed = tensor(array, self.device)
        return (placed.movedim(-1, 1) if self.problem.layout == "last" else placed).requires_grad_()

    def build(self):
        # half types keep float32 parameters, as under autocast; float64 has them in float64
        self.layer = self.layers[len(self.problem.shape)](self.problem.channels, EPS, 1 - DECAY, device=self.device)
        if self.problem.dtype == "float64":
            self.layer.double()

    def forward(self, x, dy):
        with self.torch.no_grad():
            return self.layer.train()(x)

    def step(self, x, dy):
        y = self.layer.train()(x)
        return y, self.torch.autograd.grad(y, [x, self.layer.weight, self.layer.bias], dy.detach())

    def inference(self, x, dy):
        with self.torch.no_grad():
            return self.layer.eval()(x)

    def timed(self, operation):
        if self.device.type == "cpu":
            return super().timed(operation)
        self.turn = (self.turn + 1) % len(self.sets)
        begin, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        getattr(self, operation)(*self.sets[self.turn])
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3

    def peak(self):
        if self.device.type == "cuda":
            peak = self.torch.cuda.max_memory_allocated()
            self.torch.cuda.reset_peak_memory_stats()
            return peak


class TorchFunctional(Torch):
    """`torch.nn.functional.batch_norm`."""

    def build(self):
        super().build()
        own, batch_norm = self.layer, self.torch.nn.functional.batch_norm
        statistics = own.running_mean, own.running_var

        class Functional:
            weight, bias, training = own.weight, own.bias, True

            def train(self, mode=True):
                self.training = mode
                return self

            def eval(self):
                return self.train(False)

            def __call__(self, x):
                return batch_norm(x, *statistics, self.weight, self.bias, self.training, 1 - DECAY, EPS)

        self.layer = Functional()


class Jax(Driver):
    """Flax: the adapter's pure function, compiled by `jax.jit`, with gradients by `jax.vjp`."""

    def __init__(self, target, device, threads):
        import jax
        from bnconform.backends import jax_
        from bnconform.backends.registry import resolve

        self.jax, self.backend, self.device = jax, resolve(target), jax_.place(device)
        self.call = jax_.Call

    def version(self):
        return self.backend.version()

    def place(self, array):
        return self.jax.device_put(array, self.device)

    def build(self):
        width = np.float64 if self.problem.dtype == "float64" else np.float32
        self.parameters = {"gamma": self.place(self.gamma.astype(width)), "beta": self.place(self.beta.astype(width))}
        zero, one = np.zeros(self.problem.channels, width), np.ones(self.problem.channels, width)
        self.statistics = {"running_mean": self.place(zero), "running_var": self.place(one)}
        axes = (self.problem.channel_axis,)
        apply = {mode: self.call(self.backend, axes, mode) for mode in (True, False)}
        run = lambda mode, p, s, x: apply[mode]((EPS, DECAY), p, s, x, None)
        self._forward, self._inference = (self.jax.jit(lambda p, s, x, mode=mode: run(mode, p, s, x)) for mode in (True, False))

        def step(p, s, x, dy):
            y, pull, changed = self.jax.vjp(lambda p, x: run(True, p, s, x), p, x, has_aux=True)
            return y, changed, pull(dy.astype(y.dtype))

        self._step = self.jax.jit(step)

    def forward(self, x, dy):
        return self._forward(self.parameters, self.statistics, x)

    def step(self, x, dy):
        return self._step(self.parameters, self.statistics, x, dy)

    def inference(self, x, dy):
        return self._inference(self.parameters, self.statistics, x)

    def wait(self, result):
        self.jax.block_until_ready(result)

    def peak(self):
        counts = self.device.memory_stats() if self.device.platform == "gpu" else None
        return counts and counts.get("peak_bytes_in_use")


class Keras(Driver):
    """`keras.layers.BatchNormalization` on the engine that KERAS_BACKEND names; on TensorFlow inside `tf.function`."""

    def __init__(self, target, device, threads):
        import keras
        from bnconform.backends import keras_

        self.keras, self.engine, self.backend = keras, keras_.engine, keras_.KerasLayer
        self.name, self.scope, self.at = keras.backend.backend(), f"{device}:0", keras_.engine.place(device)
        if self.name == "tensorflow" and device == "gpu":
            raise Unsupported("TensorFlow gives no way to wait for a device without copying the result")
        if self.name == "torch":
            importlib.import_module("torch").set_num_threads(threads)

    def version(self):
        return self.backend.version()

    def place(self, array):
        return self.engine.tensor(array, self.at)

    def build(self):
        policy = self.problem.dtype if self.problem.dtype in ("float32", "float64") else f"mixed_{self.problem.dtype}"
        with self.keras.device(self.scope):
            self.layer = self.keras.layers.BatchNormalization(self.problem.channel_axis, DECAY, EPS, dtype=policy)
            self.layer.build(self.problem.memory_shape)
        self.run = lambda x, training, dy: self.engine.step(self.layer, x, None, training, dy)
        if self.name == "tensorflow":
            self.run = importlib.import_module("tensorflow").function(self.run)

    def forward(self, x, dy):
        return self.run(x, True, None)

    def step(self, x, dy):
        return self.run(x, True, dy)

    def inference(self, x, dy):
        return self.run(x, False, None)

    def wait(self, result):
        if self.name == "jax":
            importlib.import_module("jax").block_until_ready(result)
        elif self.name == "torch" and self.scope.startswith("gpu"):
            importlib.import_module("torch").cuda.synchronize()


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
        config = Config(problem.memory_shape, (problem.channel_axis,), EPS, DECAY, problem.dtype, width, width, self.device)
        rows = (self.gamma, self.beta, np.zeros(problem.channels), np.ones(problem.channels))
        self.layer = self.backend(config, *(row.astype(width) for row in rows))

    def forward(self, x, dy):
        return self.layer.train(x, None)

    def step(self, x, dy):
        return self.layer.train(x, dy)

    def inference(self, x, dy):
        return self.layer.infer(x, None)


OWN = {"numpy": Readable, "numpy-engine": Engine, "numpy-engine-fused": FusedEngine}
FRAMEWORKS = {"torch_": Torch, "keras_": Keras, "flax_linen": Jax, "flax_nnx": Jax}


def driver(name, device, threads) -> Driver:
    """The driver of an implementation, in a process of its own. Errors: NoGpu, NotInstalled, UnknownImplementation."""
    if name in OWN:
        return OWN[name](name, device, threads)
    found = entry(name)
    found.load()
    cls = FRAMEWORKS.get(found.target.split(":")[0].removeprefix("bnconform.backends."), Adapter)
    cls = TorchFunctional if name == "torch-functional" else cls
    return cls(found.target if cls is not Adapter else name, device, threads)
