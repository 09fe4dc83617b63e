"""Correct layers in unusual styles: nothing may be named in them."""

from dataclasses import replace

import numpy as np
from foreign.labels import right
from foreign.right import Right


class Welford(Right):
    """One value after the other: the mean and the sum of squares are carried along, in float64."""

    conventions = replace(Right.conventions, variance="welford", reduction="sequential")
    LABEL = right("moments by Welford's recurrence")

    def recur(self, rows):
        mean, squares = np.zeros(len(rows)), np.zeros(len(rows))
        for number, value in enumerate(rows.T.astype(np.float64), 1):
            mean, squares = self.take(number, value, mean, squares)
        return mean, squares

    def take(self, number, value, mean, squares):
        away = value - mean
        mean = mean + away / number
        return mean, squares + away * (value - mean)

    def mean(self, rows):
        mean, self.squares = self.recur(rows)
        # an infinite value ends the recurrence in NaN, where the mean is infinite
        return np.where(np.isfinite(mean), mean, super().mean(rows)) if self.m else mean * np.nan

    def variance(self, rows, mean):
        return self.squares / self.m


class Folded(Right):
    """y = a x + b with two numbers a channel, in training as in inference; all of it in float64."""

    LABEL = right("the affine form, in float64")

    def normalized(self, rows, mean, r):
        self.factors = mean, r
        self.whole = rows.astype(np.float64)
        return super().normalized(rows, mean, r)

    def coefficients(self, mean, r):
        a = self.gamma * r
        return a, self.beta - a * mean

    def output(self, x_hat):
        a, b = self.coefficients(*self.factors)
        # x - mean first: a x + b alone would lose what the mean has in common with x
        return a[:, None] * (self.whole - self.factors[0][:, None]) + (b + a * self.factors[0])[:, None]


class Blocks(Right):
    """Moments of blocks of 37 values, merged one after the other by their counts."""

    conventions = replace(Right.conventions, variance="welford", reduction="sequential")
    size = 37
    LABEL = right("moments of blocks, merged")

    def merge(self, left, others):
        count, mean, squares = left
        n, other, more = others
        total = count + n
        apart = other - mean
        return total, mean + apart * n / total, squares + more + apart**2 * count * n / total

    def mean(self, rows):
        if not self.m:
            return np.full(len(rows), np.nan)
        whole = rows.astype(np.float64)
        parts = [whole[:, at : at + self.size] for at in range(0, self.m, self.size)]
        found = self.part(parts[0])
        for part in parts[1:]:
            found = self.merge(found, self.part(part))
        self.squares = found[2]
        return np.where(np.isfinite(found[1]), found[1], super().mean(rows))

    def part(self, values):
        mean = values.mean(1)
        return values.shape[1], mean, ((values - mean[:, None]) ** 2).sum(1)

    def variance(self, rows, mean):
        return self.squares / self.m if self.m else mean


class Flat:
    """Written whole, as in C: flat arrays, a table that gives the channel of each element, and sums by `bincount`."""

    conventions = replace(
        Right.conventions,
        reduction="sequential",
        cannot=Right.conventions.cannot | {"decay:cumulative": "it counts no batches"},
    )
    LABEL = right("flat arrays and a table of channels")

    def __init__(self, config, gamma, beta, running_mean, running_var):
        flat = lambda v, other: np.full(self.channels, other, float) if v is None else v.ravel().astype(float)
        self.config, self.channels = config, int(np.prod(config.channels))
        self.given = gamma is not None, beta is not None
        self.gamma, self.beta = flat(gamma, 1), flat(beta, 0)
        self.running = [flat(running_mean, 0), flat(running_var, 1)]
        self.kinds = "float32" if running_mean is None else running_mean.dtype, config.param_dtype

    def table(self, x):
        """The channel of each element of x in C order."""
        where = np.indices(x.shape).reshape(x.ndim, -1)
        found = 0
        for axis in self.config.channel_axes:
            found = found * x.shape[axis] + where[axis]
        return found

    def total(self, table, values):
        return np.bincount(table, values, self.channels)

    def moments(self, table, x, m):
        mean = self.total(table, x) / m
        return mean, self.total(table, (x - mean[table]) ** 2) / m

    def scale(self, var):
        return (var + self.config.eps) ** -0.5

    def learn(self, mean, var, m):
        keep = self.config.decay
        if m > 0:
            self.running[0] = keep * self.running[0] + (1 - keep) * mean if keep else mean
        if m > 1:
            self.running[1] = keep * self.running[1] + (1 - keep) * (var * m / (m - 1)) if keep else var * m / (m - 1)
        self.running = [v.astype(self.kinds[0]).astype(float) for v in self.running]

    def run(self, x, dy, training):
        with np.errstate(all="ignore"):
            shape, kind, table, x = x.shape, x.dtype, self.table(x), x.astype(float).ravel()
            m = x.size // self.channels
            mean, var = self.moments(table, x, m) if training else self.running
            out = self.answer(
                x, None if dy is None else dy.astype(float).ravel(), table, mean, self.scale(var), m * training
            )
            if training:
                self.learn(mean, var, m)
            for name in ("y", "dx")[: 1 + ("dx" in out)]:
                out[name] = out[name].reshape(shape).astype(kind)
            for name, given in zip(("dgamma", "dbeta"), self.given):
                if name in out:
                    vector = out.pop(name).reshape(self.config.channels)
                    out |= {name: vector.astype(self.gradient_type())} if given else {}
            return out

    def gradient_type(self):
        from foreign.problems import TYPES

        return TYPES.get(self.kinds[1], self.kinds[1])

    def answer(self, x, dy, table, mean, r, m):
        x_hat = (x - mean[table]) * r[table]
        out = {"y": self.gamma[table] * x_hat + self.beta[table]}
        if dy is not None:
            out |= {"dbeta": self.total(table, dy), "dgamma": self.total(table, dy * x_hat)}
            out["dx"] = (self.gamma * r)[table] * (dy - self.through(out, table, x_hat, m))
        return out

    def through(self, out, table, x_hat, m):
        return out["dbeta"][table] / m + x_hat * out["dgamma"][table] / m if m else 0

    def train(self, x, dy):
        return self.run(x, dy, True)

    def infer(self, x, dy):
        return self.run(x, dy, False)

    def state(self):
        return {
            name: v.reshape(self.config.channels).astype(self.kinds[0])
            for name, v in zip(("running_mean", "running_var"), self.running)
        }


class PaperBackward(Right):
    """dx step by step as the paper writes it: through x_hat, then the variance, then the mean, all in float64.

    Its r³ leaves float64 at the edges of the type, so float64 input is not declared.
    """

    conventions = replace(Right.conventions, dtypes=("float32", "float16", "bfloat16"))
    LABEL = right("dx by the chain rule of the paper, the update as old + w (new - old)")

    def blend(self, name, old, new):
        weight = 1 - self.decay_of(name)
        self.counts[name] += 1
        old = old.astype(np.float64)
        return old + weight * (new - old) if weight < 1 else new

    def dx(self, dy, x_hat, r):
        if not self.training:
            return super().dx(dy, x_hat, r)
        away = x_hat / r[:, None]
        d_hat = dy.astype(np.float64) * self.gamma[:, None]
        d_var = -0.5 * (d_hat * away).sum(1) * r**3
        d_mean = -(d_hat * r[:, None]).sum(1) - 2 * d_var * away.sum(1) / self.m
        return d_hat * r[:, None] + (2 * d_var[:, None] * away + d_mean[:, None]) / self.m
