"""Wrong precision: cancellation, narrow types, approximations, types of results."""

import numpy as np

from bnconform.dtypes import dtype

from .extended import Base
from .record import mutant

HALF = np.dtype("float16")


def narrow(array, kind):
    """The values rounded to a narrower type, in their own type again."""
    return array.astype(kind).astype(array.dtype)


@mutant("VARIANCE_CANCELLATION", "BN-2.2", "not clamped")
class OnePassVariance(Base):
    """The variance is E[x^2] - E[x]^2, which cancels where the mean is large and may fall below zero."""

    def variance(self, rows, mean, keep, count):
        return self.total(rows * rows, keep) / count - mean * mean


@mutant("VARIANCE_CANCELLATION", "BN-2.2", "clamped at zero")
class OnePassVarianceClamped(Base):
    """The variance is max(E[x^2] - E[x]^2, 0)."""

    def variance(self, rows, mean, keep, count):
        return np.maximum(self.total(rows * rows, keep) / count - mean * mean, 0)


@mutant("LOW_PRECISION_ACCUMULATION", "BN-2.1", "float16")
class SumsInHalf(Base):
    """Sums over float16 values are kept in float16."""

    def total(self, rows, keep=None):
        if self.config.x_dtype != "float16":
            return super().total(rows, keep)
        kept = rows if keep is None else np.where(keep, rows, 0)
        return (
            np.cumsum(kept.astype(HALF), axis=1, dtype=HALF)[:, -1:].astype(self.type)
            if rows.shape[1]
            else super().total(rows)
        )


@mutant("LOW_PRECISION_ACCUMULATION", "BN-2.1", "bfloat16")
class SumsInBfloat16(Base):
    """Partial sums of 16 values are kept in bfloat16 where x is bfloat16."""

    def total(self, rows, keep=None):
        if self.config.x_dtype != "bfloat16":
            return super().total(rows, keep)
        kept = rows if keep is None else np.where(keep, rows, 0)
        sums = np.zeros((len(rows), 1), self.type)
        for start in range(0, rows.shape[1], 16):
            sums = narrow(sums + kept[:, start : start + 16].sum(axis=1, keepdims=True), dtype("bfloat16"))
        return sums


@mutant("LOW_PRECISION_ACCUMULATION", "BN-2.2", "squares in float16")
class SquaresInHalf(Base):
    """Squared deviations of float16 values are held in float16, where they overflow or vanish."""

    def variance(self, rows, mean, keep, count):
        kind = HALF if self.config.x_dtype == "float16" else self.type
        return self.total(narrow((rows - mean) ** 2, kind), keep) / count


@mutant("LOW_PRECISION_ACCUMULATION", "BN-1.2", "count in float16")
class CountInHalf(Base):
    """m is held in float16, which has no integer past 65,504 and not every one past 2,048."""

    def count(self, rows, keep):
        return narrow(super().count(rows, keep), HALF)


@mutant("LOW_PRECISION_INPUT", "BN-8.2", "11 bits")
class InputInHalf(Base):
    """x is rounded to float16 before anything is computed."""

    def rows(self, array):
        return narrow(super().rows(array), HALF)


@mutant("LOW_PRECISION_INPUT", "BN-8.2", "8 bits")
class InputInBfloat16(Base):
    """x is rounded to bfloat16 before anything is computed, as a fast matrix unit does."""

    def rows(self, array):
        return narrow(super().rows(array), dtype("bfloat16"))


@mutant("LOW_PRECISION_INPUT", "BN-8.2", "dy, 11 bits")
class GradientInHalf(Base):
    """dy is rounded to float16 before the gradients are computed."""

    def gradients(self, dy, at, x):
        return super().gradients(narrow(dy, HALF), at, x)


@mutant("LOW_PRECISION_ARITHMETIC", "BN-8.2", "float64 in float32")
class DoubleInSingle(Base):
    """float64 is computed in float32 and widened at the end."""

    def __init__(self, config, *tensors):
        super().__init__(config, *tensors)
        self.type = np.dtype("float32")
        self.gamma, self.beta = (None if v is None else v.astype(self.type) for v in (self.gamma, self.beta))
        self.running = {which: value.astype(self.type) for which, value in self.running.items()}


@mutant("LOW_PRECISION_ARITHMETIC", "BN-2.3", "inverse deviation in float16")
class InverseStdInHalf(Base):
    """1/sqrt(var + eps) is rounded to float16."""

    def inverse_std(self, var):
        return narrow(super().inverse_std(var), HALF)


@mutant("LOW_PRECISION_ARITHMETIC", "BN-2.1", "mean in x's type")
class MeanInInputType(Base):
    """The batch mean is rounded to x's own type before it is subtracted."""

    def mean(self, rows, keep, count):
        return narrow(super().mean(rows, keep, count), dtype(self.config.x_dtype))


