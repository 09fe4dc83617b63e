"""Layers rebuilt from public bug reports: what goes wrong in the statistics, the root and y."""

import numpy as np
from foreign.labels import BATCH, HALF, LEFT_OUT, both, label
from foreign.right import Right

EPS_OUTSIDE = r"eps.*outside|eps.*(outside|after|beside|behind).*(root|sqrt)|sqrt\(var(iance)?\) ?\+ ?eps|(standard deviation|\bstd\b) ?(\+|plus) ?eps|root.*(shifted|plus|\+).*eps|eps.*added to (the )?(root|std|standard)"


class RootPlusEps(Right):
    LABEL = label(
        "root eps",
        "eps is added to the standard deviation, outside the root",
        [EPS_OUTSIDE],
        reference="https://github.com/pjreddie/darknet/pull/17",
    )

    def inverse_root(self, var):
        return 1 / (np.sqrt(var) + self.eps)


class VarianceNotBelowEps(Right):
    LABEL = label(
        "variance eps root",
        "the root is taken of max(variance, eps) and nothing is added",
        [r"max\(", both("eps", r"(clamp|floor|at least|lower bound|not below|larger of|greater of)")],
        reference="https://github.com/vacancy/Synchronized-BatchNorm-PyTorch/issues/43",
    )

    def inverse_root(self, var):
        return 1 / np.sqrt(np.maximum(var, self.eps))


class EpsNotBelowCudnn(Right):
    LABEL = label(
        "eps",
        "eps is raised to 1.001e-5",
        [r"1\.001e-0?5", both("eps", r"(clamp|floor|at least|lower bound|not below|raised|minimum|max)")],
        when="eps below 1.001e-5",
        condition="eps < 1.001e-5",
        reference="https://github.com/tensorflow/tensorflow/issues/37768",
    )

    def inverse_root(self, var):
        return 1 / np.sqrt(var + max(self.eps, 1.001e-5))


class FixedWithoutEps(Right):
    LABEL = label(
        "eps root",
        "inference divides by sqrt(running_var), eps is left out",
        [both("eps", LEFT_OUT), r"\b0 ?(\*|times)? ?eps", r"eps (is |of |= ?)?0\b"],
        when="inference",
        condition="not training",
        reference="https://github.com/chainer/chainer/pull/2214",
    )

    def inverse_root(self, var):
        return 1 / np.sqrt(var + (self.eps if self.training else 0))


class FirstSixtyFourChannels(Right):
    LABEL = label(
        "y x_hat gamma beta",
        "channels past the 64th come out as 0",
        [r"\b6[345]\b", both("channel", r"(last power of (two|2)|past|beyond|after|bound)", "(zero|0|left out|lost)")],
        when="channels last, and more than 64 of them",
        condition="channels_last and C > 64",
        reference="https://github.com/pytorch/pytorch/pull/57077",
    )

    def output(self, x_hat):
        y = super().output(x_hat)
        if self.x.ndim > 2 and self.config.channel_axes == (self.x.ndim - 1,):
            y[64:] = 0
        return y


class FrozenStillMeasures(Right):
    LABEL = label(
        "mean variance x_hat y",
        "with frozen statistics y is normalized by the batch's own, and dx has the terms of training",
        [BATCH],
        when="frozen",
        condition="mode == 'frozen'",
        reject=[r"frozen.*(updated|moves)|dgamma|block|, inference|running variance|m ?/ ?\(m"],
        reference="https://github.com/keras-team/keras/pull/9965",
    )

    def frozen(self, x, dy):
        return self.step(x, dy, True)

    def infer(self, x, dy):
        return self.step(x, dy, False)

    def train(self, x, dy):
        self.learning = True
        try:
            return self.step(x, dy, True)
        finally:
            self.learning = False

    def update(self, rows, mean, var):
        if self.learning:
            super().update(rows, mean, var)

    learning = False


class AxisZeroOnly(Right):
    LABEL = label(
        "m mean variance count",
        "statistics run over axis 0 alone: each position has its own",
        [
            r"axis 0|first axis|over N\b|batch axis",
            r"(each|every|per) (position|pixel|activation|feature|element)",
            both(r"spatial", r"(own|separate|apart|not (shared|reduced|pooled)|left out|without)"),
        ],
        when="training, where there is a spatial axis longer than 1",
        condition="training and m != N and N > 0",
        reference="https://github.com/Nico-Curti/NumPyNet/issues/7",
    )

    def moments(self, rows):
        images = rows.astype(np.float64).reshape(self.gamma.size, *self.inner())
        axis = 1 + self.reduced().index(0) if 0 in self.reduced() else 1
        return images, images.mean(axis, keepdims=True), images.var(axis, keepdims=True)

    def reduced(self):
        return [a for a in range(self.x.ndim) if a not in self.config.channel_axes]

    def inner(self):
        return [self.x.shape[a] for a in self.reduced()]

    def normalized(self, rows, mean, r):
        if not self.training or not self.m:
            return super().normalized(rows, mean, r)
        images, mean, var = self.moments(rows)
        return ((images - mean) / np.sqrt(var + self.eps)).reshape(rows.shape).astype(self.work)


