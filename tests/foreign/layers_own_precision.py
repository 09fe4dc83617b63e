"""Invented: numbers that are kept, computed or read with too few digits, too small a range, or cut off."""

import numpy as np
from foreign.labels import BFLOAT, HALF, ROUNDED, both, label
from foreign.right import Right
from ml_dtypes import bfloat16


def narrowed(values, kind):
    """The values as `kind` holds them, in their own type."""
    values = np.asarray(values)
    return values.astype(kind).astype(values.dtype)


class QuakeRoot(Right):
    LABEL = label(
        "root",
        "the reciprocal root is the bit trick of 1999 and one Newton step: good to 0.2 %",
        [both("root|sqrt|rsqrt|1/std", r"(approx|bits|newton|fast|precision|rounded|inexact|accura)")],
        reject=[r"eps.*(outside|left out)", BFLOAT + ".*eps"],
    )

    def inverse_root(self, var):
        number = (var + self.eps).astype(np.float32)
        guess = (0x5F3759DF - (number.view(np.int32) >> 1)).view(np.float32)
        found = guess * (np.float32(1.5) - np.float32(0.5) * number * guess * guess)
        return found.astype(np.float64)


class TrainingOutputInHalf(Right):
    LABEL = label(
        "y",
        "y goes through float16 on its way out of training",
        [both("y", HALF), HALF],
        when="training, x of a wider type than float16",
        condition="training and dtype != 'float16'",
        reject=[r"bfloat16", r"x_hat", r"\bx (is|rounded)"],
    )

    def output(self, x_hat):
        y = super().output(x_hat)
        return narrowed(y, np.float16) if self.training else y


class MeanInBrain(Right):
    LABEL = label(
        "mean",
        "the mean that is subtracted, in training and inference, has 8 bits",
        [both("mean", BFLOAT), both("mean", ROUNDED)],
        reject=[r"\bfloat16\b", r"running_var", r"computed in bfloat16$"],
    )

    def normalized(self, rows, mean, r):
        return super().normalized(rows, narrowed(mean, bfloat16), r)


class GammaInHalf(Right):
    LABEL = label(
        "gamma",
        "gamma is stored as float16; the gradients use what is stored",
        [both("gamma", HALF), both("gamma", ROUNDED)],
        reject=[r"bfloat16", r"dgamma"],
        when="with gamma",
        condition="'gamma' in affine",
    )

    def __init__(self, config, gamma, beta, running_mean, running_var):
        super().__init__(config, gamma, beta, running_mean, running_var)
        self.gamma = narrowed(self.gamma, np.float16)


class RunningVarianceInHalf(Right):
    LABEL = label(
        "running_var",
        "running_var is kept in float16 between steps",
        [both("running_var|running variance", HALF), both("running_var|running variance", ROUNDED)],
        when="after training",
        condition="training and tracked and m > 1",
        reject=[r"bfloat16"],
    )

    def update(self, rows, mean, var):
        super().update(rows, mean, var)
        self.running_var = narrowed(self.running_var, np.float16) if self.m > 1 else self.running_var


class IncomingInBrain(Right):
    LABEL = label(
        "dy",
        "dy is rounded to bfloat16 before the backward pass",
        [both(r"\bdy\b|incoming|upstream|gradient", BFLOAT), both(r"\bdy\b", ROUNDED)],
        when="where there is a gradient, dy of another type",
        condition="has_dy and dtype != 'bfloat16'",
        reject=[r"\bfloat16\b", r"x_hat"],
    )

    def incoming(self, dy, y):
        return narrowed(super().incoming(dy, y), bfloat16)


class ScaleGradientSummedInHalf(Right):
    LABEL = label(
        "dgamma",
        "dgamma is accumulated in float16, one value after the other",
        [both("dgamma", HALF), both("dgamma", ROUNDED)],
        when="where there is a gradient, m > 1",
        condition="has_dy and 'gamma' in affine and m > 0",
        reject=[r"bfloat16", r"x_hat"],
    )

    def dgamma(self, dy, x_hat):
        total = np.zeros(len(dy), np.float16)
        for value in (dy * x_hat).astype(np.float16).T:
            total += value
        return total.astype(np.float64)


