"""The right layer as a chain of named quantities, first part: what is read, the statistics, the running values.

Written from SPEC.md alone, on its own terms: x becomes a matrix with one row a channel, `rows` (C, m), and every formula
is that of one row. A quantity is computed as `self.be(name, value)`, which lets the mistakes of the layer have their way
(`point`). Arithmetic runs in the type that the conventions declare, so that a mutant is judged by the allowance of an
ordinary implementation, or `exactly`: all in float64, nothing rounded, which is how a mistake's outputs are predicted.
It shares no code with the reference, which it must agree with.
"""

import functools

import numpy as np

from bnconform.backends.contract import FLOATS, Config, Conventions
from bnconform.dtypes import dtype

from .point import Scope

EXPOSED = ("y", "batch_mean", "batch_var", "dx", "dgamma", "dbeta", "running_mean", "running_var")


def quiet(method):
    """Floating-point events are results here [BN-7.1], not warnings."""

    @functools.wraps(method)
    def call(*arguments, **options):
        with np.errstate(all="ignore"):
            return method(*arguments, **options)

    return call


class Statistics:
    """From an array to rows, moments, and running values. Columns are (C, 1)."""

    conventions = Conventions(
        running_ddof=1, exposes=EXPOSED, ranks=(1, 2, 3, 4, 5, 6), offers=("as-built", "stateless-inference")
    )
    points: dict = {}
    exactly = False
    states: dict = {}  # number of a step -> columns (mean, variance) to go on from after it, whatever was computed
    traces: list | None = None  # where to leave the quantities of each step

    def __init__(self, config: Config, gamma, beta, running_mean, running_var):
        self.config, self.at = config, Scope(self, config)
        kind = np.dtype("float64") if self.exactly else dtype(self.conventions.compute[config.x_dtype])
        self.type = self.be("arithmetic", kind)
        self.check_config()
        self.stateless = running_mean is None and not config.as_built
        if config.as_built:  # [BN-3.7]
            gamma, beta = np.ones(self.channels, self.type), np.zeros(self.channels, self.type)
        self.lent = (gamma, beta, running_mean, running_var)
        given = self.be("loaded", self.lent)
        self.gamma, self.beta = self.load("gamma", given[0]), self.load("beta", given[1])
        mean, var = self.load_state(*given[2:])
        self.running = {"mean": self.be("initial_mean", mean), "var": self.be("initial_var", var)}
        self.steps = {"mean": 0, "var": 0}

    def be(self, name, value, **seen):
        """The quantity `name`, right or as a mistake makes it; kept in `at`, beside what else is `seen` here."""
        at = self.at
        vars(at).update(seen)
        for point in self.points.get(name, ()):
            value = point.applied(value, at)
        setattr(at, name, value)
        return value

    # what is out of the domain [BN-8.1]

    def expect(self, check, holds, what, clause):
        """Raise ValueError unless `holds`, or the layer is blind to this check."""
        if not holds and self.be("checks", True, check=check):
            raise ValueError(f"{what} [{clause}]")

    def check_config(self):
        axes, rank = self.config.channel_axes, self.config.rank
        eps, decay = self.config.eps, self.config.decay
        inside = all(0 <= axis < rank for axis in axes)
        self.expect("axis", inside, f"channel_axes is {axes}, expected axes of rank {rank}", "BN-1.1")
        distinct = len(set(axes)) == len(axes) <= rank
        self.expect("axes", distinct, f"channel_axes is {axes}, expected distinct axes", "BN-1.1")
        self.expect("eps", 0 <= eps < np.inf, f"eps is {eps}, expected a finite number >= 0", "BN-2.4")
        within = decay is None or 0 <= decay <= 1
        self.expect("decay", within, f"decay is {decay}, expected 0 to 1 or None", "BN-3.1")

    def check_type(self, name, array):
        known = f"{name} has dtype {array.dtype}, expected one of {', '.join(FLOATS)}"
        self.expect("type", array.dtype.name in FLOATS, known, "BN-8.2")

    # layout

    @property
    def channels(self):
        return tuple(self.config.shape[axis % self.config.rank] for axis in self.config.channel_axes)

    def load(self, name, array):
        """A parameter as a column (C, 1) of its own memory, in the type of the arithmetic; None stays None."""
        if array is None:
            return None
        shape, count = self.channels, int(np.prod(self.channels))
        check = "parameter of one value" if array.size == 1 else "parameter"
        self.expect(check, array.shape == shape, f"{name} has shape {array.shape}, expected {shape}", "BN-1.5")
        column = array.astype(self.type).reshape(-1, 1)
        return np.resize(column, (count, 1)) if len(column) != count else column

    def load_state(self, mean, var):
        count = int(np.prod(self.channels))
        if mean is None:
            return np.zeros((count, 1), self.type), np.ones((count, 1), self.type)
        return self.load("running_mean", mean), self.load("running_var", var)

    @property
    def axes(self):
        return self.be("axes", tuple(axis % self.config.rank for axis in self.config.channel_axes))

    def rows(self, array, kind=None, name=""):
        """The array as rows (C, m), one a channel, in the type of the arithmetic [BN-1.1]."""
        return self.be("rows", self.read_rows(array, kind), array=array, reading=name)

    def read_rows(self, array, kind=None):
        """`rows`, rightly."""
        axes = self.axes
        moved = np.moveaxis(array, axes, range(len(axes)))
        count = int(np.prod(moved.shape[: len(axes)]))
        return np.array(moved.reshape(count, array.size // max(count, 1)), kind or self.type, order="C")

    def unrows(self, rows, shape):
        """The inverse of `rows`."""
        axes = self.axes
        moved = [shape[axis] for axis in axes] + [size for axis, size in enumerate(shape) if axis not in axes]
        right = np.moveaxis(rows.reshape(moved), range(len(axes)), axes)
        return self.be("unrows", right, values=rows)

    # moments

    def total(self, rows, keep=None, of=""):
        """Sum of each row, pairwise; under a mask of what it keeps. of: the quantity that it is for."""
        kept = rows if keep is None else np.where(keep, rows, 0)
        return self.be("sum", kept.sum(axis=1, keepdims=True), terms=kept, of=of)

    def count(self, rows, keep):
        """m, as a column [BN-1.2, BN-6.1]."""
        if keep is not None:
            return keep.sum(axis=1, keepdims=True).astype(self.type)
        return np.full((len(rows), 1), rows.shape[1], self.type)

    def moments(self, rows, keep=None):
        """(mean, variance, m) of a batch, columns [BN-2.1, BN-2.2]."""
        m = self.be("m", self.count(rows, keep), row=rows, keep=keep)
        mean = self.be("mean", self.total(rows, keep, "mean") / m, row=rows, keep=keep)
        # in float64, because squares of float32 may overflow
        deviation = self.be("deviation", (rows - mean).astype(np.float64))
        squares = self.be("squares", deviation**2)
        variance = self.be("variance", self.total(squares, keep, "variance") / m)
        mean, variance = self.be("moments", (mean, variance))
        return mean, variance, m

    @staticmethod
    def column(values):
        """One number a channel: the mean where a mistake has several."""
        return values if values.shape[1:] == (1,) else values.mean(axis=1, keepdims=True)

    def inverse_root(self, name, var):
        """1/sqrt(var + eps)."""
        return self.be(name, (1 / np.sqrt(self.be("var_eps", var + self.at.eps, under=var))).astype(self.type))

    # running values

    def update(self, mean, var, m):
        """Updates of both running values from the statistics of a step [BN-3.6]."""
        ddof, training = self.conventions.running_ddof, self.at.training
        for _ in range(int(self.be("updates", int(training)))):
            bessel = self.be("bessel", m / (m - ddof), m_all=m)
            new = {"mean": self.be("new_mean", self.column(mean)), "var": self.be("new_var", self.column(var) * bessel)}
            exists = {"mean": self.be("exists_mean", m > 0), "var": self.be("exists_var", m > ddof)}  # [BN-3.5]
            for which in ("mean", "var"):
                self.advance(which, new[which], exists[which])

    def advance(self, which, new, exists):
        """One running value after a training step; what does not exist changes nothing [BN-3.5]."""
        old = self.be(f"old_{which}", self.running[which], which=which)
        steps = self.be("steps", np.where(exists, self.steps[which] + 1, self.steps[which]), exists=exists)
        decay = self.config.decay
        weight = (steps - 1) / np.maximum(steps, 1).astype(self.type) if decay is None else decay
        weight = self.be("decay", weight)  # [BN-3.1, BN-3.2]
        fresh = self.be("new_weight", 1 - weight)
        value = self.be(f"running_{which}", self.store(old * weight + new * fresh), new=new, old=old)
        self.running[which] = np.where(exists, value, self.running[which])
        self.steps[which] = steps

    def store(self, value):
        """A running value rounded into the state's own type."""
        return value if self.exactly else value.astype(dtype(self.config.state_dtype)).astype(self.type)

    def state(self):
        """The running values as they are given out."""
        values = self.be("given_state", dict(self.running))
        found = {f"running_{which}": self.give_column(value, "state") for which, value in values.items()}
        return self.be("outputs", found)

    # results

    def give_column(self, column, of):
        """A column as an array of the channels' shape in the type of the parameters ("param") or the state."""
        column = np.broadcast_to(column, (int(np.prod(self.channels)), 1)).reshape(self.channels)
        return column if self.exactly else column.astype(dtype(getattr(self.config, f"{of}_dtype")))

    def give_rows(self, rows, x):
        found = self.unrows(rows, x.shape)
        return found if self.exactly else found.astype(dtype(self.config.x_dtype))