class InstanceWithoutStatistics(Right):
    LABEL = label(
        "m mean variance",
        "a layer that tracks nothing normalizes each sample by itself",
        [
            r"instance",
            r"(each|every|per|one) (sample|example|image|instance)",
            both(r"(batch axis|axis 0|\bN\b)", r"(not reduced|left out|own|separate)"),
        ],
        when="training a layer without running statistics",
        condition="training and not tracked and N > 1 and m > N",
        reference="https://github.com/apache/tvm/pull/18609",
    )

    def normalized(self, rows, mean, r):
        if self.tracked or not self.training or self.m <= self.x.shape[0] or 0 in self.config.channel_axes:
            return super().normalized(rows, mean, r)
        images = rows.reshape(self.gamma.size, self.x.shape[0], -1)
        away = images - images.mean(2, keepdims=True)
        return (away / np.sqrt((away**2).mean(2, keepdims=True) + self.eps)).reshape(rows.shape)


class SquaresInHalf(Right):
    LABEL = label(
        "variance",
        "squares are summed in float16, where they overflow and lose digits",
        [both("variance|square|sum|deviation", HALF), both("variance|square", r"overflow")],
        when="float16 input in training",
        condition="training and dtype == 'float16'",
        reject=[r"bfloat16"],
        reference="https://github.com/pytorch/pytorch/pull/126525",
    )

    def variance(self, rows, mean):
        if self.x.dtype != np.float16:
            return super().variance(rows, mean)
        total = np.zeros(len(rows), np.float16)
        for values in (rows - mean[:, None]).astype(np.float16).T:
            total += values * values
        return total.astype(np.float64) / self.m


class ParametersFollowInput(Right):
    LABEL = label(
        "running_mean running_var gamma beta mean variance",
        "parameters and running statistics are cast to float16 before they are used",
        [both(HALF, r"(param|running|gamma|stored|statistics|moving|state)")],
        when="float16 input in inference",
        condition="not training and dtype == 'float16'",
        reject=[r"bfloat16|squares|blend|kept in|update"],
        reference="https://github.com/apple/coreai-torch/pull/54",
    )

    def inference_moments(self, rows):
        mean, var = super().inference_moments(rows)
        if self.x.dtype == np.float16:
            mean, var = (v.astype(np.float16).astype(np.float64) for v in (mean, var))
        return mean, var

    def output(self, x_hat):
        if self.training or self.x.dtype != np.float16:
            return super().output(x_hat)
        gamma, beta = (v.astype(np.float16)[:, None].astype(np.float32) for v in (self.gamma, self.beta))
        return x_hat * gamma + beta


class EpsMomentumSwapped(Right):
    LABEL = label(
        "eps decay",
        "eps and the weight of the new batch change places",
        [both("eps", r"(decay|momentum|weight of)")],
        reference="https://github.com/FluxML/Flux.jl/issues/216",
    )

    def __init__(self, config, gamma, beta, running_mean, running_var):
        super().__init__(config, gamma, beta, running_mean, running_var)
        if self.decay is not None:
            self.eps, self.decay = 1 - self.decay, 1 - self.eps


class GammaFixed(Right):
    LABEL = label(
        "gamma",
        "gamma counts as 1, and its gradient is 0",
        [
            both("gamma", LEFT_OUT),
            r"gamma.*(is|as|to|by|=) ?1\b",
            r"gamma.*\bone\b",
            r"gamma.{0,12}\b1 in its place",
            r"dgamma.*\b(0|zero)",
        ],
        reference="https://github.com/apache/mxnet/issues/15717",
    )

    def __init__(self, config, gamma, beta, running_mean, running_var):
        super().__init__(config, gamma, beta, running_mean, running_var)
        self.gamma[:] = 1

    def dgamma(self, dy, x_hat):
        return 0 * super().dgamma(dy, x_hat)


class OnePassVariance(Right):
    LABEL = label(
        "variance",
        "the variance is E[x²] - E[x]² in float32, not clamped",
        [r"E\[x", r"one.?pass", r"cancel", r"mean of (the )?squares", r"difference of (the )?moments"],
        when="training, seen where the mean is large beside the deviation",
        reference="https://github.com/google/flax/issues/1491",
    )

    def variance(self, rows, mean):
        mean = mean.astype(np.float32)
        return ((rows * rows).sum(1, dtype=np.float32) / np.float32(self.m) - mean * mean).astype(np.float64)


class NormalizedByBlend(Right):
    LABEL = label(
        "mean variance x_hat y",
        "training normalizes by the running statistics as they are after the update",
        [
            both(
                r"(mean|variance|statistic\w*|x_hat|normaliz\w*)\b[^;.]{0,60}\b(running|moving|frozen|inference's|inference statistics|another mode|other mode)",
                r"(used|place|taken|swapped|normaliz|instead|replac|mode|read|computed from|\bis running)",
            ),
            r"running (statistics|values|mean)[^;.]{0,30}normaliz",
            r"normaliz\w* (by|with) (the )?(running|blend)",
            r"(mean|variance|statistic\w*)\b[^;.](0, 60)\b(after|as updated|blended) ",
        ],
        reject=[
            r"^running|in inference|, inference|stored|m ?/ ?\(m|bits|channels|is blended|variance alone|batch's mean"
        ],
        when="training with running statistics",
        condition="training and tracked and (m > 0) and (decay is None or decay > 0)",
        reference="https://github.com/patrick-kidger/equinox/issues/659",
    )

    def normalized(self, rows, mean, r):
        if not self.training or not self.tracked:
            return super().normalized(rows, mean, r)
        new_mean, new_var = self.for_state(mean, self.variance(rows, mean))
        keep = self.decay_of("mean")
        mean = keep * self.running_mean + (1 - keep) * new_mean
        self.r = self.inverse_root(keep * self.running_var + (1 - keep) * new_var)
        return super().normalized(rows, mean, self.r)
