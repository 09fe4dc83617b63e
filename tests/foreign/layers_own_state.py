"""Invented: the running statistics, what is blended into them, and what inference makes of them."""

import numpy as np
from foreign.labels import both, label
from foreign.right import Right


class DeviationStored(Right):
    LABEL = label(
        "running_var variance",
        "the standard deviation is blended into running_var",
        [both("running_var|blend|state|stored", r"(standard deviation|\bstd\b|square root|root of|sqrt)")],
        when="training",
        condition="training and tracked and m > 1",
        reject=[r"inverse|reciprocal|1/std|dgamma|infer"],
    )

    def for_state(self, mean, var):
        mean, var = super().for_state(mean, var)
        return mean, np.sqrt(var)


class DecaySquaredForVariance(Right):
    LABEL = label(
        "running_var decay",
        "running_var decays with decay², running_mean with decay",
        [
            both("decay|twice", r"(²|\*\*2|\^2|squared|twice|square|two)"),
            both("running_var", r"(twice|another decay|other decay|faster)"),
        ],
        when="training",
        condition="training and tracked and m > 1 and decay is not None and 0 < decay < 1",
    )

    def decay_of(self, name):
        decay = super().decay_of(name)
        return decay**2 if name == "var" and self.decay is not None else decay


class OneStepLate(Right):
    LABEL = label(
        "running_mean running_var mean variance",
        "each training step blends the statistics of the step before; the first blends nothing",
        [r"(\blate\b|delay|step before|before|previous|\blag|last step|step behind|one step)"],
        when="training",
        condition="training and tracked and m > 0",
    )
    waiting = None

    def update(self, rows, mean, var):
        now, self.waiting = self.waiting, (mean, var)
        if now is not None:
            super().update(rows, *now)


class OnlyGrows(Right):
    LABEL = label(
        "running_var",
        "running_var is never allowed to fall",
        [
            both(
                "running_var|variance",
                r"(grow|max|never.*(fall|smaller|less|decreas)|monoton|at least|larger of|clamp|not below|only (rises|up))",
            )
        ],
        when="training, where the variance is smaller than the running one",
        condition="training and tracked and m > 1",
    )

    def update(self, rows, mean, var):
        before = self.running_var
        super().update(rows, mean, var)
        self.running_var = np.maximum(before, self.running_var)


class MomentNotCentred(Right):
    LABEL = label(
        "running_var variance",
        "E[x²] is blended into running_var",
        [
            r"E\[x",
            r"uncent|not cent",
            r"second moment|raw moment|mean square",
            both("squares?|x²", r"(mean|left out|without)"),
            both("mean", r"not subtracted"),
        ],
        when="training",
        condition="training and tracked and m > 1",
    )

    def update(self, rows, mean, var):
        super().update(rows, mean, var + mean**2)


class CentredAtRunningMean(Right):
    LABEL = label(
        "running_var variance deviation",
        "the variance that is blended is taken about the running mean",
        [
            r"(about|around|from|centred (at|on|about)|centered (at|on|about)) (the )?(running|old|previous|moving)",
            both(
                "deviation|variance",
                r"(running_mean|running mean|old mean)",
                r"(subtract|cent(re|er)|about|around|deviation|squared|distance|in place of|added)",
            ),
        ],
        when="training",
        condition="training and tracked and m > 1",
    )

    def update(self, rows, mean, var):
        away = mean - self.running_mean.astype(np.float64)
        super().update(rows, mean, var + away**2)


class InitialValueCounts(Right):
    LABEL = label(
        "decay count running_mean running_var",
        "the cumulative average counts the initial value as a first step",
        [both(r"(count|cumulative|decay|average|weight)", r"(initial|one more|one too|off by one|[tnk] ?\+ ?[12])")],
        when="training with a cumulative average",
        condition="training and tracked and decay is None and m > 0",
    )

    def decay_of(self, name):
        return super().decay_of(name) if self.decay is not None else 1 - 1 / (self.counts[name] + 2)


