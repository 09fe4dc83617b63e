import numpy as np
from bnconform.backends.contract import Conventions

class MyBackend:
    conventions = Conventions(running_ddof=1, reduction="sequential", channel_axes="one", dtypes=("float32",),
                              cannot={"decay:cumulative": "it counts no batches", "errors": "its caller checks arguments"})
    def __init__(self, config, gamma, beta, running_mean, running_var):
        axis, self.eps, self.new, ones = config.channel_axes[0], config.eps, 1 - (config.decay or 0), np.ones(config.channels, "f")
        self.sum = lambda v: v.sum(tuple(a for a in range(v.ndim) if a != axis))
        self.wide = lambda p: p.reshape([-1 if a == axis else 1 for a in range(config.rank)])
        self.gamma, self.beta = ones if gamma is None else gamma, 0 * ones if beta is None else beta
        self.mean, self.var = np.copy(running_mean), np.copy(running_var)
    def train(self, x, dy):
        m = x.size // self.gamma.size
        mean = self.sum(x) / np.float32(max(m, 1))
        var = self.sum((x - self.wide(mean)) ** 2) / np.float32(max(m, 1))
        self.mean += np.float32(self.new) * (mean - self.mean) * (m > 0)  # no value, no statistic: the state stays
        self.var += np.float32(self.new) * (var * np.float32(m / max(m - 1, 1)) - self.var) * (m > 1)
        return self.outputs(x, dy, mean, var, lambda v: self.wide(v) / np.float32(max(m, 1)))
    def infer(self, x, dy):
        return self.outputs(x, dy, self.mean, self.var, lambda v: np.float32(0))
    def outputs(self, x, dy, mean, var, share):
        r, dy = 1 / np.sqrt(var + np.float32(self.eps)), np.zeros_like(x) if dy is None else dy
        x_hat = (x - self.wide(mean)) * self.wide(r)
        dgamma, dbeta = self.sum(dy * x_hat), self.sum(dy)
        dx = self.wide(self.gamma * r) * (dy - share(dbeta) - np.where(share(dgamma) != 0, x_hat, 0) * share(dgamma))
        return {"y": x_hat * self.wide(self.gamma) + self.wide(self.beta), "dx": dx, "dgamma": dgamma, "dbeta": dbeta}
    def state(self):
        return {"running_mean": self.mean, "running_var": self.var}
