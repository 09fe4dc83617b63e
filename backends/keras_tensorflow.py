"""Keras on TensorFlow: eager, differentiated by `tf.GradientTape` and `tf.autodiff.ForwardAccumulator`."""

import os

import numpy as np
import tensorflow as tf

from .errors import NoGpu

CONVENTIONS = {"notes": "sums run one after the other: at mean/std of 1e7 the error of the mean grows like m"}


def version() -> str:
    return f"tensorflow {tf.__version__}"


def place(device: str) -> str:
    """TensorFlow's name of "cpu" or "gpu". Errors: NoGpu."""
    if device == "gpu" and not tf.config.list_physical_devices("GPU"):
        raise NoGpu("tf.config.list_physical_devices('GPU') is empty")
    return f"/{device.upper()}:0"


def settings(device: str) -> dict:
    """What beside TensorFlow's version may change numbers."""
    place(device)
    common = {
        "oneDNN": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
        "TF32": tf.config.experimental.tensor_float_32_execution_enabled(),
        "threads within an operation": tf.config.threading.get_intra_op_parallelism_threads() or "default",
    }
    if device == "cpu":
        return common
    build = tf.sysconfig.get_build_info()
    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    return {
        "device": details.get("device_name"),
        "CUDA": build.get("cuda_version"),
        "cuDNN": build.get("cudnn_version"),
    } | common


def tensor(value, device):
    with tf.device(device):
        return tf.constant(value)


def array(value) -> np.ndarray:
    return np.array(value.numpy())


def arrays(values: dict) -> dict:
    """The tensors that are there, as arrays."""
    return {name: array(value) for name, value in values.items() if value is not None}


def step(layer, x, mask, training, dy):
    variables = [variable.value for variable in layer.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=training, mask=mask)
    return y, [] if dy is None else tape.gradient(y, [x, *variables], dy)


def timed(layer, operation, x, dy):
    """As compiled by `tf.function`."""
    if "GPU" in x.device:
        raise NotImplementedError("TensorFlow gives no way to wait for a device without copying the result")
    if operation == "backward":
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = tf.function(lambda x: layer(x, training=True))(x)
        inputs = [x, *(variable.value for variable in layer.trainable_variables)]
        return lambda: tape.gradient(y, inputs, dy)
    run = tf.function(lambda x, dy: step(layer, x, None, operation != "inference", dy))
    return lambda: run(x, dy if operation == "step" else None)


def _pure(layer, training, x, *parameters):
    """y, with the state left alone."""
    state = [variable.value for variable in layer.non_trainable_variables]
    return layer.stateless_call(parameters, state, x, training=training)[0]


def jvp(layer, training, primals, tangents):
    primals = [tf.convert_to_tensor(primal) for primal in primals]
    with tf.autodiff.ForwardAccumulator(primals, tangents) as accumulator:
        y = _pure(layer, training, *primals)
    return accumulator.jvp(y)


def double_backward(layer, training, primals, dy, cotangents):
    primals = [tf.convert_to_tensor(primal) for primal in primals]
    with tf.GradientTape() as outer:
        outer.watch([*primals, dy])
        with tf.GradientTape() as inner:
            inner.watch(primals)
            y = _pure(layer, training, *primals)
        first = inner.gradient(y, primals, dy)
    return outer.gradient(first, [*primals, dy], cotangents)
