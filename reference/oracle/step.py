"""The data of one step: rows and parameters read from arrays, and its channels one by one."""

import numpy as np

from .channel import Channel, batch_moments, evaluate_channel, plain_statistics, renorm_statistics
from .exact import Exact, ExactRows
from .layout import ChannelSplit
from .moments import Moments
from .reals import Real
from .running import Running
from .vectors import Form, Values

TRAINING = ("train", "renorm")
LIKE_X = ("x", "dy", "x_dot", "u_x")
PARAMETERS = ("gamma", "beta", "gamma_dot", "beta_dot", "u_gamma", "u_beta")
ROW_OUTPUTS = ("y", "dx", "y_dot", "d2x", "d2dy")
PARAMETER_OF = {"dgamma": "gamma", "d2gamma": "gamma", "dbeta": "beta"}


class StepValues:
    """Arrays of one step as rows a channel, with the moments that the definition asks of them."""

    def __init__(self, arrays: dict, mask, mode: str, layout: ChannelSplit):
        """arrays: those of LIKE_X and PARAMETERS that are given."""
        self.layout, self.mode = layout, mode
        self.rows = {name: layout.like_x(name, a) for name, a in arrays.items() if name in LIKE_X}
        self.parameters = {name: layout.parameter(name, a) for name, a in arrays.items() if name in PARAMETERS}
        self.mask = None if mask is None or mode not in TRAINING else layout.mask(mask)
        self.finite = {name: np.isfinite(row).all(axis=1) for name, row in self.rows.items()}
        clean = {name: _zero_where(~self.finite[name], row) for name, row in self.rows.items()}
        self.moments = Moments(clean, [None] if self.mask is None else [self.mask, ~self.mask])

    def evaluate(self, state: list[Running], settings) -> dict[str, Exact]:
        """All outputs; the running statistics move on if the step trains."""
        columns = [self._evaluate_channel(c, running, settings) for c, running in enumerate(state)]
        return {name: self._assemble(name, [column[name] for column in columns]) for name in self._names(settings)}

    def skip(self, state: list[Running], settings, count: int) -> None:
        """What `count` steps with these values leave in the running statistics; nothing unless the step trains."""
        for c, running in enumerate(state if count and self.mode in TRAINING else []):
            m, mean, var = self._batch(c)
            for _ in range(count):
                running.update(mean, var, m, settings.decay, settings.running_ddof)

    def _batch(self, c):
        """(m, mean, variance) of a channel of this batch."""
        m = self.layout.positions if self.mask is None else int(self.mask[c].sum())
        return m, *batch_moments(self.vector("x", c), m)

    def _evaluate_channel(self, c, running: Running, settings) -> dict:
        out, m = {}, None
        if self.mode in TRAINING:
            m, mean, var = self._batch(c)
            out = {"batch_mean": mean, "batch_var": var}
        if self.mode == "train":
            statistics = plain_statistics(mean, var, settings.eps)
        elif self.mode == "renorm":
            statistics = renorm_statistics(mean, var, running.mean, running.var, settings.eps, *settings.renorm)
        else:
            statistics = plain_statistics(running.mean, running.var, settings.eps)
        out |= evaluate_channel(self._channel(c, m, statistics.finite), statistics)
        if m is not None:
            running.update(mean, var, m, settings.decay, settings.running_ddof)
        return out | {"running_mean": running.mean, "running_var": running.var}

    def _channel(self, c, m, finite: bool) -> Channel:
        """The channel's data as forms where all is finite, else value by value."""
        numbers = {name: Real.of(values[c]) for name, values in self.parameters.items()}
        finite = finite and all(f[c] for f in self.finite.values()) and all(v.finite for v in numbers.values())
        data = numbers | {name: self.vector(name, c, finite) for name in self.rows}

        def present(*names):
            return {name: data[name] for name in names if name in data}

        return Channel(
            x=data["x"],
            m=m,
            gamma=data.get("gamma", Real.of(1)),
            beta=data.get("beta"),
            dy=data.get("dy"),
            tangents=present("x_dot", "gamma_dot", "beta_dot"),
            cotangents=present("u_x", "u_gamma", "u_beta"),
        )

    def vector(self, name, c, finite=True):
        """A row as a form, or value by value if it, or what it will meet (`finite` False), is not finite."""
        if finite and self.finite[name][c]:
            return Form.row(name, self.moments, c)
        counts = None if self.mask is None else self.mask[c].tolist()
        return Values([Real.of(v) for v in self.rows[name][c]], counts)

    def _names(self, settings) -> list[str]:
        """Names of the outputs that were asked for; an absent parameter has no gradient [BN-1.5]."""
        names = ["y"]
        if self.mode in TRAINING:
            names += ["batch_mean", "batch_var"]
        names += [name for name in ("running_mean", "running_var") if name in settings.states]
        if "dy" in self.rows:
            names += ["dx", "dgamma", "dbeta"]
        given = {*self.rows, *self.parameters}
        if given & {"x_dot", "gamma_dot", "beta_dot"}:
            names.append("y_dot")
        if given & {"u_x", "u_gamma", "u_beta"}:
            names += ["d2x", "d2gamma", "d2dy"]
        return [name for name in names if PARAMETER_OF.get(name, name) in {name, *self.parameters}]

    def _assemble(self, name, values) -> Exact:
        """The channels' results as one array of x's or the parameters' shape."""
        if name not in ROW_OUTPUTS:
            return from_channels(values, self.layout.param_shape)
        return ExactRows(values, self.moments, self.layout, self._negative_zero() if name == "dx" else None)

    def _negative_zero(self):
        """In inference dx = gamma r dy is one product, and its zeros have its sign."""
        if self.mode in TRAINING:
            return None
        return np.signbit(self.rows["dy"]) ^ np.signbit(self.parameters.get("gamma", np.zeros(1)))[:, None]


def from_channels(values, shape) -> Exact:
    """One number a channel as an array."""
    array = np.empty(len(values), object)
    array[:] = values
    return Exact(array.reshape(shape))


def _zero_where(rows, values):
    return np.where(rows[:, None], 0.0, values) if rows.any() else values
