"""A right layer, made of small parts: each mutant replaces one of them.

Written from SPEC.md alone, on its own terms: x becomes a matrix with one row a channel, `rows` (C, m), and every
formula is that of one row. Arithmetic runs in the type that the conventions declare (float32, or float64 for float64),
so a mutant is judged by the allowance of an ordinary implementation. It shares no code with the reference, which it
must agree with, nor with whoever names its mistakes.
"""

from dataclasses import dataclass

import numpy as np

from bnconform.backends.contract import FLOATS, Config, Conventions
from bnconform.dtypes import dtype

EXPOSED = ("y", "batch_mean", "batch_var", "dx", "dgamma", "dbeta", "running_mean", "running_var")


def expect(holds, what, clause):
    """Raise ValueError unless `holds` [BN-8.1]."""
    if not holds:
        raise ValueError(f"{what} [{clause}]")


@dataclass
class Point:
    """Where a step is evaluated: x and x_hat are rows (C, m); the rest is a column (C, 1).

    keep: rows of booleans, or None. count: values of each channel that share a statistic.
    """

    x: np.ndarray
    keep: np.ndarray | None
    mean: np.ndarray
    var: np.ndarray
    count: np.ndarray
    r: np.ndarray | None = None
    x_hat: np.ndarray | None = None
    training: bool = True


