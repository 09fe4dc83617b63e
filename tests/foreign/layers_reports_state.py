"""Layers rebuilt from public bug reports: what goes wrong in the running statistics."""

import numpy as np
from foreign.labels import BESSEL, HALF, LEFT_OUT, NOT_UPDATED, ROUNDED, both, label
from foreign.right import Right


class TwoEpsStored(Right):
    LABEL = label(
        "running_var variance eps",
        "running_var is blended with variance + 2 eps",
        [both("eps", r"(running_var|running variance|blended|stored)"), r"2(\.0*)? ?(\*|·|times )? ?eps"],
        when="training",
        reject=[r"outside|left out|inverse|swap"],
        reference="https://github.com/flagos-ai/FlagGems/issues/4885",
    )

    def for_state(self, mean, var):
        mean, var = super().for_state(mean, var)
        return mean, var + 2 * self.eps


class BesselOnBoth(Right):
    LABEL = label(
        "running_mean mean",
        "the factor m/(m-1) is applied to the running mean too",
        [both("mean", BESSEL)],
        when="training, m > 1",
        condition="training and m > 1",
        reject=[r"running_var (uses|has|with)"],
        reference="https://github.com/chainer/chainer/issues/332",
    )

    def for_state(self, mean, var):
        factor = self.m / max(self.m - 1, 1)
        return mean * factor, var * factor


class BesselOverBatch(Right):
    LABEL = label(
        "running_var m count variance",
        "the factor is N/(N-1), of the batch size, where m/(m-1) is due",
        [
            r"N ?/ ?\(N ?[-−] ?1\)",
            r"(batch size|axis 0|samples|\bN\b) ?,? (in place of|for|instead of|rather than|where) .{0,12}\bm\b",
            r"(count|\bm\b|divi\w+|bessel|ddof).{0,30}(is|of|by|from|as|with|to|counts|N for) (the )?(\bN\b|batch size|size of axis 0|samples|axis 0)",
        ],
        when="training with spatial axes, 1 < N < m",
        condition="training and 1 < N < m",
        reference="https://github.com/NervanaSystems/ngraph-tf/pull/357",
    )

    def for_state(self, mean, var):
        samples = self.x.shape[0]
        return mean, var * (samples / (samples - 1) if samples > 1 else self.m / max(self.m - 1, 1))


class FusedIsSample(Right):
    conventions = Right.conventions.__class__(running_ddof=0, cannot=Right.conventions.cannot)
    ddof = 0
    LABEL = label(
        "running_var",
        "running_var has ddof 1 for images only, where the fused kernel runs; ddof 0 is declared",
        [BESSEL],
        reject=[r"\(m ?[-−] ?1\) ?/ ?m|infer|float16|N ?/ ?\(N|NaN|decay"],
        when="training, rank 4",
        condition="training and rank == 4 and m > 1",
        reference="https://github.com/tensorflow/tensorflow/issues/55545",
    )

    def for_state(self, mean, var):
        return mean, var * (self.m / (self.m - 1) if self.x.ndim == 4 and self.m > 1 else 1)


class MeanStaysPut(Right):
    LABEL = label(
        "running_mean",
        "running_mean never moves, running_var does",
        [both("mean", NOT_UPDATED)],
        when="training",
        condition="training and m > 0 and decay != 1",
        reference="https://github.com/apache/mxnet/issues/18751",
    )

    def update(self, rows, mean, var):
        before = self.running_mean
        super().update(rows, mean, var)
        self.running_mean = before


class FirstBatchReplaces(Right):
    LABEL = label(
        "running_mean running_var decay",
        "the first training step sets the running values to its own statistics, as if decay were 0",
        [
            both(r"(first|step 0|initial)", r"(replace|decay|overwrit|batch|weight|cumulative|initial value|set)"),
            r"decay (is |of |= ?)?0\b",
        ],
        when="the first training step",
        condition="training and trained == 0 and decay is not None and m > 0 and decay > 0",
        reference="https://github.com/patrick-kidger/equinox/issues/659",
    )

    def decay_of(self, name):
        return 0 if self.trained == 0 else super().decay_of(name)


