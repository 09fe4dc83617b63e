"""ONNX BatchNormalization in onnxruntime: inference, and training mode, which has no gradients.

The parameters' gradients of a step are the definition's, of the y that the runtime gave: the runtime moves the state.
"""

import numpy as np
import onnx
import onnxruntime

import bnconform as bn

from ..graph import INPUTS, OPSET


class OnnxLayer:
    form, first, variance, ranks = "onnx", True, "two-pass", (2, 3, 4, 5)

    def __init__(self, rank, channels, epsilon=None, momentum=None):
        given = {"epsilon": epsilon, "momentum": momentum}
        self.numbers = {name: value for name, value in given.items() if value is not None}
        self.sessions = {mode: self._session(rank, channels, mode) for mode in (0, 1)}
        f = lambda value: np.full(channels, value, np.float32)
        self.values = dict(zip(INPUTS, (f(1), f(0), f(0), f(1))))

    @staticmethod
    def version():
        return f"{onnx.__version__} (onnxruntime {onnxruntime.__version__})"

    def _session(self, rank, channels, mode):
        """Everything is an input: constants of a training graph may be overwritten by the runtime."""
        info = lambda name, shape: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        x = ["N", channels, *(f"D{i}" for i in range(rank - 2))]
        outputs = ["Y", "mean", "var"] if mode else ["Y"]
        options = self.numbers | ({"training_mode": 1} if mode else {})
        node = onnx.helper.make_node("BatchNormalization", ["X", *INPUTS], outputs, **options)
        graph = onnx.helper.make_graph(
            [node], "layer", [info("X", x), *(info(n, [channels]) for n in INPUTS)],
            [info("Y", x), *(info(n, [channels]) for n in outputs[1:])],
        )  # fmt: skip
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)])
        model.ir_version = 8
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def load(self, arrays):
        self.values = {name: np.array(arrays[name]) for name in INPUTS}

    def arrays(self):
        return dict(self.values)

    def infer(self, x):
        return self.sessions[0].run(None, {"X": x} | self.values)[0]

    bare = infer

    freezing = ()

    def counts(self):
        return {"initializers": sum(value.size for value in self.values.values())}

    def train(self, x):
        y, mean, var = self.sessions[1].run(None, {"X": x} | self.values)
        self.values |= {"input_mean": mean, "input_var": var}
        return y

    def step(self, x, target, rate):
        y = self.train(x)
        dy = (y - target) * np.float32(y.shape[1] / y.size)
        eps = self.numbers.get("epsilon", 1e-5)
        grads = bn.train_backward(dy, x, self.values["scale"], eps=eps, channel_axes=1)
        for name, gradient in (("scale", grads.dgamma), ("B", grads.dbeta)):
            self.values[name] = (self.values[name] - rate * gradient).astype(np.float32)
