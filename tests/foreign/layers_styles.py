"""Mistakes that grow in other ways of writing the layer: recurrences, blocks, folded numbers, flat indices, saved roots."""

import numpy as np
from foreign.labels import ROUNDED, RUNNING, both, label
from foreign.layers_right import Blocks, Flat, Folded, Welford
from foreign.right import Right


class WelfordOldMeanTwice(Welford):
    LABEL = label(
        "variance deviation",
        "Welford's update multiplies the old deviation by itself: the variance is too large",
        [
            both(
                "variance|deviation",
                r"(welford|recurrence|before the update|old mean|previous mean|mean so far|partial mean|earlier mean|old deviation)",
            )
        ],
        when="training, m > 1",
        condition="training and m > 1",
        reject=[r"ddof|bessel|bfloat16|float16"],
    )

    def take(self, number, value, mean, squares):
        away = value - mean
        return mean + away / number, squares + away**2


class WelfordCountsFromTwo(Welford):
    LABEL = label(
        "mean count m",
        "the count of the recurrence starts at 2: the mean is sum(x)/(m+1)",
        [r"m ?\+ ?1", both("mean|count|m\\b", r"(one more|one too|extra|off by one|a zero (is )?added)")],
        when="training",
        condition="training and m > 0",
    )

    def take(self, number, value, mean, squares):
        return super().take(number + 1, value, mean, squares)


class WelfordSkipsLast(Welford):
    LABEL = label(
        "m mean variance x count",
        "values are taken four at a time, and what is left over does not enter mean and variance",
        [
            both(
                r"(last|remain|left.?over|what is left|tail|the rest|partial|⌊ ?m ?/ ?4|floor\(m ?/ ?4|m mod 4|m % 4)",
                r"(value|mean|sum|statistic|variance|count|\bm\b)",
            )
        ],
        reject=[r"channels|layout"],
        when="training, m not a multiple of 4",
        condition="training and m % 4 != 0 and m > 4",
    )

    def recur(self, rows):
        used = rows.shape[1] - rows.shape[1] % 4 or rows.shape[1]
        mean, squares = super().recur(rows[:, :used])
        return mean, squares * rows.shape[1] / used


