"""One correct layer of this set's own: a (channels, values) matrix, sums in float64, each stage a method to override.

Elements are float32 (float64 where x is); sums run in float64. A wrong layer replaces one stage, and may look at
`self.x`, `self.m`, `self.training`, `self.has_dy` and `self.trained` (training steps before this one) to choose when.
"""

import numpy as np

from bnconform.backends.contract import Conventions


class Right:
    """Training, inference, running statistics with ddof 1, exponential or cumulative; nothing else."""

    conventions = Conventions(running_ddof=1, cannot={"errors": "its caller checks arguments"})
    ddof = 1

    def __init__(self, config, gamma, beta, running_mean, running_var):
        self.config, self.kinds = config, {name: v is not None for name, v in (("dgamma", gamma), ("dbeta", beta))}
        self.work = np.float64 if config.x_dtype == "float64" else np.float32
        count = int(np.prod(config.channels))
        self.param_type = next((v.dtype for v in (gamma, beta) if v is not None), np.dtype(np.float32))
        self.state_type = np.dtype(np.float32) if running_mean is None else running_mean.dtype
        self.gamma = self.vector(gamma, np.ones(count))
        self.beta = self.vector(beta, np.zeros(count))
        self.eps = config.eps
        self.decay = config.decay
        self.running_mean = self.vector(running_mean, np.zeros(count)).astype(self.state_type)
        self.running_var = self.vector(running_var, np.ones(count)).astype(self.state_type)
        self.tracked = running_mean is not None
        self.trained = 0
        self.counts = {"mean": 0, "var": 0}

    def vector(self, values, otherwise):
        """A parameter or statistic as a float64 vector (C,) of its own."""
        return otherwise if values is None else np.array(values, np.float64).reshape(-1)

    # ---- layout ----

    def rows(self, x):
        """x as (C, m), in the type of the arithmetic."""
        axes = self.config.channel_axes
        moved = np.moveaxis(x, axes, range(len(axes)))
        self.moved = moved.shape
        return np.ascontiguousarray(moved).reshape(self.gamma.size, -1).astype(self.work)

    def back(self, rows):
        """(C, m) in the shape of x."""
        axes = self.config.channel_axes
        return np.ascontiguousarray(np.moveaxis(rows.reshape(self.moved), range(len(axes)), axes))

    def column(self, vector):
        return np.asarray(vector).astype(self.work)[:, None]

    # ---- stages ----

    def count(self, rows):
        return rows.shape[1]

    def mean(self, rows):
        return rows.sum(1, dtype=np.float64) / self.m

    def variance(self, rows, mean):
        away = rows - mean[:, None]
        return np.einsum("cm,cm->c", away, away) / self.m

    def inference_moments(self, rows):
        return self.running_mean.astype(np.float64), self.running_var.astype(np.float64)

    def inverse_root(self, var):
        return 1 / np.sqrt(var + self.eps)

    def normalized(self, rows, mean, r):
        return ((rows - mean[:, None]) * r[:, None]).astype(self.work)

    def output(self, x_hat):
        return x_hat * self.column(self.gamma) + self.column(self.beta)

    def dbeta(self, dy, x_hat):
        return dy.sum(1, dtype=np.float64)

    def dgamma(self, dy, x_hat):
        return np.einsum("cm,cm->c", dy.astype(np.float64), x_hat.astype(np.float64))

    def mean_dy(self, dy):
        return dy.sum(1, dtype=np.float64) / self.m

    def mean_dy_x_hat(self, dy, x_hat):
        return np.einsum("cm,cm->c", dy.astype(np.float64), x_hat.astype(np.float64)) / self.m

    def dx(self, dy, x_hat, r):
        inner = dy
        if self.training:
            inner = dy - self.mean_dy(dy)[:, None] - x_hat * self.mean_dy_x_hat(dy, x_hat)[:, None]
        return inner * (self.gamma * r)[:, None]

    def incoming(self, dy, y):
        """dy as (C, m), before anything is made of it."""
        return self.rows(dy)

    # ---- state ----

    def decay_of(self, name):
        if self.decay is None:
            return 1 - 1 / (self.counts[name] + 1)
        return self.decay

    def blend(self, name, old, new):
        """The running value after a step, in the state's type."""
        decay = self.decay_of(name)
        self.counts[name] += 1
        return new if decay == 0 else decay * old.astype(np.float64) + (1 - decay) * new

    def for_state(self, mean, var):
        """What is blended into the running values: the mean, and the variance with the ddof that is declared."""
        return mean, var * (self.m / max(self.m - self.ddof, 1))

    def update(self, rows, mean, var):
        mean, var = self.for_state(mean, var)
        if self.m > 0:
            self.running_mean = self.blend("mean", self.running_mean, mean).astype(self.state_type)
        if self.m > self.ddof:
            self.running_var = self.blend("var", self.running_var, var).astype(self.state_type)

    # ---- the contract ----

    def step(self, x, dy, training):
        with np.errstate(all="ignore"):
            self.x, self.training, self.has_dy = x, training, dy is not None
            rows = self.rows(x)
            self.m = self.count(rows)
            if training:
                mean = self.mean(rows)
                var = self.variance(rows, mean)
            else:
                mean, var = self.inference_moments(rows)
            self.r = self.inverse_root(var)
            x_hat = self.normalized(rows, mean, self.r)
            y = self.output(x_hat)
            out = {"y": self.back(y).astype(x.dtype)}
            if dy is not None:
                out |= self.backward(self.incoming(dy, y), x_hat, x.dtype)
            if training:
                self.update(rows, mean, var)
                self.trained += 1
            return out

    def backward(self, dy, x_hat, dtype):
        out = {"dx": self.back(self.dx(dy, x_hat, self.r)).astype(dtype)}
        for name, given in self.kinds.items():
            if given:
                vector = getattr(self, name)(dy, x_hat)
                out[name] = np.asarray(vector).reshape(self.config.channels).astype(self.param_type)
        return out

    def train(self, x, dy):
        return self.step(x, dy, True)

    def infer(self, x, dy):
        return self.step(x, dy, False)

    def state(self):
        shape = self.config.channels
        return {
            "running_mean": self.running_mean.reshape(shape).copy(),
            "running_var": self.running_var.reshape(shape).copy(),
        }


class Plain(Right):
    """The layer itself, as the first of the right ones."""