class AverageOfInverseStd(Right):
    LABEL = label(
        "running_var variance root",
        "the running average is one of 1/sqrt(var + eps); running_var is its inverse square",
        [both(r"running|blend|average|state", r"(inverse|reciprocal|1 ?/ ?(sqrt|std)|1/√|rstd|harmonic|-1/2|power)")],
        when="training",
        condition="training and m > 0 and decay != 0",
        reference="https://github.com/torch/nn/pull/609",
    )

    def blend(self, name, old, new):
        if name == "mean":
            return super().blend(name, old, new)
        return super().blend(name, 1 / np.sqrt(old.astype(np.float64) + self.eps), 1 / np.sqrt(new + self.eps)) ** -2.0


class TakenForInverse(Right):
    LABEL = label(
        "running_var root variance",
        "inference multiplies by the stored variance as if it were 1/std",
        [
            both(r"(variance|running_var)", r"(inverse|reciprocal|1 ?/ ?std|1 ?/ ?sqrt|1/√|rstd)"),
            r"\broot\b.{0,40}(running_var|variance)",
            r"variance (itself )?(in place of|for|instead of|as) (the )?(root|r\b|1 ?/)",
        ],
        reject=[r"NaN|1 ?/ ?m\b|average|blend|twice"],
        when="inference",
        condition="not training",
        reference="https://github.com/ROCm/rocm-libraries/issues/2492",
    )

    def inverse_root(self, var):
        return super().inverse_root(var) if self.training else var


class ForwardRunsTwice(Right):
    LABEL = label(
        "running_mean running_var decay",
        "the state is updated twice where gradients are asked for: the forward pass runs again",
        [r"twice", r"two (times|updates)", r"decay ?(²|\*\*2|\^2|squared)", r"square of (the )?decay"],
        when="training with gradients",
        condition="training and has_dy and m > 0 and decay is not None and 0 < decay < 1",
        reference="https://github.com/pytorch/pytorch/issues/96136",
    )

    def update(self, rows, mean, var):
        for _ in range(2 if self.has_dy else 1):
            super().update(rows, mean, var)


class OneValueSpoilsVariance(Right):
    LABEL = label(
        "running_var variance m",
        "with one value a channel the factor m/(m-1) is 1/0 and running_var becomes NaN",
        [both(r"(running_var|variance)", r"(NaN|0/0|1/0|m ?= ?1|m is 1|one value|does not exist|do not exist)")],
        when="training, m = 1",
        condition="training and m == 1",
        reference="https://github.com/tensorflow/tensorflow/issues/34062",
    )

    def update(self, rows, mean, var):
        super().update(rows, mean, var)
        if self.m == 1:
            self.running_var = np.full_like(self.running_var, np.nan)


class EmptyBatchSpoilsMean(Right):
    LABEL = label(
        "running_mean running_var mean m",
        "an empty batch makes running_mean NaN and running_var decay",
        [both(r"(running|state)", r"(NaN|0/0|empty|m ?= ?0|m is 0|does not exist|do not exist)")],
        when="training, m = 0",
        condition="training and m == 0",
        reference="https://github.com/pytorch/pytorch/issues/12013",
    )

    def update(self, rows, mean, var):
        super().update(rows, mean, var)
        if self.m == 0:
            self.running_mean = np.full_like(self.running_mean, np.nan)
            self.running_var = (self.running_var * (0.9 if self.decay is None else self.decay)).astype(self.state_type)


