"""Wrong estimators of mean and variance."""

from dataclasses import replace

import numpy as np

from .extended import Base
from .record import mutant


class KnowsBatchSize(Base):
    """Remembers the size of axis 0 of the step, which a right layer has no use for."""

    def __init__(self, config, *tensors):
        super().__init__(config, *tensors)
        self.n = config.shape[0]

    def training_point(self, x, keep=None, moments=None):
        self.n = x.shape[0]
        return super().training_point(x, keep, moments)


@mutant("RUNNING_VAR_DDOF", "BN-3.3")
class RunningVarBiased(Base):
    """running_var blends the variance with ddof 0 where ddof 1 is declared."""

    def estimate(self, var, count):
        return var


@mutant("RUNNING_VAR_DDOF", "BN-3.3")
class RunningVarUnbiased(Base):
    """running_var blends the variance with ddof 1 where ddof 0 is declared."""

    conventions = replace(Base.conventions, running_ddof=0)

    def estimate(self, var, count):
        return var * np.where(count > 1, count / (count - 1), 1)


@mutant("RUNNING_MEAN_DDOF", "BN-3.3")
class RunningMeanScaled(Base):
    """The factor m/(m-1) is applied to the running mean as well."""

    def mean_estimate(self, mean, count):
        return mean * np.where(count > 1, count / (count - 1), 1)


@mutant("NORMALIZER_DDOF", "BN-2.2")
class NormalizerUnbiased(Base):
    """The output is normalized by the variance that goes into running_var, ddof 1."""

    def training_statistics(self, at, before):
        return at.mean, at.var * at.count / (at.count - 1)


@mutant("NORMALIZER_DDOF", "BN-2.2")
class VarianceUnbiased(Base):
    """One variance with ddof 1 serves the output, batch_var and running_var alike."""

    def variance(self, rows, mean, keep, count):
        return super().variance(rows, mean, keep, count - 1)

    def estimate(self, var, count):
        return var


@mutant("NORMALIZER_DDOF", "BN-4.1", "inference")
class InferenceVarianceScaled(Base):
    """Inference multiplies running_var by m/(m-1) of the batch it sees."""

    def inference_statistics(self, rows):
        m = rows.shape[1]
        return self.running["mean"], self.running["var"] * (m / max(m - 1, 1))


@mutant("DDOF_OVER_BATCH_ONLY", "BN-3.3")
class BesselOverBatch(KnowsBatchSize):
    """running_var is corrected by N/(N-1) of the batch axis, where m counts the spatial axes too."""

    def estimate(self, var, count):
        return var * (self.n / max(self.n - 1, 1))


@mutant("STATS_NOT_BATCH_VARIANCE", "BN-2.2", "divided by N once more")
class VarianceDividedTwice(KnowsBatchSize):
    """The mean of squares is divided by the batch size once more."""

    def variance(self, rows, mean, keep, count):
        return super().variance(rows, mean, keep, count) / max(self.n, 1)


@mutant("STATS_NOT_BATCH_VARIANCE", "BN-2.2", "mean absolute deviation")
class MeanDeviation(Base):
    """The spread is the mean absolute deviation times sqrt(pi/2), right for normal data only."""

    def variance(self, rows, mean, keep, count):
        return np.pi / 2 * (self.total(np.abs(rows - mean), keep) / count) ** 2


@mutant("STATS_NOT_BATCH_VARIANCE", "BN-2.2", "sum of squares")
class VarianceNotDivided(Base):
    """The variance is the sum of squared deviations, not their mean."""

    def variance(self, rows, mean, keep, count):
        return self.total((rows - mean) ** 2, keep)


@mutant("MEAN_NOT_SUBTRACTED", "BN-2.2", "variance")
class VarianceAboutZero(Base):
    """The variance is the mean of squares, with no mean taken off."""

    def variance(self, rows, mean, keep, count):
        return self.total(rows**2, keep) / count


@mutant("MEAN_NOT_SUBTRACTED", "BN-2.3", "output")
class OutputNotCentred(Base):
    """x is divided by the standard deviation, its mean stays in."""

    def normalize(self, rows, mean, r):
        return rows * r


@mutant("MEAN_NOT_SUBTRACTED", "BN-4.1", "inference output")
class InferenceNotCentred(Base):
    """Inference scales by the running deviation and leaves out the running mean."""

    def inference_statistics(self, rows):
        return np.zeros_like(self.running["mean"]), self.running["var"]


@mutant("ROOT_MISSING", "BN-2.3")
class DividedByVariance(Base):
    """x - mean is divided by var + eps, the root is forgotten."""

    def inverse_std(self, var):
        return 1 / (var + self.type.type(self.eps))


@mutant("POPULATION_NOT_UNBIASED", "BN-3.4")
class PopulationBiased(Base):
    """The population variance averages variances with ddof 0."""

    def population_variance(self, var, count):
        return var


@mutant("POPULATION_WEIGHTED", "BN-3.4")
class PopulationWeighted(Base):
    """The population statistics weigh every batch by its size."""

    def population_weights(self, counts):
        return [count / sum(counts) for count in counts]
