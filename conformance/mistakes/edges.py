"""Wrong behaviour at the edges of the domain [BN-3.5, section 7]."""

import numpy as np

from .extended import Base
from .record import mutant
from .sound import expect


@mutant("DEGENERATE_POISONS_STATE", "BN-3.5", "m = 0: NaN")
class EmptyPoisons(Base):
    """An empty batch blends 0/0 into the state."""

    def has_mean(self, count):
        return count >= 0

    def has_variance(self, count):
        return (count == 0) | super().has_variance(count)


@mutant("DEGENERATE_POISONS_STATE", "BN-3.5", "m = 0: zeros")
class EmptyBlendsZeros(Base):
    """An empty batch blends mean 0 and variance 0 into the state."""

    def update(self, mean, var, count):
        empty = count == 0
        super().update(np.where(empty, 0, mean), np.where(empty, 0, var), np.where(empty, 2, count))


@mutant("DEGENERATE_POISONS_STATE", "BN-3.5", "m = 1: NaN")
class OneValuePoisons(Base):
    """A batch with m = 1 blends 0/0 into running_var."""

    def has_variance(self, count):
        return count > 0


@mutant("DEGENERATE_POISONS_STATE", "BN-3.5", "m = 1: 0")
class OneValueBlendsZero(Base):
    """With m = 1 the divisor m - 1 is raised to 1, and running_var blends in 0."""

    def estimate(self, var, count):
        return var * count / np.maximum(count - 1, 1)

    def has_variance(self, count):
        return count > 0


@mutant("DEGENERATE_SKIPPED", "BN-3.5", "m = 1: running_mean")
class OneValueSkipsMean(Base):
    """A step with m = 1 updates nothing, not even the mean, which exists."""

    def has_mean(self, count):
        return count > 1


@mutant("DEGENERATE_SKIPPED", "BN-3.5", "counts an empty step")
class EmptyCounted(Base):
    """A cumulative average counts an empty batch as a step."""

    def advance(self, which, new, exists):
        super().advance(which, new, exists)
        self.steps[which] = self.steps[which] + ~exists


@mutant("DEGENERATE_SKIPPED", "BN-7.4", "constant channel: state")
class ConstantSkipsState(Base):
    """A channel with variance 0 leaves its running values as they were."""

    def update(self, mean, var, count):
        super().update(mean, var, np.where(var == 0, 0, count))


@mutant("DEGENERATE_RAISES", "BN-7.3", "m = 1")
class OneValueRaises(Base):
    """A training batch with m = 1 raises."""

    def update(self, mean, var, count):
        expect(np.all(count != 1), "one value a channel", "BN-7.3")
        super().update(mean, var, count)


@mutant("DEGENERATE_RAISES", "BN-7.2", "m = 0")
class EmptyRaises(Base):
    """An empty training batch raises."""

    def update(self, mean, var, count):
        expect(np.all(count != 0), "empty batch", "BN-7.2")
        super().update(mean, var, count)


@mutant("DEGENERATE_RAISES", "BN-2.4", "eps = 0")
class EpsZeroRaises(Base):
    """eps = 0 raises."""

    def check_eps(self, eps):
        super().check_eps(eps)
        expect(eps > 0, "eps is 0", "BN-2.4")


@mutant("DEGENERATE_OUTPUT", "BN-7.2", "m = 0: dgamma")
class EmptyGradientNan(Base):
    """An empty batch gives NaN for dgamma and dbeta."""

    def gamma_gradient(self, dy, at):
        return super().gamma_gradient(dy, at) + (np.nan if not dy.size else 0)

    def beta_gradient(self, dy, at):
        return super().beta_gradient(dy, at) + (np.nan if not dy.size else 0)


@mutant("DEGENERATE_OUTPUT", "BN-7.3", "m = 1: y = x")
class OneValuePassedThrough(Base):
    """With m = 1 there is nothing to normalize, and x_hat is x."""

    def settle(self, at):
        at = super().settle(at)
        if at.training and at.x.shape[1] == 1:
            at.x_hat = at.x
        return at


