"""Wrong eps: place, value, and where it is forgotten."""

import numpy as np

from .extended import Base
from .record import mutant


class OtherEps(Base):
    """Computes with another eps than the one given; the given one is still checked."""

    def inverse_std(self, var):
        return 1 / np.sqrt(var + self.type.type(self.used()))


@mutant("EPS_STORED", "BN-3.1")
class EpsStored(Base):
    """running_var blends batch_var + eps, and inference adds eps again."""

    def estimate(self, var, count):
        return super().estimate(var, count) + self.type.type(self.eps)


@mutant("EPS_OUTSIDE_ROOT", "BN-2.3")
class EpsOutsideRoot(Base):
    """x - mean is divided by sqrt(var) + eps."""

    def inverse_std(self, var):
        return 1 / (np.sqrt(var) + self.type.type(self.eps))


@mutant("EPS_OUTSIDE_ROOT", "BN-4.1", "inference")
class EpsOutsideRootInference(Base):
    """Inference divides by sqrt(var) + eps; training is right."""

    def inference_inverse_std(self, var):
        return 1 / (np.sqrt(var) + self.type.type(self.eps))


@mutant("EPS_CLAMPED", "BN-2.3")
class EpsClamped(Base):
    """x - mean is divided by sqrt(max(var, eps))."""

    def inverse_std(self, var):
        return 1 / np.sqrt(np.maximum(var, self.type.type(self.eps)))


@mutant("EPS_CLAMPED", "BN-2.3", "standard deviation")
class StdClamped(Base):
    """x - mean is divided by max(sqrt(var), eps)."""

    def inverse_std(self, var):
        return 1 / np.maximum(np.sqrt(var), self.type.type(self.eps))


@mutant("EPS_MISSING", "BN-2.3")
class EpsMissing(OtherEps):
    """eps is taken and never used."""

    def used(self):
        return 0


@mutant("EPS_MISSING", "BN-4.1", "inference")
class EpsMissingInference(Base):
    """Inference divides by sqrt(running_var) without eps; training is right."""

    def inference_inverse_std(self, var):
        return 1 / np.sqrt(var)


@mutant("EPS_DIFFERS", "BN-2.4", "1e-5")
class EpsAlways1e5(OtherEps):
    """eps is 1e-5 whatever the layer was given."""

    def used(self):
        return 1e-5


@mutant("EPS_DIFFERS", "BN-2.4", "1e-3")
class EpsAlways1e3(OtherEps):
    """eps is 1e-3 whatever the layer was given."""

    def used(self):
        return 1e-3


@mutant("EPS_DIFFERS", "BN-2.4", "at least 1e-5")
class EpsRaised(OtherEps):
    """eps below 1e-5 is raised to 1e-5, the least that a library beneath takes."""

    def used(self):
        return max(self.eps, 1e-5)


@mutant("EPS_DIFFERS", "BN-2.4", "at most 1e-3")
class EpsLowered(OtherEps):
    """eps above 1e-3 is lowered to 1e-3."""

    def used(self):
        return min(self.eps, 1e-3)


@mutant("EPS_DIFFERS", "BN-2.4", "doubled")
class EpsAddedTwice(OtherEps):
    """eps is added to the variance and once more under the root."""

    def used(self):
        return 2 * self.eps


@mutant("EPS_DIFFERS", "BN-2.4", "squared")
class EpsSquared(OtherEps):
    """eps is taken for a standard deviation: sqrt(var + eps^2)."""

    def used(self):
        return self.eps**2


@mutant("EPS_DIFFERS", "BN-2.4", "instead of 0")
class EpsZeroReplaced(OtherEps):
    """eps = 0 is taken for "not given" and becomes 1e-5."""

    def used(self):
        return self.eps or 1e-5


@mutant("EPS_DIFFERS", "BN-2.4", "decay in its place")
class EpsAndDecaySwapped(Base):
    """eps and decay are passed on in each other's place."""

    def __init__(self, config, *tensors):
        super().__init__(config, *tensors)
        if self.decay is not None:
            self.eps, self.decay = self.decay, self.eps


@mutant("EPS_GRADIENT_DIFFERS", "BN-5.1", "1e-5")
class GradientEpsDiffers(Base):
    """The backward pass computes its own inverse deviation, with eps 1e-5."""

    def gradients(self, dy, at, x):
        kept = at.r
        at.r = 1 / np.sqrt(at.var + self.type.type(1e-5))
        try:
            return super().gradients(dy, at, x)
        finally:
            at.r = kept


@mutant("EPS_GRADIENT_DIFFERS", "BN-5.1", "missing in the variance term")
class GradientVarianceTermWithoutEps(Base):
    """The term of dx that comes through the variance divides by var, without eps."""

    def second(self, w, at):
        return super().second(w, at) * (at.var + self.type.type(self.eps)) / at.var
