"""Invented: right but for some sizes, parities, ranks, layouts, parameters, values or histories."""

import numpy as np
from foreign.labels import LEFT_OUT, NOT_UPDATED, both, label
from foreign.right import Right


class OddValueLost(Right):
    LABEL = label(
        "mean m x count",
        "values are summed in pairs, and an odd last one is not in the mean",
        [
            both(
                r"(last|one value|a value|remain|left.?over|tail|unpaired|final)",
                r"(left out|lost|skip|miss|drop|omit|not (in|summed|counted|added|used)|ignor|without)",
            )
        ],
        when="training, m odd and above 1",
        condition="training and m % 2 == 1 and m > 1",
    )

    def mean(self, rows):
        even = rows.shape[1] - rows.shape[1] % 2
        if even in (0, rows.shape[1]):
            return super().mean(rows)
        return rows[:, :even].sum(1, dtype=np.float64) / self.m


class SequencesTurned(Right):
    LABEL = label(
        "x",
        "input of rank 3 is taken for (N, L, C) where it is (N, C, L)",
        [
            r"(layout|order|channels.?(first|last)|transpos|permut|reshap|NCL|NLC|N, ?L, ?C|misread|last axis|swapped ax|ax[ie]s)"
        ],
        when="rank 3, channels on axis 1",
        condition="rank == 3 and channel_axes == (1,) and C > 1 and m > N",
    )

    def rows(self, x):
        if x.ndim == 3 and self.config.channel_axes == (1,):
            x = x.reshape(x.shape[0], x.shape[2], x.shape[1]).swapaxes(1, 2)
        return super().rows(x)

    def back(self, rows):
        out = super().back(rows)
        turned = out.ndim == 3 and self.config.channel_axes == (1,)
        return np.ascontiguousarray(out.swapaxes(1, 2)).reshape(out.shape) if turned else out


class OddChannelUnscaled(Right):
    LABEL = label(
        "gamma beta y",
        "channels are scaled two at a time; an odd last one keeps y = x_hat",
        [
            both(r"(last channel|channel C ?[-−] ?1|last)", r"(gamma|scale|affine|x_hat)"),
            both("gamma|affine", LEFT_OUT, "channel"),
        ],
        reject=[r"inference|abs|next"],
        when="an odd number of channels",
        condition="C % 2 == 1 and affine and m > 0",
    )

    def output(self, x_hat):
        y = super().output(x_hat)
        if len(y) % 2:
            y[-1] = x_hat[-1]
        return y


class SingleSampleIsInference(Right):
    LABEL = label(
        "mean variance x_hat y",
        "a batch of one sample is normalized by the running statistics",
        [
            both(
                r"(mean|variance|statistic\w*|x_hat|normaliz\w*)\b[^;.]{0,60}\b(running|moving|frozen|inference's|inference statistics|another mode|other mode)",
                r"(used|place|taken|swapped|normaliz|instead|replac|mode|read|computed from|\bis running)",
            ),
            r"running (statistics|values|mean)[^;.]{0,30}normaliz",
            r"normaliz\w* (by|with) (the )?running",
        ],
        reject=[r"in inference|, inference|blended|stored|update|m ?/ ?\(m|bits|channels"],
        when="training, N = 1",
        condition="training and N == 1",
    )

    def normalized(self, rows, mean, r):
        if self.training and self.x.shape[0] == 1:
            mean, var = self.inference_moments(rows)
            self.r = r = self.inverse_root(var)
        return super().normalized(rows, mean, r)


class AxesFlattenedBackwards(Right):
    LABEL = label(
        "gamma beta",
        "parameters of several channel axes are laid out with the first axis fastest",
        [both("gamma|beta|param|affine|scale", r"(order|transpos|permut|layout|axes|axis|column|fortran|revers)")],
        when="several channel axes",
        condition="len(channel_axes) > 1 and affine",
    )

    def __init__(self, config, gamma, beta, running_mean, running_var):
        turn = lambda v: v if v is None or v.ndim < 2 else np.ravel(v, "F").reshape(v.shape)
        super().__init__(config, turn(gamma), turn(beta), running_mean, running_var)
        self.turned = len(config.channels) > 1

    def backward(self, dy, x_hat, dtype):
        out = super().backward(dy, x_hat, dtype)
        for name in ("dgamma", "dbeta"):
            if self.turned and name in out:
                out[name] = out[name].ravel().reshape(out[name].shape, order="F")
        return out


class ParameterGradientsTraded(Right):
    LABEL = label(
        "dgamma dbeta",
        "dgamma and dbeta come out in each other's place",
        [
            both(
                "dgamma",
                "dbeta",
                r"(swap|exchang|change places|interchang|in place of|taken for|each other|mixed|traded)",
            )
        ],
        when="channels last, rank 3 or more",
        condition="channels_last and has_dy and affine",
    )

    def backward(self, dy, x_hat, dtype):
        out = super().backward(dy, x_hat, dtype)
        if self.x.ndim > 2 and self.config.channel_axes == (self.x.ndim - 1,) and {"dgamma", "dbeta"} <= set(out):
            out["dgamma"], out["dbeta"] = out["dbeta"], out["dgamma"]
        return out


