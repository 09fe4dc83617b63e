"""Batch normalization that is subtly wrong, to see how soon a trajectory tells."""

import numpy as np

import bnconform as bn

from .network import Norm


class EpsOther(Norm):
    """Keras' default eps."""

    eps = 1e-3


class EpsOutside(Norm):
    """eps added to the deviation."""

    def forward(self, x, gamma, beta):
        out = super().forward(x, gamma, beta)
        wide = lambda v: v.reshape(1, -1, *[1] * (x.ndim - 2))
        r = 1 / (np.sqrt(out.batch_var) + self.eps)
        return out._replace(y=(x - wide(out.batch_mean)) * wide(r * gamma) + wide(beta))


class Unbiased(Norm):
    """Normalized by the unbiased variance."""

    def forward(self, x, gamma, beta):
        out = super().forward(x, gamma, beta)
        wide = lambda v: v.reshape(1, -1, *[1] * (x.ndim - 2))
        r = 1 / np.sqrt(out.batch_var * out.m / (out.m - 1) + self.eps)
        return out._replace(y=(x - wide(out.batch_mean)) * wide(r * gamma) + wide(beta))


class NoMeanTerm(Norm):
    """The gradient of the mean left out."""

    def backward(self, dy, x, gamma):
        found = super().backward(dy, x, gamma)
        wide = lambda v: v.reshape(1, -1, *[1] * (x.ndim - 2))
        out = bn.batch_statistics(x, channel_axes=1)
        return found._replace(dx=found.dx + wide(gamma / np.sqrt(out[1] + self.eps) * found.dbeta / out[2]))


class Constants(Norm):
    """The statistics taken for constants in the gradient."""

    def backward(self, dy, x, gamma):
        mean, var, _ = bn.batch_statistics(x, channel_axes=1)
        at = {"running_mean": mean, "running_var": var, "eps": self.eps, "channel_axes": 1}
        return bn.inference_backward(dy, x, gamma, **at)


class DecayRaw(Norm):
    """Momentum handed over raw."""

    decay = 0.1


class OtherVariance(Norm):
    """The other running variance."""

    running_ddof = 0


class GammaFrozen(Norm):
    """gamma is not trained."""

    def backward(self, dy, x, gamma):
        found = super().backward(dy, x, gamma)
        return found._replace(dgamma=0 * found.dgamma)


WRONG = {
    "eps 1e-3 for 1e-5": EpsOther,
    "eps outside the root": EpsOutside,
    "normalized by the unbiased variance": Unbiased,
    "gradient of the mean left out": NoMeanTerm,
    "statistics taken for constants in the gradient": Constants,
    "gamma not trained": GammaFrozen,
    "momentum handed over raw": DecayRaw,
    "the other running variance": OtherVariance,
}
