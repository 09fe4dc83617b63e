"""Wrong use of gamma and beta."""

import numpy as np

from .extended import Base
from .record import mutant


@mutant("GAMMA_IGNORED", "BN-2.3")
class GammaIgnored(Base):
    """gamma is taken for 1, in y and in dx."""

    @property
    def scale(self):
        return self.type.type(1)


@mutant("GAMMA_IGNORED", "BN-2.3", "and its gradient is zero")
class GammaFixed(Base):
    """gamma is fixed to 1 whatever it holds, and its gradient is zero."""

    @property
    def scale(self):
        return self.type.type(1)

    def gamma_gradient(self, dy, at):
        return np.zeros_like(self.gamma)


@mutant("GAMMA_IGNORED", "BN-4.1", "inference")
class InferenceWithoutGamma(Base):
    """Inference leaves gamma out."""

    def affine(self, x_hat, at):
        return super().affine(x_hat, at) if at.training else x_hat + self.shift


@mutant("BETA_IGNORED", "BN-2.3")
class BetaIgnored(Base):
    """beta is left out."""

    @property
    def shift(self):
        return self.type.type(0)


@mutant("GAMMA_BETA_SWAPPED", "BN-2.3")
class GammaBetaSwapped(Base):
    """gamma shifts and beta scales."""

    def __init__(self, config, gamma, beta, *state):
        super().__init__(config, beta, gamma, *state)


@mutant("GAMMA_PLUS_ONE", "BN-2.3")
class GammaPlusOne(Base):
    """The scale is 1 + gamma, the form whose gamma starts at zero."""

    @property
    def scale(self):
        return 1 + (0 if self.gamma is None else self.gamma)


@mutant("GAMMA_ABSOLUTE", "BN-7.5")
class GammaAbsolute(Base):
    """The scale is the absolute value of gamma, made safe for a division."""

    @property
    def scale(self):
        return np.abs(super().scale)


@mutant("GAMMA_CLAMPED", "BN-7.5", "at least 1e-5")
class GammaClamped(Base):
    """gamma below 1e-5 in size is raised to 1e-5."""

    @property
    def scale(self):
        scale = super().scale
        return np.where(np.abs(scale) < 1e-5, self.type.type(1e-5), scale)


@mutant("GAMMA_CLAMPED", "BN-7.5", "never negative")
class GammaNotNegative(Base):
    """Negative gamma is raised to zero."""

    @property
    def scale(self):
        return np.maximum(super().scale, 0)


@mutant("GAMMA_CLAMPED", "BN-7.5", "at most 1000")
class GammaLimited(Base):
    """gamma is limited to 1000 in size."""

    @property
    def scale(self):
        return np.clip(super().scale, -1000, 1000)


@mutant("BETA_INSIDE", "BN-2.3")
class BetaScaled(Base):
    """y = gamma (x_hat + beta)."""

    def affine(self, x_hat, at):
        return self.scale * (x_hat + self.shift)


@mutant("BETA_INSIDE", "BN-2.3", "with the sign of gamma")
class BetaSubtracted(Base):
    """y = gamma x_hat - beta."""

    def affine(self, x_hat, at):
        return self.scale * x_hat - self.shift


@mutant("PARAMETER_SHARED", "BN-1.5", "gamma")
class GammaOfFirstChannel(Base):
    """The first gamma scales all channels."""

    @property
    def scale(self):
        return super().scale if self.gamma is None else self.gamma[:1]


@mutant("PARAMETER_SHARED", "BN-1.5", "beta")
class BetaOfFirstChannel(Base):
    """The first beta shifts all channels."""

    @property
    def shift(self):
        return super().shift if self.beta is None else self.beta[:1]


@mutant("GAMMA_IGNORED", "BN-1.5", "where beta is absent")
class AffineNeedsBoth(Base):
    """gamma is used only where there is a beta as well."""

    @property
    def scale(self):
        return super().scale if self.beta is not None else self.type.type(1)


@mutant("BETA_IGNORED", "BN-1.5", "where gamma is absent")
class BetaNeedsGamma(Base):
    """beta is used only where there is a gamma as well."""

    @property
    def shift(self):
        return super().shift if self.gamma is not None else self.type.type(0)
