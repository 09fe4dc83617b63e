"""Wrong masks, synchronized statistics, batch renormalization and folding."""

import numpy as np

from .extended import Base
from .record import mutant


@mutant("MASK_IGNORED", "BN-6.1")
class MaskIgnored(Base):
    """The mask is accepted and not used."""

    def keep(self, mask, x):
        return np.ones_like(super().keep(mask, x))


@mutant("MASK_COUNT", "BN-6.1", "all values")
class MaskedSumOverAll(Base):
    """Masked sums are divided by the number of all values."""

    def count(self, rows, keep):
        return super().count(rows, None)


@mutant("MASK_COUNT", "BN-6.1", "not broadcast")
class MaskCountNotBroadcast(Base):
    """The count is that of the mask as given, not of the mask broadcast over space."""

    def train_masked(self, x, dy, mask):
        self.shrink = max(np.sum(np.broadcast_to(mask, x.shape)) / max(np.sum(mask), 1) / len(self.rows(x)), 1)
        return super().train_masked(x, dy, mask)

    def count(self, rows, keep):
        count = super().count(rows, keep)
        return count if keep is None else count / self.type.type(self.shrink)


@mutant("MASK_COUNT", "BN-6.1", "of all channels")
class MaskCountOfAllChannels(Base):
    """One count, the mean over the channels, serves a mask that differs from channel to channel."""

    def count(self, rows, keep):
        count = super().count(rows, keep)
        return np.full_like(count, count.mean())


@mutant("MASK_COUNT", "BN-6.1", "plus epsilon")
class MaskCountPlusEpsilon(Base):
    """Masked sums are divided by the count plus 1e-7: float64 shows it, and a mask that marks nothing gives mean and
    variance 0."""

    def count(self, rows, keep):
        count = super().count(rows, keep)
        return count if keep is None else count + self.type.type(1e-7)


@mutant("MASK_COUNT", "BN-3.3", "running_var")
class MaskedBesselOverAll(Base):
    """The factor m/(m-1) of running_var counts the masked-out values too."""

    def train_masked(self, x, dy, mask):
        self.all = x.size // len(self.rows(x))
        return super().train_masked(x, dy, mask)

    def estimate(self, var, count):
        return super().estimate(var, np.where(count > 1, getattr(self, "all", count), count))


@mutant("MASK_INVERTED", "BN-6.1")
class MaskInverted(Base):
    """True marks padding."""

    def keep(self, mask, x):
        return ~super().keep(mask, x)


@mutant("MASK_IGNORED", "BN-6.1", "variance")
class MaskedMeanOnly(Base):
    """The mean is masked, the variance is not."""

    def variance(self, rows, mean, keep, count):
        return super().variance(rows, mean, None, super().count(rows, None))


@mutant("MASK_IGNORED", "BN-6.1", "variance of zeros")
class MaskedByZeros(Base):
    """Masked values are set to zero and their deviations from the mean still enter the variance."""

    def variance(self, rows, mean, keep, count):
        return super().variance(rows if keep is None else np.where(keep, rows, 0), mean, None, count)


@mutant("MASK_OUTPUT", "BN-6.1", "zero")
class MaskedOutputZero(Base):
    """y is zero where the mask is false."""

    def affine(self, x_hat, at):
        y = super().affine(x_hat, at)
        return y if at.keep is None else np.where(at.keep, y, 0)


@mutant("MASK_OUTPUT", "BN-6.1", "passed through")
class MaskedOutputPassedThrough(Base):
    """y is x where the mask is false."""

    def affine(self, x_hat, at):
        y = super().affine(x_hat, at)
        return y if at.keep is None else np.where(at.keep, y, at.x)


@mutant("MASK_GRADIENT", "BN-6.2", "terms everywhere")
class MaskGradientEverywhere(Base):
    """The terms through the statistics enter dx where the mask is false too."""

    def through(self, w, at):
        return self.first(w, at) + self.second(w, at)


@mutant("MASK_GRADIENT", "BN-6.2", "masked sums")
class MaskGradientOfMarked(Base):
    """The means in dx leave out the positions that the mask leaves out, whose y depends on the statistics all the
    same."""

    def mean_of(self, w, at):
        return self.total(w, at.keep) / at.count


@mutant("MASK_GRADIENT", "BN-6.2", "zero")
class MaskGradientZero(Base):
    """dx is zero where the mask is false."""

    def gradient(self, dy, at):
        dx = super().gradient(dy, at)
        return dx if at.keep is None else np.where(at.keep, dx, 0)


@mutant("MASK_GRADIENT", "BN-6.2", "parameters")
class MaskParameterGradients(Base):
    """dgamma and dbeta sum over the marked positions only."""

    def gamma_gradient(self, dy, at):
        return self.total(dy * at.x_hat, at.keep)

    def beta_gradient(self, dy, at):
        return self.total(dy, at.keep)


@mutant("SYNC_NOT_COUNT_WEIGHTED", "BN-6.3")
class ShardsWeighEqually(Base):
    """Each shard has the same weight, whatever its size."""

    def weights(self, counts):
        return [1 / len(counts)] * len(counts)


@mutant("SYNC_MEAN_OF_LOCAL_VAR", "BN-6.3")
class MeanOfLocalVariances(Base):
    """The variance is the weighted mean of the shards' own; the spread of their means is left out."""

    def offset(self, part, mean):
        return 0


@mutant("SYNC_LOCAL_ONLY", "BN-6.3")
class ShardsAlone(Base):
    """Each shard is a batch of its own; the state sees one after the other."""

    def train_shards(self, x, dy, sizes):
        cuts = np.cumsum(sizes)[:-1]
        parts = zip(np.split(x, cuts), np.split(dy, cuts))
        outs = [self.train(part, grad) for part, grad in parts if len(part)]
        joined = {name: np.concatenate([out[name] for out in outs]) for name in ("y", "dx")}
        return outs[-1] | joined


