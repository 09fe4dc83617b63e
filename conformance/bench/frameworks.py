"""The frameworks' drivers: their own layers on their own tensors, waited for as each framework waits."""

import importlib

import numpy as np

from .drivers import DECAY, EPS, Driver, Unsupported


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
