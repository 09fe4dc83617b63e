"""PyTorch: `torch.nn.BatchNorm1d/2d/3d`, and `torch.nn.functional.batch_norm`.

Gradients come from `torch.autograd`, forward mode from `torch.autograd.forward_ad`, second order from a double
backward.
"""

import copy
from dataclasses import replace

import numpy as np
import torch
from torch.autograd import forward_ad
from torch.nn.utils import fusion

from .contract import Conventions
from .torch_arrays import array, arrays, finished, place, settings, tensor

LAYERS = {2: torch.nn.BatchNorm1d, 3: torch.nn.BatchNorm1d, 4: torch.nn.BatchNorm2d, 5: torch.nn.BatchNorm3d}

PARAMETERS = ("weight", "bias")
STATISTICS = ("running_mean", "running_var")

CONVENTIONS = Conventions(
    running_ddof=1,
    decay_name="momentum",
    decay_meaning="new",
    default_eps=1e-5,
    default_decay=0.9,
    # contiguous input of rank 3 or more is summed in blocks; rank 2 and channels-last memory are not, on one thread
    reduction="sequential",
    notes="blocked sums for contiguous input of rank 3 and more; "
    "one after the other for rank 2 and channels-last memory",
    channel_axes="first",
    ranks=(2, 3, 4, 5),
    devices=("cpu", "gpu"),
    cannot={
        "mask": "torch's batch normalization takes no mask",
        "renorm": "torch has no batch renormalization",
        "synchronized": "torch.nn.SyncBatchNorm needs a process for each shard, and refuses CPU tensors in training",
        "population": (
            "torch has no population statistics; momentum=None averages with ddof 1 and weighs "
            "batches equally, step by step"
        ),
    },
)


class _Torch:
    """What both share: derivatives of `_forward(x, weight, bias, training)`, which moves the state when training."""

    @staticmethod
    def version() -> str:
        return torch.__version__

    settings = staticmethod(settings)

    def train(self, x, dy):
        return self._step(x, dy, True)

    def infer(self, x, dy):
        return self._step(x, dy, False)

    def _step(self, x, dy, training):
        return arrays(self._computed(tensor(x, self.device), tensor(dy, self.device), training))

    def _computed(self, x, dy, training):
        """Outputs of a step, as tensors of tensors."""
        if dy is None:
            with torch.no_grad():
                return {"y": self._forward(x, *self.parameters, training)}
        y, inputs = self._graph(x, training)
        return {"y": y} | _gradients(y, inputs, dy)

    def _graph(self, x, training):
        """y, and what it can be differentiated by."""
        inputs = {"dx": x.requires_grad_(), "dgamma": self.parameters[0], "dbeta": self.parameters[1]}
        return self._forward(*inputs.values(), training), inputs

    def timed(self, operation, x, dy):
        x, dy = tensor(x, self.device), tensor(dy, self.device)
        if operation == "backward":
            y, inputs = self._graph(x, True)
            return finished(lambda: _gradients(y, inputs, dy, retain_graph=True), self.device)
        dy = dy if operation == "step" else None
        return finished(lambda: self._computed(x, dy, operation != "inference"), self.device)

    def jvp(self, mode, x, *tangents):
        with forward_ad.dual_level():
            primals = [tensor(x, self.device), *self.parameters]
            duals = [
                p if p is None else forward_ad.make_dual(p.detach(), tensor(t, self.device))
                for p, t in zip(primals, tangents)
            ]
            y = copy.deepcopy(self)._forward(*duals, mode == "train")
            return {"y_dot": array(forward_ad.unpack_dual(y).tangent)}

    def double_backward(self, mode, x, dy, *cotangents):
        x, dy = (tensor(value, self.device).requires_grad_() for value in (x, dy))
        inputs = {"dx": x, "dgamma": self.parameters[0], "dbeta": self.parameters[1]}
        y = copy.deepcopy(self)._forward(*inputs.values(), mode == "train")
        first = _gradients(y, inputs, dy, create_graph=True)
        present = [tensor(u, self.device) for u in cotangents if u is not None]
        total = sum((u * gradient).sum() for u, gradient in zip(present, first.values()))
        return arrays(_gradients(total, {"d2x": x, "d2gamma": self.parameters[0], "d2dy": dy}))


def _gradients(y, inputs, dy=None, **options):
    """Gradients by name with respect to the inputs that are there."""
    inputs = {name: value for name, value in inputs.items() if value is not None}
    return dict(zip(inputs, torch.autograd.grad(y, list(inputs.values()), dy, **options)))


def _numbers(config):
    """eps and momentum as torch names them; none where the layer's own are asked for."""
    if config.defaults:
        return {}
    return {"eps": config.eps, "momentum": None if config.decay is None else 1.0 - config.decay}


