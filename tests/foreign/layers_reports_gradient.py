"""Layers rebuilt from public bug reports: what goes wrong in the gradients; and two on masks."""

import numpy as np
from foreign.labels import LEFT_OUT, RUNNING, both, label
from foreign.right import Right

TRAINING_TERMS = r"(train|batch|statistic|mean\(dy\)|mean_dy|other mode|another mode|projection)"


class EvaluationProjects(Right):
    LABEL = label(
        "dx mean_dy mean_dy_x_hat",
        "dx of inference has the two means that belong to training",
        [
            r"training (formula|terms?|gradient|backward|mode)|formula of (the )?(training|other|another)|another mode|other mode|terms? of training|through the statistics",
            both("infer|evaluat", r"(mean_dy|mean\(dy\)|projection|two means|batch statistics)"),
        ],
        reject=[r"dx of training|left out|missing"],
        when="inference",
        condition="not training and has_dy",
        reference="https://github.com/pytorch/xla/issues/913",
    )

    def dx(self, dy, x_hat, r):
        self.training, was = True, self.training
        try:
            return super().dx(dy, x_hat, r)
        finally:
            self.training = was


class ConstantStatistics(Right):
    LABEL = label(
        "dx mean_dy mean_dy_x_hat",
        "dx takes mean and variance for constants: gamma r dy, as in inference",
        [
            both(
                "dx|gradient",
                rf"(constant|{RUNNING}|other mode|another mode|detach|gamma ?[*·]? ?r ?[*·]? ?dy|through the statistics|both terms|two (means|terms))",
            ),
            both(r"(mean_dy\b|mean\(dy\))", r"(mean_dy_x_hat|x_hat)", LEFT_OUT),
        ],
        when="training",
        condition="training and has_dy and m > 0",
        reference="https://github.com/facebookresearch/CrypTen/pull/143",
    )

    def dx(self, dy, x_hat, r):
        return dy * (self.gamma * r)[:, None]


class BackwardHasItsOwnEps(Right):
    LABEL = label(
        "eps dx root",
        "the backward pass adds 1e-5 in place of the eps that is given",
        [both("eps", r"(dx|backward|gradient)"), both("dx|backward|gradient", r"1(\.0*)?e-0?5")],
        when="training and inference with eps other than 1e-5",
        condition="has_dy and eps != 1e-5 and m > 0",
        reference="https://github.com/pjreddie/darknet/issues/1723",
    )

    def dx(self, dy, x_hat, r):
        var = 1 / r**2 - self.eps
        other = 1 / np.sqrt(var + 1e-5)
        return super().dx(dy, x_hat * (other / r)[:, None], other)


class WeightGradientReadsFirst(Right):
    LABEL = label(
        "dgamma x_hat x dy",
        "dgamma pairs dy with x_hat read in another layout: channels first",
        [
            both(
                "dgamma|x_hat|dy",
                r"(layout|order|channels.?(first|last)|transpos|permut|stride|memory|reshap|axes|NCHW|NHWC|misread|axis)",
            )
        ],
        when="channels last, rank 3 or more",
        condition="has_dy and channels_last and C > 1 and m > 1",
        reference="https://github.com/pytorch/pytorch/issues/175189",
    )

    def dgamma(self, dy, x_hat):
        if self.x.ndim > 2 and self.config.channel_axes == (self.x.ndim - 1,):
            x_hat = self.back(x_hat).reshape(self.x.shape[0], self.gamma.size, -1).swapaxes(0, 1)
            x_hat = x_hat.reshape(self.gamma.size, -1)
        return super().dgamma(dy, x_hat)


class RootTakenAgain(Right):
    LABEL = label(
        "root variance dx dgamma x_hat",
        "backward takes the saved 1/std for a variance, and 1/sqrt(… + eps) of it",
        [
            r"invert",
            r"reciprocal",
            r"inverse",
            r"1 ?/ ?(std|sqrt|√)",
            r"r?sqrt\(r\b",
            both("root|sqrt|rsqrt", r"(twice|again|once more|two times)"),
            r"fourth root|[-−]?1/4",
        ],
        when="training and inference",
        condition="has_dy and m > 0",
        reject=[r"outside|left out|blend"],
        reference="https://github.com/flagos-ai/FlagGems/issues/5222",
    )

    def backward(self, dy, x_hat, dtype):
        saved, self.r = self.r, 1 / np.sqrt(self.r + self.eps)
        return super().backward(dy, x_hat * (self.r / saved)[:, None], dtype)