class MergedByBlockCount(Blocks):
    LABEL = label(
        "mean variance m count",
        "blocks are merged as if all had the same count: the last, partial block weighs too much",
        [
            both("block|part|tail|merge|last|chunk", r"(weigh|count|equal|unweighted)"),
            r"unweighted",
            r"mean of (the )?means",
        ],
        when="training, m past 37 and not a multiple of it",
        condition="training and m > 37 and m % 37 != 0",
    )

    def merge(self, left, others):
        return super().merge(left, (self.size, others[1], others[2] * self.size / others[0]))

    def variance(self, rows, mean):
        padded = -(-self.m // self.size) * self.size
        return self.squares / padded if self.m > self.size else super().variance(rows, mean)


class MeanOfBlockVariances(Blocks):
    size = 64
    LABEL = label(
        "variance",
        "the variance is the mean of that of blocks of 64: what lies between the blocks is lost",
        [
            both(
                r"block|partial|tile|chunk|between|merge|cross|local|pieces|groups? of|parts of",
                r"(variance|mean|lost|left out|missing|cross)",
            )
        ],
        when="training, m > 64",
        condition="training and m > 64",
    )

    def merge(self, left, others):
        total, mean, squares = super().merge(left, others)
        return total, mean, left[2] + others[2]


class FoldedWithoutScale(Folded):
    LABEL = label(
        "beta mean y",
        "the folded constant is beta - mean: the scale is left off the mean",
        [
            both(
                "mean|shift|constant|folded",
                r"(unscaled|not (scaled|multiplied)|without (gamma|the scale|scale|a\b)|beta ?[-−] ?mean|scale is left|(a|gamma|r|scale|root) .{0,20}(left (out|off)|missing|omit))",
            )
        ],
        when="inference",
        condition="not training",
    )

    def output(self, x_hat):
        if self.training:
            return super().output(x_hat)
        mean, r = self.factors
        return (self.gamma * r)[:, None] * self.whole + (self.beta - mean)[:, None]


class FoldedInBrain(Folded):
    LABEL = label(
        "gamma beta root y",
        "the two folded numbers a and b are stored with 8 bits",
        [r"(bfloat16|bf16|\b[78].?bits?)", both("fold|a x|affine|scale|coefficient|a and b", ROUNDED)],
        when="inference",
        condition="not training",
    )

    def output(self, x_hat):
        if self.training:
            return super().output(x_hat)
        from ml_dtypes import bfloat16

        a, b = (v.astype(bfloat16).astype(np.float32)[:, None] for v in self.coefficients(*self.factors))
        return a * self.whole + b


class FlatWrongStride(Flat):
    LABEL = label(
        "x mean variance gamma beta",
        "the channel of an element is its index modulo C wherever it lies: NCHW memory is read as NHWC",
        [
            r"(layout|memory|channels.?(first|last)|transpos|permut|stride|reshap|NCHW|NHWC|misread|modulo|interleav|read as)"
        ],
        reject=[r"dgamma pairs|\bpast\b"],
        when="one channel axis that is not the last",
        condition="len(channel_axes) == 1 and channel_axes[0] < rank - 1 and C > 1 and m != N",
    )

    def table(self, x):
        if len(self.config.channel_axes) > 1:
            return super().table(x)
        return np.arange(x.size) % self.channels


class FlatChannelsSlide(Flat):
    LABEL = label(
        "beta gamma",
        "beta is read one channel further on",
        [both("beta", r"(next|shift|rotat|roll|permut|other channel|neighbo|one channel|order|cyclic|index)")],
        condition="'beta' in affine and C > 1",
        when="more than one channel",
    )

    def answer(self, x, dy, table, mean, r, m):
        out = super().answer(x, dy, table, mean, r, m)
        return out | {"y": out["y"] - self.beta[table] + np.roll(self.beta, -1)[table]}


class FlatDivisorOnce(Flat):
    LABEL = label(
        "m mean_dy mean_dy_x_hat count",
        "the backward pass divides by the m of the first step",
        [
            both(
                r"(\bm\b|count|divi|mean_dy|batch size)",
                r"(first|before|earlier|previous|stale|initial|as built|\bold\b|delayed|built for)",
            )
        ],
        when="training with another batch size than in the first step",
        condition="training and has_dy and m != m_first and m > 0",
    )
    first = None

    def through(self, out, table, x_hat, m):
        if m:
            self.first = self.first or m
        return super().through(out, table, x_hat, m and self.first)


class SavedRootOfEvaluation(Right):
    LABEL = label(
        "root running_var running_mean x_hat mean variance",
        "statistics for inference are looked up once and kept: later training steps do not reach them",
        [
            both(
                RUNNING + "|root|statistic",
                r"(stale|cach|not refreshed|lag|delay|earlier|previous|first (inference|use|evaluation)|looked up once|saved|as (they|it) (was|were))",
            )
        ],
        reject=[r"float16|bits|backward|dgamma|dx"],
        when="inference that follows an inference and a training step",
        condition="not training and used > 0 and trained > trained_when_first_used",
    )
    kept = None

    def inference_moments(self, rows):
        self.kept = self.kept or super().inference_moments(rows)
        return self.kept


class SavedHatOfStepBefore(Right):
    LABEL = label(
        "dgamma x_hat",
        "dgamma pairs dy with the x_hat that was saved a step before",
        [both("dgamma|x_hat", r"(previous|before|earlier|stale|saved|delayed|last step)")],
        when="from the second step on, shapes alike",
        condition="has_dy and step > 0",
    )
    saved = None

    def dgamma(self, dy, x_hat):
        before, self.saved = self.saved, x_hat
        return super().dgamma(dy, x_hat if before is None or before.shape != dy.shape else before)


class WelfordMeanInHalf(Welford):
    LABEL = label(
        "mean",
        "the mean is kept in float16 while it is updated value by value",
        [both("mean", r"((?<!b)float16|\bhalf\b|fp16|1[01].?bits?)")],
        when="training, m > 0",
        condition="training and m > 0",
        reject=[r"bfloat16"],
    )

    def take(self, number, value, mean, squares):
        mean, squares = super().take(number, value, mean, squares)
        return mean.astype(np.float16).astype(np.float64), squares