class Statistics:
    """From an array to rows, moments, and running values."""

    conventions = Conventions(
        running_ddof=1, exposes=EXPOSED, ranks=(1, 2, 3, 4, 5, 6), offers=("as-built", "stateless-inference")
    )

    def __init__(self, config: Config, gamma, beta, running_mean, running_var):
        self.config, self.eps, self.decay = config, config.eps, config.decay
        self.check_config()
        self.type = dtype(self.conventions.compute[config.x_dtype])
        self.stateless = running_mean is None and not config.as_built
        if config.as_built:  # [BN-3.7]
            gamma, beta = np.ones(config.channels, self.type), np.zeros(config.channels, self.type)
        self.gamma, self.beta = self.load("gamma", gamma), self.load("beta", beta)
        self.running = dict(zip(("mean", "var"), self.load_state(running_mean, running_var)))
        self.steps = {"mean": 0, "var": 0}

    # what is out of the domain

    def check_config(self):
        self.check_axes(self.config.channel_axes)
        self.check_eps(self.eps)
        self.check_decay(self.decay)

    def check_axes(self, axes):
        rank = self.config.rank
        expect(
            all(0 <= axis < rank for axis in axes), f"channel_axes is {axes}, expected axes of rank {rank}", "BN-1.1"
        )
        expect(
            len(set(axes)) == len(axes) <= rank,
            f"channel_axes is {axes}, expected distinct axes",
            "BN-1.1",
        )

    def check_eps(self, eps):
        expect(0 <= eps < np.inf, f"eps is {eps}, expected a finite number >= 0", "BN-2.4")

    def check_decay(self, decay):
        expect(decay is None or 0 <= decay <= 1, f"decay is {decay}, expected 0 to 1 or None", "BN-3.1")

    def check_parameter(self, name, array):
        shape = self.config.channels
        expect(array.shape == shape, f"{name} has shape {array.shape}, expected {shape}", "BN-1.5")

    def check_type(self, name, array):
        expect(
            array.dtype.name in FLOATS, f"{name} has dtype {array.dtype}, expected one of {', '.join(FLOATS)}", "BN-8.2"
        )

    def check_like(self, name, array, x):
        expect(array.shape == x.shape, f"{name} has shape {array.shape}, expected {x.shape}", "BN-1.5")

    # layout

    def load(self, name, array):
        """A parameter as a column (C, 1) of its own memory, in the type of the arithmetic; None stays None."""
        if array is None:
            return None
        self.check_parameter(name, array)
        return array.astype(self.type).reshape(-1, 1)

    def load_state(self, mean, var):
        count = int(np.prod(self.config.channels))
        if mean is None:
            return np.zeros((count, 1), self.type), np.ones((count, 1), self.type)
        return self.load("running_mean", mean), self.load("running_var", var)

    @property
    def axes(self):
        return self.config.channel_axes

    def rows(self, array):
        """The array as rows (C, m), one a channel, in the type of the arithmetic [BN-1.1]."""
        moved = np.moveaxis(array, self.axes, range(len(self.axes)))
        count = int(np.prod(moved.shape[: len(self.axes)]))
        return np.array(moved.reshape(count, array.size // max(count, 1)), self.type, order="C")

    def unrows(self, rows, shape):
        """The inverse of `rows`."""
        moved = [shape[axis] for axis in self.axes] + [size for axis, size in enumerate(shape) if axis not in self.axes]
        return np.moveaxis(rows.reshape(moved), range(len(self.axes)), self.axes)

    # moments

    def total(self, rows, keep=None):
        """Sum of each row, pairwise; under a mask of what it keeps."""
        kept = rows if keep is None else np.where(keep, rows, 0)
        return kept.sum(axis=1, keepdims=True)

    def count(self, rows, keep):
        """m, as a column [BN-1.2, BN-6.1]."""
        if keep is not None:
            return keep.sum(axis=1, keepdims=True).astype(self.type)
        return np.full((len(rows), 1), rows.shape[1], self.type)

    def mean(self, rows, keep, count):
        return self.total(rows, keep) / count  # [BN-2.1]

    def variance(self, rows, mean, keep, count):
        """The mean square deviation; in float64, because squares of float32 may overflow [BN-2.2]."""
        return self.total((rows - mean).astype(np.float64) ** 2, keep) / count

    def moments(self, rows, keep=None):
        """(mean, variance, count) of a batch, columns."""
        count = self.count(rows, keep)
        mean = self.mean(rows, keep, count)
        return mean, self.variance(rows, mean, keep, count), count

    # running values

    def estimate(self, var, count):
        """The variance that is blended [BN-3.3]."""
        return var * (count / (count - self.conventions.running_ddof))

    def mean_estimate(self, mean, count):
        return mean

    def has_mean(self, count):
        return count > 0  # [BN-3.5]

    def has_variance(self, count):
        return count > self.conventions.running_ddof  # [BN-3.5]

    def old_weight(self, which, steps):
        """Weight of the old value in step number `steps` [BN-3.1, BN-3.2]."""
        return self.decay if self.decay is not None else (steps - 1) / np.maximum(steps, 1).astype(self.type)

    def blend(self, which, old, new, steps):
        weight = self.old_weight(which, steps)
        return old * weight + new * (1 - weight)

    def advance(self, which, new, exists):
        """One running value after a training step; what does not exist changes nothing [BN-3.5]."""
        old, steps = self.running[which], np.where(exists, self.steps[which] + 1, self.steps[which])
        self.running[which] = np.where(exists, self.store(self.blend(which, old, new, steps)), old)
        self.steps[which] = steps

    def store(self, value):
        """A running value rounded into the state's own type."""
        return value.astype(dtype(self.config.state_dtype)).astype(self.type)

    def update(self, mean, var, count):
        """One update of both running values [BN-3.6]."""
        self.advance("mean", self.mean_estimate(mean, count), self.has_mean(count))
        self.advance("var", self.estimate(var, count), self.has_variance(count))

    def state(self):
        """The running values as they are given out."""
        return {f"running_{which}": self.give_column(value, "state") for which, value in self.running.items()}

    # results

    def give_column(self, column, of):
        """A column as an array of the channels' shape in the type of the parameters ("param") or the state."""
        return column.astype(dtype(getattr(self.config, f"{of}_dtype"))).reshape(self.config.channels)

    def give_rows(self, rows, x):
        return self.unrows(rows, x.shape).astype(dtype(self.config.x_dtype))
