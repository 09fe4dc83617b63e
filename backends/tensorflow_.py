"""TensorFlow without Keras: `tf.nn.moments` with `tf.nn.batch_normalization`, and the operator `FusedBatchNormV3`.

Both leave the running statistics to the caller; they are blended with `tf.Variable.assign`.
"""

from dataclasses import replace

import numpy as np
import tensorflow as tf

from .contract import Conventions
from .keras_tensorflow import array, arrays, place, settings, tensor

STATISTICS = ("running_mean", "running_var")

CONVENTIONS = Conventions(
    running_ddof=0,
    reduction="sequential",
    channel_axes="one",
    devices=("cpu", "gpu"),
    cannot={
        "decay:cumulative": "TensorFlow's operators count no batches",
        "stateless": "the running statistics are the caller's, who keeps them",
        "mask": "TensorFlow's operators take no mask",
        "renorm": "TensorFlow's operators know no batch renormalization",
        "synchronized": "TensorFlow's operators see one replica",
        "folding": "TensorFlow has no function that folds the layer into a preceding one",
        "population": "TensorFlow's operators know no population statistics",
        "errors": "the caller checks arguments",
        "params:mixed": "tf.nn.batch_normalization wants x and parameters of one type",
        "state:mixed": "tf.nn.batch_normalization wants x and statistics of one type",
    },
)


class TensorFlowNn:
    """`tf.nn.moments` over all but the channel axis, then `tf.nn.batch_normalization`; gradients by `GradientTape`."""

    conventions = replace(CONVENTIONS, compute={name: name for name in CONVENTIONS.compute})
    settings = staticmethod(settings)

    @staticmethod
    def version() -> str:
        return tf.__version__

    def __init__(self, config, gamma, beta, running_mean, running_var):
        self.config, self.device = config, place(config.device)
        self.parameters = {
            name: tensor(value, self.device)
            for name, value in (("dgamma", gamma), ("dbeta", beta))
            if value is not None
        }
        self.statistics = [tf.Variable(tensor(np.array(v), self.device)) for v in (running_mean, running_var)]

    def train(self, x, dy):
        return self._step(x, dy, True)

    def infer(self, x, dy):
        return self._step(x, dy, False)

    def _step(self, x, dy, training):
        with tf.device(self.device), tf.GradientTape() as tape:
            inputs = {"dx": tf.constant(x)} | self.parameters
            tape.watch(inputs)
            y = self._forward(inputs["dx"], self.parameters.get("dgamma"), self.parameters.get("dbeta"), training)
        gradients = {} if dy is None else tape.gradient(y, inputs, tf.constant(dy))
        return arrays({"y": y} | gradients)

    def _forward(self, x, gamma, beta, training):
        axis = self.config.channel_axes[0]
        shape = [-1 if axis == other else 1 for other in range(x.ndim)]
        mean, var = (tf.reshape(value, shape) for value in self.statistics)
        if training:
            mean, var = tf.nn.moments(x, [other for other in range(x.ndim) if other != axis], keepdims=True)
            self._blend(tf.reshape(mean, [-1]), tf.reshape(var, [-1]))
        gamma, beta = (value if value is None else tf.reshape(value, shape) for value in (gamma, beta))
        return tf.nn.batch_normalization(x, mean, var, beta, gamma, self.config.eps)

    def _blend(self, *statistics):
        for variable, value in zip(self.statistics, statistics):
            decay = tf.constant(self.config.decay, variable.dtype)
            variable.assign(decay * variable + (1 - decay) * tf.cast(value, variable.dtype))

    def state(self):
        return dict(zip(STATISTICS, map(array, self.statistics)))


class TensorFlowFused(TensorFlowNn):
    """`tf.raw_ops.FusedBatchNormV3`, which takes rank 4, and wants gamma and beta: 1 and 0 where there are none."""

    conventions = replace(
        CONVENTIONS,
        running_ddof=1,
        channel_axes="ends",
        ranks=(4,),
        dtypes=("float32", "float16", "bfloat16"),
        cannot={name: reason for name, reason in CONVENTIONS.cannot.items() if not name.endswith(":mixed")}
        | {
            f"{what}:{kind}": "its scale is float32" for what in ("params", "state") for kind in ("float16", "bfloat16")
        },
    )

    def _forward(self, x, gamma, beta, training):
        count = self.config.channels
        gamma = tf.ones(count) if gamma is None else gamma
        beta = tf.zeros(count) if beta is None else beta
        y, mean, var, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=gamma,
            offset=beta,
            mean=tf.zeros([0]) if training else self.statistics[0],
            variance=tf.zeros([0]) if training else self.statistics[1],
            epsilon=self.config.eps,
            data_format="NCHW" if self.config.channel_axes == (1,) else "NHWC",
            is_training=training,
        )
        if training:
            self._blend(mean, var)
        return y