@mutant("SYNC_STATE_LOCAL", "BN-6.3")
class StateOfFirstShard(Base):
    """The output is synchronized, the state takes the statistics of the first shard."""

    def train_shards(self, x, dy, sizes):
        kept = self.update
        self.update = lambda mean, var, count: kept(*self.moments(self.rows(x[: sizes[0]])))
        try:
            return super().train_shards(x, dy, sizes)
        finally:
            self.update = kept


@mutant("SYNC_STATE_LOCAL", "BN-3.3", "ddof")
class BesselOfFirstShard(Base):
    """The factor m/(m-1) of running_var is that of the largest shard, not of the whole batch."""

    share = 1.0

    def train_shards(self, x, dy, sizes):
        self.share = max(sizes) / sum(sizes)
        return super().train_shards(x, dy, sizes)

    def estimate(self, var, count):
        return super().estimate(var, count * self.type.type(self.share))


@mutant("SYNC_GRADIENT", "BN-6.3", "parameter gradients times shards")
class GradientsReducedTwice(Base):
    """dgamma and dbeta are summed over the shards twice."""

    shards = 1

    def train_shards(self, x, dy, sizes):
        self.shards = len(sizes)
        return super().train_shards(x, dy, sizes)

    def gamma_gradient(self, dy, at):
        return super().gamma_gradient(dy, at) * (self.shards if at.training else 1)

    def beta_gradient(self, dy, at):
        return super().beta_gradient(dy, at) * (self.shards if at.training else 1)


@mutant("SYNC_GRADIENT", "BN-6.3", "dx: local means")
class GradientMeansLocal(Base):
    """The statistics are synchronized, the means in dx are those of the first shard."""

    first_shard = 1.0

    def train_shards(self, x, dy, sizes):
        self.first_shard = sizes[0] / sum(sizes)
        return super().train_shards(x, dy, sizes)

    def mean_of(self, w, at):
        if self.first_shard == 1.0:
            return super().mean_of(w, at)
        part = w[:, : round(w.shape[1] * self.first_shard)]
        return self.total(part) / self.count(part, None)


@mutant("DEGENERATE_POISONS_STATE", "BN-6.3", "empty shard")
class EmptyShardPoisons(Base):
    """The NaN of an empty shard enters the merged statistics."""

    def train_shards(self, x, dy, sizes):
        self.factor_of_empty = np.nan if 0 in sizes else 1
        return super().train_shards(x, dy, sizes)

    def merge(self, means, variances, counts):
        mean, var, count = super().merge(means, variances, counts)
        return mean * self.type.type(self.factor_of_empty), var * self.type.type(self.factor_of_empty), count


@mutant("RENORM_NOT_CLIPPED", "BN-6.4", "r")
class RenormFactorNotClipped(Base):
    """r is not limited."""

    def factor(self, at, running_r, r_max):
        return running_r / at.r


@mutant("RENORM_NOT_CLIPPED", "BN-6.4", "r from below")
class RenormFactorClippedAboveOnly(Base):
    """r is limited from above only."""

    def factor(self, at, running_r, r_max):
        return np.minimum(running_r / at.r, r_max)


@mutant("RENORM_NOT_CLIPPED", "BN-6.4", "d")
class RenormShiftNotClipped(Base):
    """d is not limited."""

    def displacement(self, at, running_mean, running_r, d_max):
        return (at.mean - running_mean) * running_r


@mutant("RENORM_FACTOR_INVERTED", "BN-6.4")
class RenormFactorInverted(Base):
    """r is the running deviation over that of the batch."""

    def factor(self, at, running_r, r_max):
        return np.clip(at.r / running_r, 1 / r_max, r_max)


@mutant("RENORM_STATE_AFTER", "BN-6.4")
class RenormAfterUpdate(Base):
    """r and d come from the running values after the step."""

    def running_for_renorm(self, before):
        return self.running


@mutant("RENORM_DIFFERENTIATED", "BN-6.4", "dx: r")
class RenormGradientWithoutFactor(Base):
    """dx lacks the factor r."""

    def renorm_dx(self, dy, at, r):
        return self.gradient(dy, at)


@mutant("RENORM_DIFFERENTIATED", "BN-6.4", "dgamma: d")
class RenormGammaGradientPlain(Base):
    """dgamma sums dy x_hat, without r and d."""

    def renorm_dgamma(self, dy, at, r, d):
        return self.total(dy * at.x_hat)


@mutant("RENORM_IGNORED", "BN-6.4")
class RenormIgnored(Base):
    """Batch renormalization is plain training."""

    def train_renorm(self, x, dy, r_max, d_max):
        self.check_limits(r_max, d_max)
        return self.train(x, dy)


@mutant("RENORM_SHIFT_DROPPED", "BN-6.4", "sign")
class RenormShiftNegated(Base):
    """d has the other sign."""

    def displacement(self, at, running_mean, running_r, d_max):
        return -super().displacement(at, running_mean, running_r, d_max)


@mutant("RENORM_SHIFT_DROPPED", "BN-6.4", "missing")
class RenormShiftMissing(Base):
    """Only the deviation is corrected, not the mean."""

    def displacement(self, at, running_mean, running_r, d_max):
        return 0 * at.mean


@mutant("RENORM_SHIFT_DROPPED", "BN-6.4", "divided by the batch's deviation")
class RenormShiftByBatchStd(Base):
    """d is divided by the deviation of the batch, not by the running one."""

    def displacement(self, at, running_mean, running_r, d_max):
        return super().displacement(at, running_mean, at.r, d_max)
