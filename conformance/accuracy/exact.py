"""The definition in `np.longdouble`, for columns of problems: what the study holds every variant to.

Written from the formulas of SPEC.md alone, and independent of the reference and of the oracle. 64 bits of precision
leave 11 more than float64 and 40 more than float32.
"""

import numpy as np

from .problems import Batch


def precise() -> bool:
    """Whether longdouble is wider than float64 here (it is not on every platform)."""
    return np.finfo(np.longdouble).nmant >= 63


@np.errstate(all="ignore")
def values(batch: Batch) -> dict[str, np.ndarray]:
    """Every output of a training step, of inference and of the state by name, longdouble."""
    wide = lambda name: getattr(batch, name).astype(np.longdouble)
    x, dy, w, gamma, beta, eps = map(wide, ("x", "dy", "x_dot", "gamma", "beta", "eps"))
    mean_of = lambda values: np.mean(values, axis=0)
    # a mean taken twice: what the first left over is added
    mean = mean_of(x)
    mean = mean + mean_of(x - mean)
    deviation = x - mean
    var = mean_of(deviation * deviation)
    r = 1 / np.sqrt(var + eps)
    x_hat = deviation * r
    project = lambda values: values - mean_of(values) - x_hat * mean_of(values * x_hat)
    out = {"batch_mean": mean, "batch_var": var, "y": gamma * x_hat + beta}
    out |= {"dx": gamma * r * project(dy), "dgamma": np.sum(dy * x_hat, axis=0), "dbeta": np.sum(dy, axis=0)}
    out["y_dot"] = out["d2dy"] = gamma * r * project(w) + beta * x_hat + gamma
    out["d2gamma"] = r * np.sum(project(w) * dy, axis=0)
    b, c = mean_of(dy * x_hat), mean_of(w * x_hat)
    k = mean_of(w * dy) - mean_of(w) * mean_of(dy) - b * c
    out["d2x"] = r * project(beta * dy) - gamma * r * r * (project(b * w + c * dy) + k * x_hat)
    return out | _state(batch, mean, var, wide) | _inference(x, gamma, beta, eps, wide)


def _state(batch, mean, var, wide):
    # `decay` is a number of the arithmetic: an implementation cannot hold a closer one
    decay = np.longdouble(batch.x.dtype.type(batch.decay))
    unbiased = var * np.longdouble(batch.m) / (batch.m - batch.ddof)
    return {
        "running_mean": decay * wide("running_mean") + (1 - decay) * mean,
        "running_var": decay * wide("running_var") + (1 - decay) * unbiased,
    }


def _inference(x, gamma, beta, eps, wide):
    r = 1 / np.sqrt(wide("running_var") + eps)
    return {"y, inference": gamma * (x - wide("running_mean")) * r + beta}