_CALL = "a = t(x).requires_grad_(); layer.zero_grad(); y = layer.{mode}()(a); dy is None or y.backward(t(dy))"
SCRIPT = {
    "import": "import torch",
    "layer": "t = lambda a: torch.from_numpy(a.astype('f4') if a.dtype == 'bfloat16' else a)"
    ".to(getattr(torch, a.dtype.name))\n"
    "layer = torch.nn.BatchNorm{dimensions}d({channels}, eps={eps}, momentum={momentum}, affine={affine}, "
    "track_running_stats={tracks})\n"
    "given = dict(weight=gamma, bias=beta, running_mean=running_mean, running_var=running_var)\n"
    "layer.load_state_dict(layer.state_dict() | {{n: t(v) for n, v in given.items() if v is not None}}, assign=True)",
    "train": _CALL.format(mode="train"),
    "infer": _CALL.format(mode="eval"),
    "frozen": _CALL.format(mode="eval"),
    "y": "y.tolist()",
    "dx": "a.grad.tolist()",
    "dgamma": "layer.weight.grad.tolist()",
    "dbeta": "layer.bias.grad.tolist()",
    "state": "layer.{output}.tolist()",
}


class TorchModule(_Torch):
    """`torch.nn.BatchNorm1d` for ranks 2 and 3, `2d` for rank 4, `3d` for rank 5; state through `load_state_dict`."""

    conventions = replace(
        CONVENTIONS,
        cannot=dict(CONVENTIONS.cannot) | {"beta-without-gamma": "torch.nn.BatchNorm has a bias only beside a weight"},
        offers=("as-built", "stateless-inference"),
    )

    script = SCRIPT

    def __init__(self, config, gamma, beta, running_mean, running_var):
        self.device = place(config.device)
        options = {} if (gamma is None) == (beta is None) else {"bias": beta is not None}
        self.layer = LAYERS[config.rank](
            *config.channels,
            **_numbers(config),
            affine=gamma is not None or config.as_built,
            track_running_stats=running_mean is not None or config.as_built,
            **options,
        ).to(self.device)
        given = dict(zip(PARAMETERS + STATISTICS, (gamma, beta, running_mean, running_var)))
        values = {name: tensor(value, self.device).clone() for name, value in given.items() if value is not None}
        # assign=True keeps the types that were given; shapes are checked all the same
        self.layer.load_state_dict(self.layer.state_dict() | values, assign=True)

    @property
    def parameters(self):
        return self.layer.weight, self.layer.bias

    def _forward(self, x, weight, bias, training):
        given = {name: value for name, value in zip(PARAMETERS, (weight, bias)) if value is not None}
        return torch.func.functional_call(self.layer.train(training), given, (x,))

    def state(self):
        return arrays({name: getattr(self.layer, name) for name in STATISTICS})

    @staticmethod
    def fold(config, weight, bias, gamma, beta, running_mean, running_var, *, out_axis, groups):
        """`torch.nn.utils.fusion`. Torch keeps outputs on axis 0, and on axis 1 in transposed convolutions."""
        device = place(config.device)
        transposed = weight.ndim > 2 and out_axis == 1
        home = 1 if transposed else 0
        moved = tensor(np.moveaxis(weight, out_axis, home), device)
        statistics = (tensor(value, device) for value in (running_mean, running_var))
        arguments = (moved, tensor(bias, device), *statistics, config.eps, tensor(gamma, device), tensor(beta, device))
        if weight.ndim == 2:
            folded = fusion.fuse_linear_bn_weights(*arguments)
        else:
            folded = fusion.fuse_conv_bn_weights(*arguments, transpose=transposed)
        return {"weight": np.moveaxis(array(folded[0]), home, out_axis), "bias": array(folded[1])}


class TorchFunctional(_Torch):
    """`torch.nn.functional.batch_norm` with the running statistics as plain tensors."""

    conventions = replace(
        CONVENTIONS,
        ranks=(2, 3, 4, 5, 6),
        cannot=dict(CONVENTIONS.cannot)
        | {
            "decay:cumulative": "the functional form counts no batches; the cumulative average is the module's",
            "folding": "torch.nn.utils.fusion belongs to the modules",
        },
    )

    def __init__(self, config, gamma, beta, running_mean, running_var):
        self.device = place(config.device)
        copies = (value if value is None else value.copy() for value in (gamma, beta, running_mean, running_var))
        gamma, beta, *self.statistics = (tensor(value, self.device) for value in copies)
        self.parameters = tuple(p if p is None else p.requires_grad_() for p in (gamma, beta))
        self.numbers = _numbers(config)

    def _forward(self, x, weight, bias, training):
        return torch.nn.functional.batch_norm(x, *self.statistics, weight, bias, training, **self.numbers)

    def state(self):
        return arrays(dict(zip(STATISTICS, self.statistics)))