class BetaGradientPilesUp(Right):
    LABEL = label(
        "dbeta",
        "dbeta is added to that of the backward passes before",
        [both("dbeta", r"(accumul|added|previous|before|earlier|last step|cumul|piles|delayed|plus)")],
        reject=[r"float16|\bhalf\b|round|bits|x_hat"],
        when="from the second backward pass on",
        condition="has_dy and backward_before",
        reference="https://github.com/apache/mxnet/pull/18492",
    )

    def dbeta(self, dy, x_hat):
        self.piled = getattr(self, "piled", 0) + super().dbeta(dy, x_hat)
        return self.piled


class ManySmallPlanes(Right):
    LABEL = label(
        "dx mean_dy mean_dy_x_hat",
        "the second block of samples is not in the two sums of dx",
        [both(r"(dx|mean_dy)", r"(768|block|first|past|beyond|remain|rest|partial|left out|lost)")],
        when="training, N above 768 at planes of 1×1",
        condition="training and has_dy and N > 768 and m == N",
        reference="https://github.com/ROCm/MIOpen/issues/1109",
    )

    def some(self, values):
        return values[:, :768] if self.x.shape[0] == self.m else values

    def mean_dy(self, dy):
        return super().mean_dy(self.some(dy))

    def mean_dy_x_hat(self, dy, x_hat):
        return super().mean_dy_x_hat(self.some(dy), self.some(x_hat))


class _Masked(Right):
    """The layer with `train_masked`: NaN never enters, as values outside the mask are set to the mean."""

    mask = None

    def train_masked(self, x, dy, mask):
        self.mask = self.rows(np.broadcast_to(mask, x.shape)) > 0
        try:
            return self.step(x, dy, True)
        finally:
            self.mask = None

    def valid(self, rows):
        return np.ones(rows.shape, bool) if self.mask is None else self.mask

    def count(self, rows):
        counts = self.valid(rows).sum(1)
        return counts if self.mask is not None else rows.shape[1]

    def mean(self, rows):
        return np.where(self.valid(rows), rows, 0).sum(1, dtype=np.float64) / self.m

    def variance(self, rows, mean):
        away = np.where(self.valid(rows), rows - mean[:, None], 0)
        return (away**2).sum(1) / self.m

    def dx(self, dy, x_hat, r):
        if not self.training or self.mask is None:
            return super().dx(dy, x_hat, r)
        through = self.mean_dy(dy)[:, None] + x_hat * self.mean_dy_x_hat(dy, x_hat)[:, None]
        return (dy - np.where(self.mask, through, 0)) * (self.gamma * r)[:, None]

    def update(self, rows, mean, var):
        if self.mask is None:
            super().update(rows, mean, var)
            return
        decay, m = self.decay_of("mean"), self.m
        self.counts = {name: count + 1 for name, count in self.counts.items()}
        blended = decay * self.running_mean + (1 - decay) * mean
        self.running_mean = np.where(m > 0, blended, self.running_mean).astype(self.state_type)
        blended = decay * self.running_var + (1 - decay) * var * m / np.maximum(m - 1, 1)
        self.running_var = np.where(m > 1, blended, self.running_var).astype(self.state_type)


class MaskNotRead(Right):
    LABEL = label(
        "mask m mean variance",
        "the mask is accepted and not used",
        [both("mask", LEFT_OUT), both("mask", r"(all true|not used|unused|everything|every value)")],
        when="where a mask is given",
        condition="masked",
        reference="https://github.com/tensorflow/tensorflow/issues/30161",
    )

    def train_masked(self, x, dy, mask):
        return self.train(x, dy)


class MaskCountedBeforeBroadcast(_Masked):
    LABEL = label(
        "m mask count mean",
        "the mask's true entries are counted before it is broadcast: m is too small by the size of the axes it lacks",
        [both("mask|broadcast|expand", r"(broadcast|spatial|expand|own size|too small|of the mask|entries of|count)")],
        when="masks with an axis of size 1 that x has longer, beside the channels",
        reference="https://github.com/keras-team/keras/issues/19848",
    )

    def train_masked(self, x, dy, mask):
        whole = np.broadcast_to(mask, x.shape)
        mask = np.reshape(mask, (1,) * (x.ndim - np.ndim(mask)) + np.shape(mask))
        self.shrink = whole.any() and np.sum(mask) / np.sum(whole) * self.gamma.size
        axes = self.config.channel_axes
        if all(mask.shape[a] == x.shape[a] for a in axes):
            self.shrink /= self.gamma.size
        self.shrink = min(self.shrink or 1, 1)
        return super().train_masked(x, dy, mask)

    def count(self, rows):
        counts = super().count(rows)
        return counts if self.mask is None else np.maximum(counts * self.shrink, 1e-30)