class EpsAtMostTenth(Right):
    LABEL = label(
        "eps",
        "eps above 0.1 counts as 0.1",
        [both("eps", r"(clamp|clip|at most|upper|min\(|\bcap|(is|becomes|to|as|of|by|constant|:) 0\.1\b)")],
        when="eps above 0.1",
        condition="eps > 0.1",
    )

    def inverse_root(self, var):
        return 1 / np.sqrt(var + min(self.eps, 0.1))


class DecayGuessed(Right):
    LABEL = label(
        "decay running_mean running_var",
        "a decay below one half is taken for the weight of the new batch, and turned round",
        [
            r"complement",
            r"1 ?[-−] ?decay",
            both("decay", r"(swap|invert|turned round|max\(|weight of the new|at least)"),
        ],
        when="training with decay below 0.5",
        condition="training and tracked and decay is not None and decay < 0.5 and m > 0",
        reject=[r"float16|bits"],
    )

    def __init__(self, config, gamma, beta, running_mean, running_var):
        super().__init__(config, gamma, beta, running_mean, running_var)
        self.decay = None if self.decay is None else max(self.decay, 1 - self.decay)


class NoScaleNoShift(Right):
    LABEL = label(
        "beta",
        "a layer without gamma leaves beta out as well",
        [both("beta", LEFT_OUT), r"\b0 ?(\*|times)? ?beta"],
        when="with beta and without gamma",
        condition="affine == 'beta'",
    )

    def __init__(self, config, gamma, beta, running_mean, running_var):
        super().__init__(config, gamma, beta, running_mean, running_var)
        if gamma is None:
            self.beta[:] = 0


class GammaWithoutSign(Right):
    LABEL = label(
        "gamma",
        "the absolute value of gamma is used",
        [both("gamma", r"(abs|\||magnitude|sign|negative|positive)")],
        when="channels with negative gamma",
        condition="'gamma' in affine",
    )

    def __init__(self, config, gamma, beta, running_mean, running_var):
        super().__init__(config, gamma, beta, running_mean, running_var)
        self.gamma = np.abs(self.gamma)


class EveryThirdStepForgotten(Right):
    LABEL = label(
        "running_mean running_var decay",
        "every third training step leaves the state as it was",
        [both(r"(third|\b3\b|every|some|step)", NOT_UPDATED)],
        when="training steps 3, 6, 9, …",
        condition="training and tracked and trained % 3 == 2 and m > 0",
    )

    def update(self, rows, mean, var):
        if self.trained % 3 != 2:
            super().update(rows, mean, var)


class CountOfFirstStep(Right):
    LABEL = label(
        "m mean variance count mean_dy",
        "m is remembered from the first step",
        [
            both(
                r"(\bm\b|count|divi|batch size)",
                r"(first|step 0|before|earlier|previous|stale|initial|as built|\bold\b|delayed|config|built for)",
            )
        ],
        when="training with another batch size than in the first step",
        condition="training and m != m_first and m > 0",
    )
    first = None

    def count(self, rows):
        self.first = self.first or rows.shape[1]
        return self.first if rows.shape[1] else 0


class ManyValuesAreSampled(Right):
    LABEL = label(
        "mean variance m x count",
        "past 512 values only every second one enters the statistics",
        [
            both(
                r"(every second|every other|half of|subset|subsampl|stride|sampled|even (position|index|value|place)|one in two|only (a )?part)",
                r"(value|mean|variance|statistic|sum|\bx\b)",
            )
        ],
        when="training, m > 512",
        condition="training and m > 512",
        reject=[r"float16"],
    )

    def some(self, rows):
        return rows[:, ::2] if rows.shape[1] > 512 else rows

    def mean(self, rows):
        return self.some(rows).mean(1, dtype=np.float64) if self.m > 512 else super().mean(rows)

    def variance(self, rows, mean):
        if self.m <= 512:
            return super().variance(rows, mean)
        return ((self.some(rows) - mean[:, None]) ** 2).mean(1)


class VolumesByPlane(Right):
    LABEL = label(
        "m mean variance",
        "rank 5 is taken plane by plane: the first spatial axis is not reduced",
        [
            r"axis 2|first spatial|depth|plane",
            both("axis|axes", r"(not reduced|left out|own|separate|kept)"),
            both(r"(each|every|per)", r"(plane|slice|depth|position)"),
        ],
        when="training, rank 5",
        condition="training and rank == 5 and shape[2] > 1",
    )

    def normalized(self, rows, mean, r):
        if not self.training or self.x.ndim != 5 or self.config.channel_axes != (1,):
            return super().normalized(rows, mean, r)
        planes = rows.astype(np.float64).reshape(len(rows), self.x.shape[0], self.x.shape[2], -1)
        away = planes - planes.mean((1, 3), keepdims=True)
        return (away / np.sqrt((away**2).mean((1, 3), keepdims=True) + self.eps)).reshape(rows.shape).astype(self.work)
