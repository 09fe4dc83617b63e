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

    def keep(self, x, dy):
        return self.layer.train()(x)

    def backward(self, y, x, dy):
        return self.torch.autograd.grad(y, [x, self.layer.weight, self.layer.bias], dy.detach())

    def inference(self, x, dy):
        with self.torch.no_grad():
            return self.layer.eval()(x)

    def timed(self, operation):
        if self.device.type == "cpu":
            return super().timed(operation)
        call = self.call(operation)
        begin, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        call()
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


def _differentiated(jax, function):
    """Of function(state, parameters, x) -> (y, new state), compiled: a step with gradients, its first half and its
    second.

    What goes from one half to the other is what JAX keeps for the pull-back.
    """

    def keep(state, *primals):
        return jax.vjp(lambda *primals: function(state, *primals), *primals, has_aux=True)

    def backward(kept, dy):
        y, pull, _ = kept
        return pull(dy.astype(y.dtype))

    def step(*primals_and_dy):
        kept = keep(*primals_and_dy[:-1])
        return kept[0], kept[2], backward(kept, primals_and_dy[-1])

    return jax.jit(step), jax.jit(keep), jax.jit(backward)


class Jax(Driver):
    """Flax: the adapter's pure function, compiled by `jax.jit`, with gradients by `jax.vjp`."""

    def __init__(self, target, device, threads):
        import jax

        from bnconform.backends import jax_
        from bnconform.backends.registry import resolve

        self.jax, self.backend, self.device = jax, resolve(target), jax_.place(device)
        self.pure = jax_.Call

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
        apply = {mode: self.pure(self.backend, axes, mode) for mode in (True, False)}
        run = lambda mode, p, s, x: apply[mode]({"epsilon": EPS, "momentum": DECAY}, p, s, x, None)
        self._forward, self._inference = (
            self.jax.jit(lambda p, s, x, mode=mode: run(mode, p, s, x)) for mode in (True, False)
        )

        self._step, self._keep, self._backward = _differentiated(self.jax, lambda s, p, x: run(True, p, s, x))

    def forward(self, x, dy):
        return self._forward(self.parameters, self.statistics, x)

    def keep(self, x, dy):
        return self._keep(self.statistics, self.parameters, x)

    def backward(self, kept, x, dy):
        return self._backward(kept, dy)

    def step(self, x, dy):
        return self._step(self.statistics, self.parameters, x, dy)

    def inference(self, x, dy):
        return self._inference(self.parameters, self.statistics, x)

    def wait(self, result):
        self.jax.block_until_ready(result)

    def peak(self):
        counts = self.device.memory_stats() if self.device.platform == "gpu" else None
        return counts and counts.get("peak_bytes_in_use")


class Keras(Driver):
    """`keras.layers.BatchNormalization` on the engine that KERAS_BACKEND names; a class for each below."""

    def __init__(self, target, device, threads):
        import keras

        from bnconform.backends import keras_

        self.keras, self.engine, self.backend = keras, keras_.engine, keras_.KerasLayer
        self.framework = importlib.import_module(keras.backend.backend())
        self.scope, self.at = f"{device}:0", keras_.engine.place(device)

    def version(self):
        return self.backend.version()

    def place(self, array):
        return self.engine.tensor(array, self.at)

    def build(self):
        policy = self.problem.dtype if self.problem.dtype in ("float32", "float64") else f"mixed_{self.problem.dtype}"
        with self.keras.device(self.scope):
            self.layer = self.keras.layers.BatchNormalization(self.problem.channel_axis, DECAY, EPS, dtype=policy)
            self.layer.build(self.problem.memory_shape)

    def variables(self):
        return [variable.value for variable in self.layer.trainable_variables]

    def run(self, x, training, dy):
        return self.engine.step(self.layer, x, None, training, dy)

    def forward(self, x, dy):
        return self.run(x, True, None)

    def step(self, x, dy):
        return self.run(x, True, dy)

    def inference(self, x, dy):
        return self.run(x, False, None)


class KerasTorch(Keras):
    def __init__(self, target, device, threads):
        super().__init__(target, device, threads)
        self.framework.set_num_threads(threads)

    def keep(self, x, dy):
        return self.layer(x.requires_grad_(), training=True)

    def backward(self, y, x, dy):
        return self.framework.autograd.grad(y, [x, *self.variables()], dy)

    def wait(self, result):
        if self.scope.startswith("gpu"):
            self.framework.cuda.synchronize()


class KerasJax(Keras):
    def build(self):
        super().build()
        layer = self.layer
        stateless = lambda state, parameters, x: layer.stateless_call(parameters, state, x, training=True)
        _, self._keep, self._backward = _differentiated(self.framework, stateless)

    def keep(self, x, dy):
        return self._keep([variable.value for variable in self.layer.non_trainable_variables], self.variables(), x)

    def backward(self, kept, x, dy):
        return self._backward(kept, dy)

    def wait(self, result):
        self.framework.block_until_ready(result)


class KerasTensorflow(Keras):
    """Inside `tf.function`; a backward alone is that of the compiled forward, which TensorFlow compiles as well."""

    def __init__(self, target, device, threads):
        super().__init__(target, device, threads)
        if device == "gpu":
            raise Unsupported("TensorFlow gives no way to wait for a device without copying the result")

    def build(self):
        super().build()
        self.run = self.framework.function(super().run)
        self.compiled = self.framework.function(lambda x: self.layer(x, training=True))

    def keep(self, x, dy):
        with self.framework.GradientTape() as tape:
            tape.watch(x)
            return self.compiled(x), tape

    def backward(self, kept, x, dy):
        y, tape = kept
        return tape.gradient(y, [x, *self.variables()], dy)


def keras_driver(target, device, threads):
    """The Keras driver of the engine in use."""
    import keras

    classes = {"torch": KerasTorch, "jax": KerasJax, "tensorflow": KerasTensorflow}
    return classes[keras.backend.backend()](target, device, threads)