class ReciprocalCount(Right):
    LABEL = label(
        "m count mean variance",
        "sums are multiplied by 1/m, and 1/m is a float16",
        [both(r"(1 ?/ ?m|\bm\b|count|reciprocal)", rf"({HALF}|{ROUNDED})")],
        when="training, m no power of two",
        condition="training and m > 0 and m & (m - 1)",
        reject=[r"bfloat16"],
    )

    def mean(self, rows):
        return super().mean(rows) * self.factor()

    def variance(self, rows, mean):
        return super().variance(rows, mean) * self.factor()

    def factor(self):
        return float(np.float16(1 / self.m)) * self.m if self.m else np.nan


class SmallVarianceIsNone(Right):
    LABEL = label(
        "variance",
        "a variance below 1e-4 counts as 0",
        [
            both(
                "variance",
                r"(flush|threshold|clamp|cut off|(below|under|small|tiny)[^;.]{0,30}(0\b|zero|none|drop)|(0\b|zero|none)[^;.]{0,30}(below|under|small|tiny|<))",
            )
        ],
        when="training, a channel with a variance below 1e-4",
        reject=[r"E\[x|one.?pass"],
    )

    def variance(self, rows, mean):
        var = super().variance(rows, mean)
        return np.where(var < 1e-4, 0, var)


class InputClipped(Right):
    LABEL = label(
        "x",
        "x is clipped to ±10 before anything else",
        [both(r"\bx\b|input", r"(clip|clamp|limit|saturat|±|cut off|min\(|max\(|at most)")],
        when="where some |x| > 10",
        reject=[r"x_hat"],
    )

    def rows(self, x):
        return np.clip(super().rows(x), -10, 10)

    def incoming(self, dy, y):
        return Right.rows(self, dy)


class HatClipped(Right):
    LABEL = label(
        "x_hat",
        "x_hat is clipped to ±1.5, in y and in the gradients",
        [both(r"x_hat|normalized", r"(clip|clamp|limit|saturat|±|cut off|min\(|max\(|at most)")],
        when="where some |x_hat| > 1.5",
        condition="m > 0 and (m > 2 or not training)",
        reject=[r"\bx is"],
    )

    def normalized(self, rows, mean, r):
        return np.clip(super().normalized(rows, mean, r), -1.5, 1.5)


class DoubleIsSingle(Right):
    LABEL = label(
        "x y x_hat mean variance",
        "float64 input is computed in float32",
        [r"float32|single|\b2[34].?bits?"],
        when="x of type float64",
        condition="dtype == 'float64'",
    )

    def __init__(self, config, gamma, beta, running_mean, running_var):
        super().__init__(config, gamma, beta, running_mean, running_var)
        self.work = np.float32


class ProductsInTypeOfInput(Right):
    LABEL = label(
        "dgamma dy x_hat",
        "the products dy x_hat are rounded to the type of x before dgamma sums them",
        [both("dgamma|product|x_hat", rf"({HALF}|{BFLOAT}|{ROUNDED})")],
        when="float16 and bfloat16 input",
        condition="has_dy and 'gamma' in affine and dtype in ('float16', 'bfloat16')",
    )

    def dgamma(self, dy, x_hat):
        return narrowed(dy * x_hat, self.x.dtype).sum(1, dtype=np.float64)


class ShiftGradientInHalf(Right):
    LABEL = label(
        "dbeta",
        "dbeta is accumulated in the type of dy where that is a half one",
        [both("dbeta", rf"({HALF}|{BFLOAT}|{ROUNDED})")],
        when="float16 and bfloat16 input",
        condition="has_dy and dtype in ('float16', 'bfloat16')",
    )

    def dbeta(self, dy, x_hat):
        if self.x.dtype.itemsize > 2:
            return super().dbeta(dy, x_hat)
        total = np.zeros(len(dy), self.x.dtype)
        for value in dy.astype(self.x.dtype).T:
            total = (total + value).astype(self.x.dtype)
        return total.astype(np.float64)
