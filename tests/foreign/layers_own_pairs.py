"""Invented: two mistakes at once. A sentence must name both, in any order."""

import numpy as np
from foreign.labels import BATCH, BESSEL, BFLOAT, LEFT_OUT, NOT_UPDATED, both, label
from foreign.layers_own_precision import narrowed
from foreign.layers_right import Blocks
from foreign.right import Right
from ml_dtypes import bfloat16


class BiasedAndComplement(Right):
    LABEL = label(
        "running_var decay running_mean",
        "running_var has ddof 0, and decay weighs the new batch",
        [
            both(
                BESSEL, r"(complement|1 ?[-−] ?decay|decay.*(new|swap|exchang|invert)|(new|swap|exchang|invert).*decay)"
            )
        ],
        when="training",
        condition="training and tracked and m > 0",
    )

    def decay_of(self, name):
        decay = super().decay_of(name)
        return decay if self.decay is None else 1 - decay

    def for_state(self, mean, var):
        return mean, var


class RootAndShiftGradient(Right):
    LABEL = label(
        "root eps dbeta",
        "eps is added outside the root, and dbeta is the mean of dy",
        [both(r"eps", r"dbeta")],
    )

    def inverse_root(self, var):
        return 1 / (np.sqrt(var) + self.eps)

    def dbeta(self, dy, x_hat):
        return super().dbeta(dy, x_hat) / max(self.m, 1)


class SignAndStandstill(Right):
    LABEL = label(
        "gamma running_mean",
        "the absolute value of gamma is used, and running_mean never moves",
        [
            both(r"gamma.*(abs|\||magnitude|sign|negative)", both("mean", NOT_UPDATED)),
            both(r"(abs|\||magnitude|sign|negative).*gamma", both("mean", NOT_UPDATED)),
        ],
    )

    def __init__(self, config, gamma, beta, running_mean, running_var):
        super().__init__(config, gamma, beta, running_mean, running_var)
        self.gamma = np.abs(self.gamma)

    def update(self, rows, mean, var):
        before = self.running_mean
        super().update(rows, mean, var)
        self.running_mean = before


class TurnedAndDeviation(Right):
    LABEL = label(
        "dgamma running_var variance",
        "dgamma comes out one channel further on, and the standard deviation is blended into running_var",
        [
            both(
                r"dgamma",
                r"(next|shift|rotat|roll|permut|other channel|neighbo|one channel|order|cyclic)",
                r"(standard deviation|\bstd\b|root|sqrt)",
            )
        ],
    )

    def dgamma(self, dy, x_hat):
        return np.roll(super().dgamma(dy, x_hat), 1)

    def for_state(self, mean, var):
        mean, var = super().for_state(mean, var)
        return mean, np.sqrt(var)


class TermAndDigits(Right):
    LABEL = label(
        "mean_dy dx y",
        "dx lacks mean(dy) in training, and y of inference has 8 bits",
        [both(rf"(dx|mean_dy|mean\(dy\)).*{LEFT_OUT}", BFLOAT), both(rf"{LEFT_OUT}.*(dx|mean_dy|mean\(dy\))", BFLOAT)],
        reject=[r"\bfloat16"],
        condition="(training and has_dy and m > 0) or (not training and dtype != 'bfloat16')",
        when="training, and inference",
    )

    def mean_dy(self, dy):
        return 0 * super().mean_dy(dy)

    def output(self, x_hat):
        y = super().output(x_hat)
        return y if self.training else narrowed(y, bfloat16)


class BlocksAndEvaluation(Blocks):
    size = 64
    LABEL = label(
        "variance mean y",
        "the variance is the mean of that of blocks of 64, and inference uses the batch's own statistics",
        [
            both(
                r"block|partial|tile|chunk|between|merge|cross|pieces|groups? of|parts of",
                rf"({BATCH}|infer.*batch|batch.*infer)",
            )
        ],
        when="training with m > 64, and inference",
        condition="not training or m > 64",
    )

    def merge(self, left, others):
        total, mean, squares = super().merge(left, others)
        return total, mean, left[2] + others[2]

    def inference_moments(self, rows):
        mean = self.mean(rows)
        return mean, self.variance(rows, mean)


class EpsTwiceAndRunning(Right):
    LABEL = label(
        "eps running_mean running_var decay",
        "eps is added twice, and the state moves in inference as well",
        [
            both(
                "eps",
                r"(twice|\b2(\.0*)? ?[*·×]? ?eps|doubl|times 2|scaled by 2|by 2\b)",
                r"(running|state|infer|updat)",
            )
        ],
        reject=[r"blended with"],
    )

    def inverse_root(self, var):
        return 1 / np.sqrt(var + 2 * self.eps)

    def infer(self, x, dy):
        out = super().infer(x, dy)
        rows = self.rows(x)
        mean = self.mean(rows)
        with np.errstate(all="ignore"):
            self.update(rows, mean, self.variance(rows, mean))
        return out