@mutant("LOW_PRECISION_ARITHMETIC", "BN-4.2", "folded form in x's type")
class FoldedFormInInputType(Base):
    """Inference computes a x + b with a and b rounded to x's own type."""

    def infer(self, x, dy):
        out, kind = super().infer(x, dy), dtype(self.config.x_dtype)
        if kind != self.type:
            at = self.inference_point(x)
            a = self.scale * at.r
            b = narrow(self.shift - a * at.mean, kind)
            out["y"] = self.give_rows(narrow(a, kind) * at.x + b, x)
        return out


@mutant("LOW_PRECISION_STATE", "BN-8.2", "float16")
class StateInHalf(Base):
    """The running values are kept in float16."""

    def store(self, value):
        return narrow(super().store(value), HALF)


@mutant("LOW_PRECISION_STATE", "BN-8.2", "x's type")
class StateInInputType(Base):
    """The running values are kept in x's own type, narrower than theirs."""

    def store(self, value):
        return narrow(super().store(value), dtype(self.config.x_dtype))


@mutant("LOW_PRECISION_RESULT", "BN-8.2", "y")
class OutputThroughHalf(Base):
    """y passes through float16 on its way out."""

    def affine(self, x_hat, at):
        return narrow(super().affine(x_hat, at), HALF)


@mutant("LOW_PRECISION_RESULT", "BN-8.2", "dx")
class GradientThroughBfloat16(Base):
    """dx passes through bfloat16 on its way out."""

    def gradient(self, dy, at):
        return narrow(super().gradient(dy, at), dtype("bfloat16"))


@mutant("LOW_PRECISION_PARAMETERS", "BN-8.2", "x's type")
class ParametersInInputType(Base):
    """gamma, beta and the state given are rounded to x's own type before use."""

    def load(self, name, array):
        column = super().load(name, array)
        return None if column is None else narrow(column, dtype(self.config.x_dtype))


def fast_inverse_sqrt(value, rounds):
    """The integer guess of 1/sqrt and some Newton steps."""
    value = value.astype(np.float32)
    guess = (np.int32(0x5F3759DF) - (value.view(np.int32) >> 1)).view(np.float32)
    for _ in range(rounds):
        guess = guess * (np.float32(1.5) - np.float32(0.5) * value * guess * guess)
    return guess


@mutant("FAST_INVERSE_SQRT", "BN-2.3", "one Newton step")
class FastInverseSqrt(Base):
    """1/sqrt comes from the integer guess and one Newton step, right to 0.2 %."""

    def inverse_std(self, var):
        return fast_inverse_sqrt(var + self.type.type(self.eps), 1).astype(self.type)


@mutant("FAST_INVERSE_SQRT", "BN-2.3", "two Newton steps")
class FastInverseSqrtTwo(Base):
    """1/sqrt comes from the integer guess and two Newton steps, right to 5e-6."""

    def inverse_std(self, var):
        return fast_inverse_sqrt(var + self.type.type(self.eps), 2).astype(self.type)


@mutant("CLIPPED", "BN-2.3", "x_hat at 5")
class NormalizedClipped(Base):
    """x_hat is clipped to [-5, 5]."""

    def normalize(self, rows, mean, r):
        return np.clip(super().normalize(rows, mean, r), -5, 5)


@mutant("CLIPPED", "BN-5.1", "dy at 100")
class GradientClipped(Base):
    """dy is clipped to [-100, 100]."""

    def gradients(self, dy, at, x):
        return super().gradients(np.clip(dy, -100, 100).astype(dy.dtype), at, x)


class OtherType(Base):
    """Gives some outputs in another type: `kinds` maps a type's owner to whose type it takes."""

    kinds = {}

    def give_column(self, column, of):
        kind = getattr(self.config, f"{self.kinds.get(of, of)}_dtype")
        return super().give_column(column, of).astype(dtype(kind))


@mutant("DTYPE_CHANGED", "BN-8.2", "y, dx in float32")
class OutputPromoted(Base):
    """y and dx of half-precision x come out in float32."""

    def give_rows(self, rows, x):
        return self.unrows(rows, x.shape).astype(self.type)


@mutant("DTYPE_CHANGED", "BN-8.2", "state in x's type")
class StateGivenInInputType(OtherType):
    """The state is given out in x's type."""

    kinds = {"state": "x"}


@mutant("DTYPE_CHANGED", "BN-8.2", "parameter gradients in x's type")
class ParameterGradientsInInputType(OtherType):
    """dgamma and dbeta are given out in x's type."""

    kinds = {"param": "x"}


@mutant("DTYPE_CHANGED", "BN-8.2", "everything float64")
class PromotedToDouble(Base):
    """A float64 constant makes every result float64."""

    def give_rows(self, rows, x):
        return super().give_rows(rows, x).astype(np.float64)

    def give_column(self, column, of):
        return super().give_column(column, of).astype(np.float64)
