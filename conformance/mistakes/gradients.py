"""Wrong gradients of either mode, forward mode and second order."""

import numpy as np

from .extended import Base
from .record import mutant


@mutant("GRAD_FORMULA_OF_OTHER_MODE", "BN-5.1", "training")
class TrainingGradientOfInference(Base):
    """dx in training is gamma r dy, as if the statistics were constants."""

    def gradient(self, dy, at):
        return self.scale * at.r * dy


@mutant("GRAD_FORMULA_OF_OTHER_MODE", "BN-5.2", "inference")
class InferenceGradientOfTraining(Base):
    """dx in inference carries the terms that belong to batch statistics."""

    def gradient(self, dy, at):
        return self.scale * at.r * (dy - self.through(dy, at))


@mutant("GRAD_TERM_DROPPED", "BN-5.1", "dx: mean(dy)")
class MeanTermDropped(Base):
    """dx lacks the term through the mean, as if the mean were detached."""

    def first(self, w, at):
        return np.zeros_like(at.mean)


@mutant("GRAD_TERM_DROPPED", "BN-5.1", "dx: x_hat mean(dy x_hat)")
class VarianceTermDropped(Base):
    """dx lacks the term through the variance, as if the variance were detached."""

    def second(self, w, at):
        return np.zeros_like(at.x_hat)


@mutant("GRAD_TERM_DROPPED", "BN-5.1", "dx: gamma")
class GradientWithoutGamma(Base):
    """dx lacks the factor gamma."""

    def gradient(self, dy, at):
        return at.r * self.project(dy, at)


@mutant("GRAD_TERM_DROPPED", "BN-5.1", "dx: r")
class GradientWithoutInverseStd(Base):
    """dx lacks the factor 1/sqrt(var + eps)."""

    def gradient(self, dy, at):
        return self.scale * self.project(dy, at)


@mutant("GRAD_SCALED", "BN-5.1", "variance term: other sign")
class VarianceTermAdded(Base):
    """The term through the variance enters dx with the other sign."""

    def second(self, w, at):
        return -super().second(w, at)


@mutant("GRAD_SCALED", "BN-5.1", "variance term: half")
class VarianceTermHalved(Base):
    """The derivative of the square lacks its 2: half of the term through the variance."""

    def second(self, w, at):
        return super().second(w, at) / 2


@mutant("GRAD_SCALED", "BN-5.1", "variance term: m/(m-1)")
class VarianceTermUnbiased(Base):
    """The term through the variance is divided by m - 1, for a variance that is divided by m."""

    def second(self, w, at):
        return super().second(w, at) * np.where(at.count > 1, at.count / (at.count - 1), 1)


@mutant("GRAD_SCALED", "BN-5.1", "sums for means")
class SumsForMeans(Base):
    """The means in dx are sums."""

    def mean_of(self, w, at):
        return self.total(w)


@mutant("GRAD_TERM_DROPPED", "BN-5.1", "dgamma: mean")
class DgammaOfRawInput(Base):
    """dgamma sums dy x r, the mean is not taken off."""

    def gamma_gradient(self, dy, at):
        return self.total(dy * at.x) * at.r


@mutant("GRAD_TERM_DROPPED", "BN-5.1", "dgamma: r")
class DgammaWithoutInverseStd(Base):
    """dgamma sums dy (x - mean), not divided by the deviation."""

    def gamma_gradient(self, dy, at):
        return self.total(dy * (at.x - at.mean))


@mutant("GRAD_SCALED", "BN-5.1", "dgamma: gamma")
class DgammaTimesGamma(Base):
    """dgamma carries a factor gamma."""

    def gamma_gradient(self, dy, at):
        return super().gamma_gradient(dy, at) * self.gamma


@mutant("GRAD_SCALED", "BN-5.1", "dgamma: 1/m")
class DgammaAveraged(Base):
    """dgamma is a mean over the batch where a sum is due."""

    def gamma_gradient(self, dy, at):
        return super().gamma_gradient(dy, at) / at.count


@mutant("GRAD_SCALED", "BN-5.1", "dbeta: 1/m")
class DbetaAveraged(Base):
    """dbeta is a mean over the batch where a sum is due."""

    def beta_gradient(self, dy, at):
        return super().beta_gradient(dy, at) / at.count


