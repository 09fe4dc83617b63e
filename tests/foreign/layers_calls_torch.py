"""Wrong calls of PyTorch: each is the repository's adapter with another line where the framework is called.

What the framework itself does differently is in `backends/known/torch.json`, under the name in KNOWN.
"""

from dataclasses import replace

import torch
from foreign.labels import BATCH, BESSEL, LEFT_OUT, NOT_UPDATED, both, label
from torch.nn import functional

from bnconform.backends.torch_ import TorchFunctional, TorchModule


class _Call(TorchFunctional):
    KNOWN = "torch-functional"
    NEEDS_VALUES = True  # torch refuses m = 1
    EXCEPT = ("offset",)  # torch's own inference is a x + b in float32

    def __init__(self, config, gamma, beta, running_mean, running_var):
        super().__init__(config, gamma, beta, running_mean, running_var)
        self.config = config


class MomentumMeansDecay(_Call):
    LABEL = label(
        "decay running_mean running_var",
        "the weight of the old state is passed as momentum, which weighs the new",
        [
            r"complement",
            r"1 ?[-−] ?decay",
            both("decay|momentum", r"(swap|exchang|invert|weighs? the new|weight of the new|of the new)"),
        ],
        reject=[r"decay ?(\^|\*\*)|initial|left out"],
        when="training",
        condition="training and tracked and decay != 0.5",
        reference="https://github.com/pytorch/examples/issues/289",
    )

    def _forward(self, x, weight, bias, training):
        numbers = self.numbers | {"momentum": 1 - self.numbers.get("momentum", 0.1)}
        return functional.batch_norm(x, *self.statistics, weight, bias, training, **numbers)


class NeverEval(_Call):
    LABEL = label(
        "mean variance running_mean running_var x_hat y",
        "inference runs in training mode: nobody called eval()",
        [BATCH, both(r"(running|state|statistic)", r"(updat|moves|blend|chang)", r"(infer|evaluat)")],
        when="inference",
        condition="not training",
        reject=[NOT_UPDATED, r"dgamma|block|m ?/ ?\(m|frozen|only the mean"],
    )

    def _forward(self, x, weight, bias, training):
        return functional.batch_norm(x, *self.statistics, weight, bias, True, **self.numbers)


class EpsForgotten(_Call):
    LABEL = label(
        "eps",
        "eps is not passed on: torch's own 1e-5 is used",
        [both("eps", r"(1(\.0*)?e-0?5|0\.00001|default|constant|fixed)")],
        when="eps other than 1e-5",
        condition="eps != 1e-5",
    )

    def _forward(self, x, weight, bias, training):
        numbers = {name: value for name, value in self.numbers.items() if name != "eps"}
        return functional.batch_norm(x, *self.statistics, weight, bias, training, **numbers)


class VarianceBeforeMean(_Call):
    LABEL = label(
        "running_mean running_var",
        "running_var and running_mean are passed in each other's place",
        [both(r"mean", r"var", r"(swap|exchang|change places|interchang|in place of|taken for|each other|mixed)")],
        condition="tracked and m > 0",
    )

    def _forward(self, x, weight, bias, training):
        mean, var = self.statistics
        return functional.batch_norm(x, var, mean, weight, bias, training, **self.numbers)


class InstanceNorm(_Call):
    LABEL = label(
        "m mean variance",
        "instance_norm is called: each sample has statistics of its own",
        [
            r"instance",
            r"(each|every|per|one|single) (sample|example|image|instance)",
            both(r"(batch axis|axis 0|\bN\b)", r"(not reduced|left out|own|separate)"),
        ],
        when="training with more than one sample and spatial axes",
        condition="training and rank > 2 and 1 < N < m",
    )

    def _forward(self, x, weight, bias, training):
        if not training or x.ndim == 2 or x[0, 0].numel() < 2:
            return functional.batch_norm(x, *self.statistics, weight, bias, training, **self.numbers)
        return functional.instance_norm(x, *self.statistics, weight, bias, True, **self.numbers)


class LayerNormInTraining(_Call):
    LABEL = label(
        "m mean variance",
        "training normalizes each sample over all its channels, as layer normalization does; the state is right",
        [
            r"layer.?norm",
            r"(over|across|all) (of )?(the |its )?(all )?channels",
            r"(reduced|wrong|other|another|channel) ax[ie]s.*(reduced|sample)",
            both(r"(each|every|per|one) sample", "channel"),
        ],
        when="training",
        condition="training and m > 0",
    )

    def _forward(self, x, weight, bias, training):
        y = functional.batch_norm(x.detach(), *self.statistics, weight, bias, training, **self.numbers)
        if not training or not x.numel():
            return functional.batch_norm(x, *self.statistics, weight, bias, training, **self.numbers)
        x = functional.layer_norm(x, x.shape[1:], eps=self.config.eps)
        shape = [-1 if axis == 1 else 1 for axis in range(x.ndim)]
        x = x if weight is None else x * weight.reshape(shape)
        return (x if bias is None else x + bias.reshape(shape)).to(y.dtype)


