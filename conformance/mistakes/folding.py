"""Wrong folding into the layer before [BN-4.3]."""

import numpy as np

from .extended import Base
from .record import mutant


@mutant("FOLD_WRONG_AXIS", "BN-4.3", "axis 0")
class FoldAlongAxis0(Base):
    """The weight is scaled along axis 0, which are the inputs of a transposed layer."""

    def fold_weight(self, weight, a, out_axis, groups):
        return weight * np.resize(a, len(weight)).reshape(-1, *[1] * (weight.ndim - 1))


@mutant("FOLD_WRONG_AXIS", "BN-4.3", "groups")
class FoldGroupsAlike(Base):
    """All groups of a transposed layer are scaled as the first one is."""

    def fold_weight(self, weight, a, out_axis, groups):
        return super().fold_weight(weight, a[: weight.shape[out_axis]], out_axis, 1)


@mutant("FOLD_WRONG_AXIS", "BN-4.3", "groups interleaved")
class FoldGroupsInterleaved(Base):
    """Outputs of a transposed layer are dealt out to the groups in turn, not in runs."""

    def fold_weight(self, weight, a, out_axis, groups):
        return super().fold_weight(weight, a.reshape(-1, groups).T.ravel(), out_axis, groups)


@mutant("FOLD_EPS", "BN-4.3", "missing")
class FoldWithoutEps(Base):
    """Folding leaves eps out."""

    def fold_inverse_std(self):
        return 1 / np.sqrt(self.running["var"])


@mutant("FOLD_EPS", "BN-4.3", "1e-5")
class FoldOtherEps(Base):
    """Folding uses eps = 1e-5, because eps is not part of the stored state."""

    def fold_inverse_std(self):
        return 1 / np.sqrt(self.running["var"] + self.type.type(1e-5))


@mutant("FOLD_EPS", "BN-4.3", "outside the root")
class FoldEpsOutsideRoot(Base):
    """Folding adds eps to the standard deviation."""

    def fold_inverse_std(self):
        return 1 / (np.sqrt(self.running["var"]) + self.type.type(self.eps))


@mutant("FOLD_BIAS_DROPPED", "BN-4.3", "bias")
class FoldDropsBias(Base):
    """The bias of the layer before is lost."""

    def fold_bias(self, a, bias):
        return super().fold_bias(a, 0 * bias)


@mutant("FOLD_BIAS_DROPPED", "BN-4.3", "its scaling")
class FoldBiasNotScaled(Base):
    """The bias of the layer before is added without the factor a."""

    def fold_bias(self, a, bias):
        return super().fold_bias(a, 0 * bias) + bias


@mutant("FOLD_MEAN_DROPPED", "BN-4.3")
class FoldDropsMean(Base):
    """The running mean does not enter the folded bias."""

    def fold_bias(self, a, bias):
        return super().fold_bias(a, bias) + a * self.running["mean"].ravel()


@mutant("FOLD_MEAN_DROPPED", "BN-4.3", "its sign")
class FoldAddsMean(Base):
    """The running mean enters the folded bias with the other sign."""

    def fold_bias(self, a, bias):
        return super().fold_bias(a, bias) + 2 * a * self.running["mean"].ravel()


@mutant("FOLD_GAMMA_IGNORED", "BN-4.3", "gamma")
class FoldDropsGamma(Base):
    """gamma does not enter the folded weight and bias."""

    @classmethod
    def fold(cls, config, weight, bias, *, gamma, **given):
        return super().fold(config, weight, bias, gamma=None, **given)


@mutant("FOLD_GAMMA_IGNORED", "BN-4.3", "beta")
class FoldDropsBeta(Base):
    """beta does not enter the folded bias."""

    def fold_bias(self, a, bias):
        return super().fold_bias(a, bias) - np.ravel(self.shift)


@mutant("ROOT_MISSING", "BN-4.3", "folding")
class FoldVarianceNotRooted(Base):
    """The weight is divided by var + eps, the root is forgotten."""

    def fold_inverse_std(self):
        return 1 / (self.running["var"] + self.type.type(self.eps))