@mutant("GRAD_SCALED", "BN-5.1", "dbeta: gamma")
class DbetaTimesGamma(Base):
    """dbeta carries a factor gamma."""

    def beta_gradient(self, dy, at):
        return super().beta_gradient(dy, at) * self.scale


@mutant("GRAD_TERM_DROPPED", "BN-5.1", "dgamma")
class DgammaZero(Base):
    """dgamma is zero."""

    def gamma_gradient(self, dy, at):
        return np.zeros_like(at.mean)


@mutant("GRAD_TERM_DROPPED", "BN-5.1", "dbeta")
class DbetaZero(Base):
    """dbeta is zero."""

    def beta_gradient(self, dy, at):
        return np.zeros_like(at.mean)


@mutant("GAMMA_BETA_SWAPPED", "BN-5.1", "gradients")
class DgammaDbetaSwapped(Base):
    """dgamma and dbeta are given out in each other's place."""

    def gamma_gradient(self, dy, at):
        return self.total(dy)

    def beta_gradient(self, dy, at):
        return self.total(dy * at.x_hat)


@mutant("GRAD_ACCUMULATED", "BN-5.1")
class GradientsAccumulate(Base):
    """dgamma and dbeta are added to those of the steps before."""

    def gamma_gradient(self, dy, at):
        self.dgamma = getattr(self, "dgamma", 0) + super().gamma_gradient(dy, at)
        return self.dgamma

    def beta_gradient(self, dy, at):
        self.dbeta = getattr(self, "dbeta", 0) + super().beta_gradient(dy, at)
        return self.dbeta


@mutant("GRAD_WRONG_STATS", "BN-5.2", "inference")
class InferenceGradientUsesBatch(Base):
    """The backward pass of inference normalizes by the batch it sees."""

    def gradients(self, dy, at, x):
        if at.training:
            return super().gradients(dy, at, x)
        point = self.training_point(x)
        point.training = False
        return super().gradients(dy, point, x)


@mutant("GRAD_WRONG_STATS", "BN-5.1", "training")
class TrainingGradientUsesRunning(Base):
    """The backward pass of training takes mean and deviation from the running values, already updated."""

    def gradients(self, dy, at, x):
        if not at.training:
            return super().gradients(dy, at, x)
        point = self.inference_point(x)
        point.training = True
        return super().gradients(dy, point, x)


@mutant("GRAD_FROM_OUTPUT", "BN-7.5")
class NormalizedFromOutput(Base):
    """The backward pass recovers x_hat as (y - beta)/gamma to save memory."""

    def gradients(self, dy, at, x):
        at.x_hat = (self.affine(at.x_hat, at) - self.shift) / self.scale
        return super().gradients(dy, at, x)


@mutant("OUTPUT_MISSING", "BN-5.1", "dbeta where gamma is absent")
class DbetaNeedsGamma(Base):
    """Without gamma there is no gradient of beta either."""

    def gradients(self, dy, at, x):
        out = super().gradients(dy, at, x)
        return out if self.gamma is not None else {"dx": out["dx"]}


@mutant("OUTPUT_SHAPE", "BN-1.5", "dgamma")
class DgammaNotReduced(Base):
    """dgamma keeps an axis of length one."""

    def gradients(self, dy, at, x):
        return {k: v[None] if k == "dgamma" else v for k, v in super().gradients(dy, at, x).items()}


@mutant("JVP_TERM_DROPPED", "BN-5.3", "mean(x')")
class TangentMeanDropped(Base):
    """The forward-mode derivative lacks the term through the mean."""

    def tangent(self, x_dot, gamma_dot, beta_dot, at):
        kept, self.first = self.first, lambda w, at: 0
        try:
            return super().tangent(x_dot, gamma_dot, beta_dot, at)
        finally:
            self.first = kept


@mutant("JVP_TERM_DROPPED", "BN-5.3", "x_hat mean(x_hat x')")
class TangentVarianceDropped(Base):
    """The forward-mode derivative lacks the term through the variance."""

    def tangent(self, x_dot, gamma_dot, beta_dot, at):
        kept, self.second = self.second, lambda w, at: 0
        try:
            return super().tangent(x_dot, gamma_dot, beta_dot, at)
        finally:
            self.second = kept


@mutant("JVP_TERM_DROPPED", "BN-5.3", "gamma'")
class TangentOfGammaDropped(Base):
    """The forward-mode derivative leaves out the tangent of gamma."""

    def tangent(self, x_dot, gamma_dot, beta_dot, at):
        return super().tangent(x_dot, 0 * gamma_dot, beta_dot, at)


