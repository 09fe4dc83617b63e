"""Wrong conduct: memory of others, errors that are not raised [section 8]."""

from dataclasses import replace

import numpy as np

from .extended import Base
from .record import mutant


@mutant("INPUT_CHANGED", "BN-8.3", "x")
class CentresInPlace(Base):
    """Training takes the mean off x itself."""

    def train(self, x, dy, **given):
        out = super().train(x, dy, **given)
        x -= x.mean(tuple(axis for axis in range(x.ndim) if axis not in self.axes), keepdims=True)
        return out


@mutant("INPUT_CHANGED", "BN-8.3", "dy")
class GradientInPlace(Base):
    """dx is written into dy's memory."""

    def gradients(self, dy, at, x):
        out = super().gradients(dy, at, x)
        dy[...] = out["dx"]
        return out


@mutant("INPUT_CHANGED", "BN-8.3", "x in inference")
class InferenceInPlace(Base):
    """Inference writes y into x's memory and gives that out."""

    def infer(self, x, dy):
        out = super().infer(x, dy)
        x[...] = out["y"]
        return out | {"y": x}


@mutant("INPUT_CHANGED", "BN-8.3", "state given")
class StateWrittenInPlace(Base):
    """Training writes the new running values into the arrays that the state was set from."""

    def __init__(self, config, gamma, beta, running_mean, running_var):
        super().__init__(config, gamma, beta, running_mean, running_var)
        self.given = {"running_mean": running_mean, "running_var": running_var}

    def update(self, mean, var, count):
        super().update(mean, var, count)
        for name, value in super().state().items():
            if self.given[name] is not None:
                self.given[name][...] = value


@mutant("INPUT_CHANGED", "BN-8.3", "gamma")
class GammaFoldedInPlace(Base):
    """Inference folds gamma / sqrt(var + eps) into the memory that gamma came from."""

    def __init__(self, config, gamma, *rest):
        super().__init__(config, gamma, *rest)
        self.lent = gamma

    def infer(self, x, dy):
        out = super().infer(x, dy)
        if self.lent is not None:
            self.lent *= self.inverse_std(self.running["var"]).reshape(self.lent.shape).astype(self.lent.dtype)
        return out


@mutant("OUTPUT_ALIASES", "BN-8.3", "state")
class StateAliasesGiven(Base):
    """Before the first update the state is given out as the very arrays it was set from."""

    def __init__(self, config, gamma, beta, running_mean, running_var):
        super().__init__(config, gamma, beta, running_mean, running_var)
        self.given = {"running_mean": running_mean, "running_var": running_var}

    def update(self, mean, var, count):
        super().update(mean, var, count)
        self.given = None

    def state(self):
        return self.given or super().state()


@mutant("ERROR_NOT_RAISED", "BN-1.5", "parameter too long")
class LongParameterCut(Base):
    """A parameter with too many values is cut to length."""

    def check_parameter(self, name, array):
        if array.size <= int(np.prod(self.config.channels)):
            super().check_parameter(name, array)

    def load(self, name, array):
        column = super().load(name, array)
        return None if column is None else column[: int(np.prod(self.config.channels))]


@mutant("ERROR_NOT_RAISED", "BN-1.5", "parameter of one value")
class OneParameterBroadcast(Base):
    """A parameter of one value is broadcast over the channels."""

    def check_parameter(self, name, array):
        if array.size != 1:
            super().check_parameter(name, array)


@mutant("ERROR_NOT_RAISED", "BN-1.5", "dy too long")
class LongGradientCut(Base):
    """A dy with more rows than x is cut to length."""

    def check_like(self, name, array, x):
        super().check_like(name, array[: len(x)], x)

    def gradients(self, dy, at, x):
        return super().gradients(dy[: len(x)], at, x)


@mutant("ERROR_NOT_RAISED", "BN-1.1", "channel axis")
class AxisWrapped(Base):
    """A channel axis past the last is wrapped around."""

    def __init__(self, config, *tensors):
        wrapped = tuple(axis % config.rank for axis in config.channel_axes)
        super().__init__(replace(config, channel_axes=wrapped), *tensors)

    def check_parameter(self, name, array):
        pass

    def load(self, name, array):
        column = super().load(name, array)
        return None if column is None else np.resize(column, (int(np.prod(self.config.channels)), 1))


@mutant("ERROR_NOT_RAISED", "BN-2.4", "negative eps")
class NegativeEpsAccepted(Base):
    """A negative eps is accepted, and y is NaN where the variance is smaller."""

    def check_eps(self, eps):
        pass


@mutant("ERROR_NOT_RAISED", "BN-3.1", "decay above 1")
class DecayNotChecked(Base):
    """A decay above 1 is accepted, and the state runs away."""

    def check_decay(self, decay):
        pass


@mutant("ERROR_NOT_RAISED", "BN-8.2", "integers")
class IntegersAccepted(Base):
    """Integers are converted without a word."""

    def check_type(self, name, array):
        pass


@mutant("ERROR_NOT_RAISED", "BN-6.1", "mask of floats")
class FloatMaskAccepted(Base):
    """A mask of floats is accepted: whatever is not zero counts."""

    def train_masked(self, x, dy, mask):
        return super().train_masked(x, dy, mask.astype(bool))


@mutant("ERROR_NOT_RAISED", "BN-6.4", "limits of renormalization")
class RenormLimitsNotChecked(Base):
    """r_max below 1 is accepted."""

    def check_limits(self, r_max, d_max):
        pass


@mutant("ERROR_NOT_RAISED", "BN-3.4", "population of one value")
class PopulationOfOneAccepted(Base):
    """A batch of one value is accepted, its unbiased variance taken as 0."""

    def check_population(self, counts):
        pass

    def population_variance(self, var, count):
        return np.where(count > 1, super().population_variance(var, count), 0)


@mutant("ERROR_NOT_RAISED", "BN-4.3", "number of outputs")
class FoldLengthNotChecked(Base):
    """Statistics of another length than the layer's outputs are cut to length."""

    def check_fold(self, weight, outputs, out_axis, groups):
        pass

    def fold_weight(self, weight, a, out_axis, groups):
        return super().fold_weight(weight, np.resize(a, weight.shape[out_axis] * groups), out_axis, groups)

    def fold_bias(self, a, bias):
        return super().fold_bias(a, np.resize(bias, a.shape))