class EvaluationMoves(Right):
    LABEL = label(
        "running_mean running_var",
        "evaluation with a gradient updates the running statistics as training does",
        [both(r"(running|state|statistic)", r"(updat|moves|blend|chang)", r"(infer|evaluat|frozen)")],
        when="inference with dy, rank 4 or 5",
        condition="not training and has_dy and rank in (4, 5) and m > 1",
        reject=[NOT_UPDATED],
        reference="https://github.com/FluxML/Flux.jl/issues/1429",
    )

    def infer(self, x, dy):
        out = super().infer(x, dy)
        if dy is not None and x.ndim in (4, 5):
            rows = self.rows(x)
            mean = self.mean(rows)
            self.update(rows, mean, self.variance(rows, mean))
        return out


class BesselInHalf(Right):
    LABEL = label(
        "running_var variance m count",
        "m and m-1 are rounded to float16, and so is their quotient",
        [
            both(HALF, r"(count|factor|ddof|bessel|m ?/ ?\(m|m ?[-−] ?1|\bm\b)"),
            both(r"(count|factor|ddof|bessel|m ?/ ?\(m|m ?[-−] ?1)", ROUNDED),
        ],
        when="float16 input in training",
        condition="training and dtype == 'float16' and m > 1",
        reject=[r"bfloat16|1 ?/ ?m\b|kept in|squares"],
        reference="https://github.com/tensorflow/tensorflow/issues/30230",
    )

    def for_state(self, mean, var):
        mean, _ = super().for_state(mean, var)
        kind = np.float16 if self.x.dtype == np.float16 else np.float64
        return mean, var * float(kind(self.m) / kind(max(self.m - 1, 1)))


class WeightsOfOne(Right):
    LABEL = label(
        "running_mean running_var decay",
        "new statistics enter with weight 1, not 1 - decay: a sum that fades",
        [
            both(
                r"(weight|new|statistic|batch|running|decay)",
                r"(weight (of )?1\b|weight (of )?one|full weight|1 ?/ ?\(1 ?[-−] ?decay\)|unweighted|not weighted|added whole|weigh.*\b1\b)",
            ),
            rf"1 ?[-−] ?decay.*{LEFT_OUT}",
            rf"{LEFT_OUT}.*1 ?[-−] ?decay",
            r"decay ?[*·]? ?(old|running)\w* ?\+ ?(new|batch|statistic)",
        ],
        when="training",
        condition="training and m > 0 and decay is not None and 0 < decay",
        reference="https://github.com/BVLC/caffe/issues/4885",
    )

    def blend(self, name, old, new):
        return super().blend(name, old, new) if self.decay is None else old * self.decay + new


class StatisticsSwappedIn(Right):
    LABEL = label(
        "running_mean running_var",
        "the given running_mean and running_var are set in each other's place",
        [
            both(
                r"(running_)?mean",
                r"(running_)?var",
                r"(swap|exchang|change places|interchang|in place of|taken for|each other|mixed)",
            )
        ],
        reference="https://github.com/gmalivenko/pytorch2keras/issues/120",
    )

    def __init__(self, config, gamma, beta, running_mean, running_var):
        super().__init__(config, gamma, beta, running_var, running_mean)


class ZeroDebias(Right):
    LABEL = label(
        "running_mean running_var decay",
        "averages start from 0 whatever was given, and are divided by 1 - decay^t",
        [
            r"debias",
            r"decay ?(\^|\*\*) ?[tn]",
            both(r"(initial|start|given)", r"(zero|\b0\b|left out|ignored|counts? for nothing)"),
            r"bias.?correct",
        ],
        when="training",
        condition="training and m > 0 and decay is not None and 0 < decay < 1",
        reference="https://github.com/keras-team/keras/pull/9003",
    )

    def blend(self, name, old, new):
        if self.decay is None or not 0 < self.decay < 1:
            return super().blend(name, old, new)
        steps = self.counts[name]
        hidden = old.astype(np.float64) * (1 - self.decay**steps)
        self.counts[name] += 1
        return (self.decay * hidden + (1 - self.decay) * new) / (1 - self.decay ** (steps + 1))