@mutant("JVP_TERM_DROPPED", "BN-5.3", "beta'")
class TangentOfBetaDropped(Base):
    """The forward-mode derivative leaves out the tangent of beta."""

    def tangent(self, x_dot, gamma_dot, beta_dot, at):
        return super().tangent(x_dot, gamma_dot, 0 * beta_dot, at)


@mutant("GRAD_FORMULA_OF_OTHER_MODE", "BN-5.3", "forward mode, inference")
class InferenceTangentOfTraining(Base):
    """The forward-mode derivative of inference carries the terms of training."""

    def tangent(self, x_dot, gamma_dot, beta_dot, at):
        at.training = True
        return super().tangent(x_dot, gamma_dot, beta_dot, at)


class OtherSecondOrder(Base):
    """Changes (d2x, d2gamma, d2dy) after the fact."""

    def second_order(self, dy, u_x, u_gamma, u_beta, at):
        return self.change(*super().second_order(dy, u_x, u_gamma, u_beta, at), dy, u_x, u_gamma, u_beta, at)


@mutant("SECOND_ORDER_TERM_DROPPED", "BN-5.4", "d2x: curvature")
class CurvatureDropped(Base):
    """d2x lacks all that comes from the statistics' dependence on x."""

    def curvature(self, dy, u_x, at):
        return 0


@mutant("SECOND_ORDER_TERM_DROPPED", "BN-5.4", "d2x: k x_hat")
class CovarianceDropped(Base):
    """d2x lacks the term k x_hat."""

    def covariance(self, dy, u_x, b, c, at):
        return 0


@mutant("SECOND_ORDER_TERM_DROPPED", "BN-5.4", "k: b c")
class CovarianceNotCentred(Base):
    """The number k in d2x lacks the product b c."""

    def covariance(self, dy, u_x, b, c, at):
        return super().covariance(dy, u_x, b, c, at) + b * c


@mutant("SECOND_ORDER_TERM_DROPPED", "BN-5.4", "d2x: u_gamma")
class SecondOfGammaDropped(Base):
    """d2x leaves out what comes through dgamma."""

    def second_order(self, dy, u_x, u_gamma, u_beta, at):
        d2x = super().second_order(dy, u_x, 0 * u_gamma, u_beta, at)[0]
        return d2x, *super().second_order(dy, u_x, u_gamma, u_beta, at)[1:]


@mutant("SECOND_ORDER_TERM_DROPPED", "BN-5.4", "d2gamma")
class SecondGammaZero(OtherSecondOrder):
    """The second derivative with respect to gamma is zero."""

    def change(self, d2x, d2gamma, d2dy, *rest):
        return d2x, 0 * d2gamma, d2dy


@mutant("SECOND_ORDER_TERM_DROPPED", "BN-5.4", "d2dy: u_gamma")
class SecondOutputOfGammaDropped(OtherSecondOrder):
    """d2dy leaves out u_gamma x_hat."""

    def change(self, d2x, d2gamma, d2dy, dy, u_x, u_gamma, u_beta, at):
        return d2x, d2gamma, d2dy - u_gamma * at.x_hat


@mutant("SECOND_ORDER_TERM_DROPPED", "BN-5.4", "d2dy: u_beta")
class SecondOutputOfBetaDropped(OtherSecondOrder):
    """d2dy leaves out u_beta."""

    def change(self, d2x, d2gamma, d2dy, dy, u_x, u_gamma, u_beta, at):
        return d2x, d2gamma, d2dy - u_beta


@mutant("SECOND_ORDER_TERM_DROPPED", "BN-5.4", "d2dy: P")
class SecondOutputNotProjected(OtherSecondOrder):
    """d2dy takes gamma r u_x without the terms through the statistics."""

    def change(self, d2x, d2gamma, d2dy, dy, u_x, u_gamma, u_beta, at):
        return d2x, d2gamma, self.scale * at.r * u_x + u_gamma * at.x_hat + u_beta


@mutant("GRAD_FORMULA_OF_OTHER_MODE", "BN-5.4", "second order, inference")
class InferenceSecondOfTraining(Base):
    """The second derivatives of inference are those of training."""

    def second_order(self, dy, u_x, u_gamma, u_beta, at):
        at.training = True
        return super().second_order(dy, u_x, u_gamma, u_beta, at)
