"""The definition itself, in float64, rounded to float32 between steps."""

import numpy as np

import bnconform as bn


class CoreLayer:
    form, first, variance, ranks = "core", True, "two-pass", (2, 3, 4, 5)

    def __init__(self, rank, channels, eps=1e-5, decay=0.9):
        self.common, self.decay = {"eps": eps, "channel_axes": 1}, decay
        f = lambda value: np.full(channels, value, np.float32)
        self.gamma, self.beta, self.state = f(1), f(0), bn.RunningState(f(0), f(1))

    @staticmethod
    def version():
        return bn.__version__

    def load(self, arrays):
        count = arrays.get("count", 0)
        self.gamma, self.beta = arrays.get("gamma"), arrays.get("beta")
        self.state = bn.RunningState(arrays["running_mean"], arrays["running_var"], count, count)

    def arrays(self):
        given = {"gamma": self.gamma, "beta": self.beta}
        out = {name: np.array(value) for name, value in given.items() if value is not None}
        out |= {name: getattr(self.state, name).astype(np.float32) for name in ("running_mean", "running_var")}
        return out | {"count": np.max(np.asarray(self.state.mean_count)).astype(np.int64)}

    def infer(self, x):
        at = {"running_mean": self.state.running_mean, "running_var": self.state.running_var}
        return bn.inference_forward(x, self.gamma, self.beta, **at, **self.common).astype(np.float32)

    def train(self, x):
        out = bn.train_forward(x, self.gamma, self.beta, **self.common)
        self.state = self.state.update(out.batch_mean, out.batch_var, out.m, decay=self.decay, running_ddof=1)
        return out.y.astype(np.float32)

    freezing = ("inference_forward",)

    def frozen_step(self, setting, x, target, rate):
        at = {"running_mean": self.state.running_mean, "running_var": self.state.running_var}
        dy = (self.infer(x) - target) * (x.shape[1] / x.size)
        grads = bn.inference_backward(dy, x, self.gamma, **at, **self.common)
        self.gamma = self.gamma - rate * grads.dgamma

    def masked(self, x, mask):
        mask = mask.reshape(-1, *[1] * (x.ndim - 1))
        return bn.train_forward(x, self.gamma, self.beta, mask=mask, **self.common).y

    def counts(self):
        return {"parameters": self.gamma.size + self.beta.size, "state": 2 * self.gamma.size}

    def step(self, x, target, rate):
        y = self.train(x)
        grads = bn.train_backward((y - target) * (y.shape[1] / y.size), x, self.gamma, **self.common)
        for name, gradient in (("gamma", grads.dgamma), ("beta", grads.dbeta)):
            if getattr(self, name) is not None:
                setattr(self, name, (getattr(self, name) - rate * gradient).astype(np.float32))