class CopiesGiven(_Call):
    LABEL = label(
        "running_mean running_var decay",
        "copies of the running statistics are passed, so that the layer's own never move",
        [both("running|state|statistic|decay", NOT_UPDATED)],
        when="training",
        condition="training and tracked and m > 0",
    )

    def _forward(self, x, weight, bias, training):
        copies = (v if v is None else v.clone() for v in self.statistics)
        return functional.batch_norm(x, *copies, weight, bias, training, **self.numbers)


class ViewForPermute(_Call):
    conventions = replace(TorchFunctional.conventions, channel_axes="one")
    LABEL = label(
        "x",
        "channels-last input is viewed as (N, C, …) where it should be permuted",
        [r"(layout|order|channels.?(first|last)|transpos|permut|stride|memory|reshap|NCHW|NHWC|misread|view)"],
        when="channels last, rank 3 or more",
        condition="channels_last and C > 1 and m > N",
    )

    def _forward(self, x, weight, bias, training):
        axis = self.config.channel_axes[0]
        if axis == x.ndim - 1 and x.ndim > 2:
            viewed = x.reshape(x.shape[0], x.shape[-1], -1)
            return functional.batch_norm(viewed, *self.statistics, weight, bias, training, **self.numbers).reshape(
                x.shape
            )
        moved = x.movedim(axis, 1)
        return functional.batch_norm(moved, *self.statistics, weight, bias, training, **self.numbers).movedim(1, axis)


class BrainInput(_Call):
    LABEL = label(
        "x",
        "x is cast to bfloat16 on its way in, and back",
        [r"(bfloat16|bf16|\b[78].?bits?)"],
        when="x of another type than bfloat16",
        condition="dtype != 'bfloat16'",
        reject=[r"\bfloat16", r"(variance|sums?|mean|y) (is|are) (kept|rounded|computed|summed) (in|to) bfloat16"],
    )

    def _forward(self, x, weight, bias, training):
        return functional.batch_norm(x.bfloat16().to(x.dtype), *self.statistics, weight, bias, training, **self.numbers)


class GammaAroundOne(_Call):
    LABEL = label(
        "gamma",
        "gamma is taken for an offset from 1: y = (1 + gamma) x_hat + beta",
        [both("gamma", r"(\+ ?1\b|1 ?\+|plus (1|one)|shift|offset|added)")],
        when="with gamma",
        condition="'gamma' in affine",
    )

    def _forward(self, x, weight, bias, training):
        weight = weight if weight is None else 1 + weight
        return functional.batch_norm(x, *self.statistics, weight, bias, training, **self.numbers)


class UnbiasedByDefault(_Call):
    LABEL = label(
        "variance m",
        "x.var() has ddof 1 by default, and so has the variance that normalizes",
        [BESSEL],
        when="training",
        condition="training and m > 1",
        reject=[r"running_var|infer|mean_dy|mean\(dy\)|N ?/ ?\(N|float16|NaN|\(m ?[-−] ?1\) ?/ ?m"],
    )

    def _forward(self, x, weight, bias, training):
        if not training or x.numel() // x.shape[1] < 2:
            return functional.batch_norm(x, *self.statistics, weight, bias, training, **self.numbers)
        functional.batch_norm(x.detach(), *self.statistics, weight, bias, training, **self.numbers)
        axes, shape = [0, *range(2, x.ndim)], [-1 if axis == 1 else 1 for axis in range(x.ndim)]
        wide = x if x.dtype == torch.float64 else x.float()
        hat = (wide - wide.mean(axes, keepdim=True)) / (wide.var(axes, keepdim=True) + self.config.eps).sqrt()
        hat = hat if weight is None else hat * weight.reshape(shape)
        return (hat if bias is None else hat + bias.reshape(shape)).to(x.dtype)


class AlwaysCumulative(TorchModule):
    KNOWN = "torch"
    NEEDS_VALUES, EXCEPT = _Call.NEEDS_VALUES, _Call.EXCEPT
    LABEL = label(
        "decay running_mean running_var",
        "the module is built with momentum=None: a cumulative average where an exponential one is asked for",
        [
            r"cumulative",
            r"1 ?/ ?\(?(t|n|step|k)",
            both("decay", r"(step|left out|ignored|varies|changes)"),
            "arithmetic mean",
        ],
        when="training with a decay",
        condition="training and tracked and decay is not None",
        reference="https://github.com/Lightning-AI/pytorch-lightning/issues/14866",
    )

    def __init__(self, config, gamma, beta, running_mean, running_var):
        super().__init__(config, gamma, beta, running_mean, running_var)
        self.layer.momentum = None


class BiasOnlyBeforeNormalizing(_Call):
    LABEL = label(
        "beta y x",
        "beta is added to x before it is normalized, not to y",
        [both("beta", rf"({LEFT_OUT}|before|to x\b|input|x_hat)")],
        when="with beta",
        condition="'beta' in affine and (training or m > 0)",
    )

    def _forward(self, x, weight, bias, training):
        if bias is not None:
            x = x + bias.reshape([-1 if axis == 1 else 1 for axis in range(x.ndim)]).to(x.dtype)
        return functional.batch_norm(x, *self.statistics, weight, None, training, **self.numbers)