@mutant("WRONG_STATS_FOR_MODE", "BN-7.3", "training with m = 1")
class OneValueUsesRunning(Base):
    """A training batch with m = 1 is normalized by the running statistics."""

    def training_statistics(self, at, before):
        return (before["mean"], before["var"]) if at.x.shape[1] == 1 else (at.mean, at.var)


@mutant("DEGENERATE_OUTPUT", "BN-7.4", "constant channel: y = 0")
class ConstantGivesZero(Base):
    """A channel with variance 0 gives y = 0, without its beta."""

    def affine(self, x_hat, at):
        return np.where(at.training & (at.var == 0), 0, super().affine(x_hat, at))


@mutant("DEGENERATE_OUTPUT", "BN-7.4", "constant channel: unit deviation")
class ConstantHasUnitStd(Base):
    """A variance of 0 is replaced by 1, which shows in dx."""

    def inverse_std(self, var):
        return np.where(var == 0, 1, super().inverse_std(var))


@mutant("DEGENERATE_OUTPUT", "BN-7.4", "constant channel and eps = 0: beta")
class ZeroByZeroIsZero(Base):
    """With eps = 0 a constant channel gives beta, where 0/0 is due."""

    def normalize(self, rows, mean, r):
        x_hat = super().normalize(rows, mean, r)
        return np.where(np.isinf(r), 0, x_hat)


@mutant("NONFINITE_LEAKS", "BN-7.1", "training, all channels")
class NonfiniteSpreads(Base):
    """Channel sums go through a product with zeros and ones, where 0 times NaN reaches every channel."""

    def total(self, rows, keep=None):
        sums = super().total(rows, keep)
        return sums + 0 * sums.sum()


@mutant("NONFINITE_LEAKS", "BN-7.1", "inference, whole channel")
class NonfiniteSpreadsInInference(Base):
    """In inference one NaN spoils its whole channel."""

    def affine(self, x_hat, at):
        y = super().affine(x_hat, at)
        return y if at.training else y + 0 * self.total(y)


@mutant("NONFINITE_HIDDEN", "BN-7.1", "NaN read as 0")
class NanReadAsZero(Base):
    """NaN and infinity in x are read as finite numbers."""

    def rows(self, array):
        return np.nan_to_num(super().rows(array))


@mutant("NONFINITE_HIDDEN", "BN-7.1", "left out of the sums")
class NanLeftOut(Base):
    """Mean and variance leave NaN and infinity out."""

    def total(self, rows, keep=None):
        return super().total(np.where(np.isfinite(rows), rows, 0), keep)


@mutant("NONFINITE_HIDDEN", "BN-7.1", "state skips the step")
class NonfiniteSkipsState(Base):
    """A channel whose statistics are not finite leaves its running values alone."""

    def update(self, mean, var, count):
        super().update(mean, var, np.where(np.isfinite(mean + var), count, 0))


@mutant("NONFINITE_HIDDEN", "BN-7.1", "output replaced")
class NanOutputReplaced(Base):
    """NaN in y is replaced by zero."""

    def affine(self, x_hat, at):
        y = super().affine(x_hat, at)
        return np.where(np.isnan(y), 0, y)


@mutant("NONFINITE_HIDDEN", "BN-7.1", "infinity clipped")
class InfinityClipped(Base):
    """Infinity in x is read as the largest finite number."""

    def rows(self, array):
        rows = super().rows(array)
        largest = np.finfo(self.type).max if self.type != bool else True
        return np.where(np.isinf(rows), np.copysign(largest, rows), rows).astype(self.type)


@mutant("DEGENERATE_RAISES", "BN-3.1", "decay = 0")
class DecayZeroRaises(Base):
    """decay = 0, a state that each step replaces, raises."""

    def check_decay(self, decay):
        super().check_decay(decay)
        expect(decay != 0, "decay is 0", "BN-3.1")
