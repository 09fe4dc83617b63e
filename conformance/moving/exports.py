"""Export and folding, by the frameworks' own functions, held to the definition in ONNX Runtime.

A convolution with BN after it, trained for some steps. What is exported or folded then has to give the definition's
inference within the allowance; once the layer has trained on, a fold made before is stale, which has to show.
"""

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import bnconform as bn

EPS, UNIT = 1e-3, 2.0**-24


@dataclass(frozen=True)
class Exported:
    """score: error / allowance, of y against the definition of what was asked for. says: in words, what was found."""

    name: str
    score: float
    says: str


def _allowed(y, terms):
    """Roundings of a convolution of `terms` products and of one BN, relative to the largest value."""
    return 8 * (np.sqrt(terms) + 4) * UNIT * np.abs(y).max()


def _score(got, y, terms) -> float:
    return float(np.abs(np.asarray(got, np.float64) - y).max() / _allowed(y, terms))


class TorchNet:
    """Conv2d and BatchNorm2d, trained for three steps; x: (5, 3, 6, 6)."""

    def __init__(self):
        import torch

        torch.manual_seed(0)
        self.torch, self.model = torch, torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4, eps=EPS))
        self.train(3)
        self.x = torch.randn(5, 3, 6, 6)

    def train(self, steps):
        optimizer = self.torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.model.train()
        for _ in range(steps):
            loss = ((self.model(self.torch.randn(5, 3, 6, 6) * 2 + 1) - 1) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        self.model.eval()

    def wanted(self, training=False):
        """The definition's y of x, from the convolution in float64."""
        conv, layer = self.model
        double = lambda t: t.detach().double()
        z = self.torch.nn.functional.conv2d(double(self.x), double(conv.weight), double(conv.bias)).numpy()
        gamma, beta = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        if training:
            return bn.train_forward(z, gamma, beta, eps=EPS, channel_axes=1).y
        at = {"running_mean": layer.running_mean.numpy(), "running_var": layer.running_var.numpy()}
        return bn.inference_forward(z, gamma, beta, eps=EPS, channel_axes=1, **at)

    def exported(self, folder, training):
        mode = self.torch.onnx.TrainingMode.TRAINING if training else self.torch.onnx.TrainingMode.EVAL
        path = Path(folder) / "torch.onnx"
        program = self.torch.onnx.export(
            self.model.train(training), (self.x,), dynamo=True, training=mode, verbose=False
        )
        program.save(path)
        self.model.eval()
        return path


def _run(path, x):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def torch_inference(folder):
    net = TorchNet()
    score = _score(_run(net.exported(folder, False), net.x.numpy()), net.wanted(), 27)
    return score, "inference of the exported graph is the definition's"


def torch_training(folder):
    net = TorchNet()
    y = _run(net.exported(folder, True), net.x.numpy())
    trained, inferred = _score(y, net.wanted(True), 27), _score(y, net.wanted(), 27)
    if inferred <= 1 < trained:
        return inferred, "asked for training mode, the exporter gives inference all the same"
    return trained, "the graph normalizes by its batch"


def torch_fold(folder):
    net = TorchNet()
    folded = net.torch.nn.utils.fuse_conv_bn_eval(*net.model)
    return _score(
        folded(net.x).detach().numpy(), net.wanted(), 27
    ), "the folded convolution is the definition's inference"


def torch_stale_fold(folder):
    net = TorchNet()
    folded = net.torch.nn.utils.fuse_conv_bn_eval(*net.model)
    net.train(1)
    stale = _score(folded(net.x).detach().numpy(), net.wanted(), 27)
    again = net.torch.nn.utils.fuse_conv_bn_eval(*net.model)
    fresh = _score(again(net.x).detach().numpy(), net.wanted(), 27)
    words = f"one training step later the old fold is {stale:.2g} times the allowance off"
    return fresh, f"{words}; folded again it holds" if stale > 1 else "a stale fold was not noticed"


def torch_quantization(folder):
    """The fold that quantization starts from: `fuse_modules`, and for training on, `fuse_modules_qat`."""
    net = TorchNet()
    fused = net.torch.ao.quantization.fuse_modules(net.model, [["0", "1"]])
    score = _score(fused(net.x).detach().numpy(), net.wanted(), 27)
    kept = net.torch.ao.quantization.fuse_modules_qat(net.model.train(), [["0", "1"]])
    trains = type(kept[0]).__name__
    return (
        score,
        f"fuse_modules is the definition's inference; fuse_modules_qat keeps BN beside the convolution ({trains})",
    )


def keras_inference(folder):
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    keras.utils.set_random_seed(0)
    layer = keras.layers.BatchNormalization(epsilon=EPS)
    model = keras.Sequential([keras.Input((6, 6, 3)), keras.layers.Conv2D(4, 3), layer])
    rng = np.random.default_rng(0)
    for _ in range(3):
        model((rng.normal(size=(5, 6, 6, 3)) * 2 + 1).astype(np.float32), training=True)
    path, x = Path(folder) / "keras.onnx", rng.normal(size=(5, 6, 6, 3)).astype(np.float32)
    model.export(path, format="onnx", verbose=False)
    weight, bias = (np.asarray(w, np.float64) for w in model.layers[0].get_weights())
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(np.float64), (3, 3), (1, 2))
    z = np.einsum("nhwcij,ijco->nhwo", windows, weight) + bias
    gamma, beta, mean, var = layer.get_weights()
    y = bn.inference_forward(z, gamma, beta, running_mean=mean, running_var=var, eps=EPS, channel_axes=3)
    return _score(
        _run(path, x), y, 27
    ), f"inference of the graph exported on {keras.backend.backend()} is the definition's"


ONNX = ("onnx", "onnxscript", "onnxruntime")
ASKED: dict[str, tuple[tuple[str, ...], Callable]] = {
    "torch.onnx.export, inference": (("torch", *ONNX), torch_inference),
    "torch.onnx.export, training mode": (("torch", *ONNX), torch_training),
    "Keras model.export to ONNX, inference": (("keras", "torch", *ONNX), keras_inference),
    "torch fuse_conv_bn_eval": (("torch",), torch_fold),
    "torch fuse_conv_bn_eval, after a training step": (("torch",), torch_stale_fold),
    "torch fuse_modules, for quantization": (("torch",), torch_quantization),
}


def missing(name: str) -> list[str]:
    return [module for module in ASKED[name][0] if importlib.util.find_spec(module) is None]


def judge(name: str, folder) -> Exported:
    """One of `ASKED`, made in `folder`."""
    return Exported(name, *ASKED[name][1](folder))