class EvaluationFades(Right):
    LABEL = label(
        "running_var running_mean",
        "each inference step multiplies running_var by 0.99",
        [
            both("running_var|state|running|variance", r"(0\.99|scaled|multipl|fade|shrink)"),
            both("running_var|state|running", r"(moves|updated|changes)", r"(infer|evaluat)"),
        ],
        reject=[r"m ?/ ?\(m|inverse|1/std|never"],
        when="inference",
        condition="not training and tracked",
    )

    def infer(self, x, dy):
        out = super().infer(x, dy)
        self.running_var = (self.running_var * 0.99).astype(self.state_type)
        return out


class SharedByChannels(Right):
    LABEL = label(
        "running_mean mean",
        "running_mean is blended with the mean over all channels",
        [
            both(
                "mean",
                r"(all channels|over (the )?channels|across (the )?channels|averaged|same in|one value|every channel|of channels|shared|pooled)",
            )
        ],
        when="training, more than one channel",
        condition="training and tracked and C > 1 and m > 0",
    )

    def for_state(self, mean, var):
        mean, var = super().for_state(mean, var)
        return np.full_like(mean, mean.mean()), var


class StateOfOutput(Right):
    LABEL = label(
        "running_mean mean x",
        "running_mean is blended with gamma times the mean",
        [both("mean", r"(?<!d)gamma")],
        when="training with gamma",
        condition="training and tracked and 'gamma' in affine and m > 0",
    )

    def for_state(self, mean, var):
        mean, var = super().for_state(mean, var)
        return mean * self.gamma, var


class BesselTurnedRound(Right):
    LABEL = label(
        "running_var m variance",
        "the factor is (m-1)/m where m/(m-1) is due",
        [
            r"\(m ?[-−] ?1\)\)? ?/ ?m\b",
            r"(inverted|turned|reciprocal|inverse|upside).{0,40}(bessel|ddof|m ?/ ?\(m)",
            r"(bessel|ddof|m ?/ ?\(m).{0,40}(inverted|turned|reciprocal|inverse|upside|divided by)",
            r"\(1 ?[-−] ?1 ?/ ?m\)",
        ],
        reject=[r"uses ddof 0"],
        when="training, m > 1",
        condition="training and tracked and m > 1",
    )

    def for_state(self, mean, var):
        return mean, var * (self.m - 1) / self.m if self.m > 1 else var


class InferenceCentresOnBatch(Right):
    LABEL = label(
        "mean running_mean",
        "inference subtracts the batch's own mean, and divides by the running deviation",
        [
            r"batch('s)? (own )?mean|(own|batch|training) mean|mean (of|from) (the|this|its own) batch|batch_mean|\bmean\b[^;.]{0,40}(another mode|other mode|training statistic|of the batch|of training)"
        ],
        when="inference",
        condition="not training and m > 0",
        reject=[r"batch variance|variance of the batch"],
    )

    def inference_moments(self, rows):
        return self.mean(rows), super().inference_moments(rows)[1]


class BesselAgainInInference(Right):
    LABEL = label(
        "running_var variance m",
        "inference multiplies running_var by m/(m-1) of the batch at hand",
        [both(r"(ddof|bessel|m ?/ ?\(m ?[-−] ?1\)|unbiased)", r"(infer|evaluat|at hand)")],
        when="inference, m > 1",
        condition="not training and m > 1",
    )

    def inference_moments(self, rows):
        mean, var = super().inference_moments(rows)
        return mean, var * self.m / max(self.m - 1, 1)


class WeightInEighths(Right):
    LABEL = label(
        "running_mean running_var decay",
        "the weight of a new batch is rounded up to a multiple of 1/8",
        [both("decay|weight", r"(round|quantiz|bits|multiple of|1/8|eighth)")],
        when="training with a decay that is no multiple of 1/8",
        condition="training and tracked and decay is not None and decay * 8 % 1 and m > 0",
    )

    def decay_of(self, name):
        decay = super().decay_of(name)
        return decay if self.decay is None else 1 - np.ceil((1 - decay) * 8) / 8


class OldMeanWithoutSign(Right):
    LABEL = label(
        "running_mean",
        "the old running_mean enters the blend without its sign",
        [both("mean", r"(abs|\||sign|negativ|negat|positive|magnitude)")],
        when="training, channels whose running mean is negative",
    )

    def update(self, rows, mean, var):
        self.running_mean = np.abs(self.running_mean) if self.m > 0 else self.running_mean
        super().update(rows, mean, var)
