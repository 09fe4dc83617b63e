"""The definition over a list of steps, state carried from step to step without rounding."""

import math
from fractions import Fraction

import numpy as np

from .channel import Channel, batch_moments, evaluate_channel, plain_statistics, renorm_statistics
from .exact import Exact
from .layout import Layout
from .reals import Real
from .running import Running

MODES = ("train", "infer", "frozen", "renorm")
TANGENTS = ("x_dot", "gamma_dot", "beta_dot")
COTANGENTS = ("u_x", "u_gamma", "u_beta")
KEYS = {"mode", "x", "dy", "mask", "renorm", "shards", *TANGENTS, *COTANGENTS}
LIKE_X = {"x", "dy", "x_dot", "u_x", "y", "dx", "y_dot", "d2x", "d2dy"}


def evaluate(
    steps, *, gamma, beta, running_mean, running_var, eps, decay, running_ddof, channel_axes
) -> list[dict[str, Exact]]:
    """Every output of every step, exact.

    steps: dicts with "mode" ("train", "infer", "frozen", "renorm") and "x", and as wanted "dy" (gives dx, dgamma, dbeta),
    "mask", tangents "x_dot", "gamma_dot", "beta_dot" (give y_dot), second-order cotangents "u_x", "u_gamma", "u_beta"
    (with dy; give d2x, d2gamma, d2dy), "renorm": {"r_max", "d_max"}, and "shards" (sizes along axis 0, which change
    nothing [BN-6.3]). gamma, beta, running_mean, running_var: arrays of the parameters' shape, or None; the state may also
    be `Exact`, as `population` gives it. eps, decay: Python floats, taken at their exact value; decay None averages the steps'
    statistics. Arrays are float64, float32, float16 or bfloat16, each number taken at its exact value.

    Returns one dict a step: y, batch_mean and batch_var (train, renorm), running_mean and running_var (where a state was
    given, as they are after the step), and what was asked for. Errors: ValueError for what is outside the domain.

    >>> x = np.array([[0.0], [1.0], [5.0]], np.float32)
    >>> out, = evaluate([{"mode": "train", "x": x, "dy": x}], gamma=None, beta=None, running_mean=None,
    ...                 running_var=None, eps=0.0, decay=0.9, running_ddof=1, channel_axes=(1,))
    >>> sorted(out)
    ['batch_mean', 'batch_var', 'dx', 'y']
    >>> out["y"].round("float32").ravel().tolist()
    [-0.9258201122283936, -0.4629100561141968, 1.3887301683425903]
    """
    eps = _constant("eps", eps, 0, math.inf, "BN-2.4")
    decay = None if decay is None else _constant("decay", decay, 0, 1, "BN-3.1")
    if running_ddof not in (0, 1):
        raise ValueError(f"running_ddof is {running_ddof!r}, expected 0 or 1 [BN-3.3]")
    results, state = [], None
    for step in steps:
        _check(step)
        layout = Layout(np.shape(step["x"]), channel_axes)
        if state is None:
            state = _initial_state(layout, running_mean, running_var)
        results.append(_evaluate_step(step, layout, state, gamma, beta, eps, decay, running_ddof))
    return results


def _constant(name, value, low, high, clause) -> Fraction:
    value = float(value)
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{name} is {value!r}, expected a finite number from {low} to {high} [{clause}]")
    return Fraction(value)


def _check(step) -> None:
    if unknown := set(step) - KEYS:
        raise ValueError(f"step has {sorted(unknown)}, expected keys among {sorted(KEYS)}")
    if step["mode"] not in MODES:
        raise ValueError(f"mode is {step['mode']!r}, expected one of {MODES}")
    if any(step.get(name) is not None for name in COTANGENTS) and step.get("dy") is None:
        raise ValueError("second-order cotangents are given without dy, expected dy as well [BN-5.4]")


def _initial_state(layout: Layout, mean, var) -> list[Running]:
    means, variances = _numbers(layout, "running_mean", mean), _numbers(layout, "running_var", var)
    return [Running(means and means[c], variances and variances[c]) for c in range(layout.channels)]


def _numbers(layout: Layout, name, array) -> list[Real] | None:
    if isinstance(array, Exact):
        if array.shape != layout.param_shape:
            raise ValueError(f"{name} has shape {array.shape}, expected {layout.param_shape} [BN-1.5]")
        return [array.value(*index) for index in np.ndindex(array.shape)]
    values = layout.parameter(name, array)
    return None if values is None else [Real.of(v) for v in values]


def _evaluate_step(step, layout: Layout, state, gamma, beta, eps, decay, ddof) -> dict[str, Exact]:
    mode, data = step["mode"], _read(step, layout, gamma, beta)
    columns = {}
    for c, running in enumerate(state):
        out = _evaluate_one(_channel(data, c), running, mode, step.get("renorm"), eps, decay, ddof)
        for name, value in out.items():
            columns.setdefault(name, []).append(value)
    return {name: _assemble(name, values, layout, data, mode) for name, values in columns.items() if _wanted(name, data)}


def _wanted(name, data) -> bool:
    """An absent parameter has no gradient [BN-1.5]."""
    needs = {"dgamma": "gamma", "d2gamma": "gamma", "dbeta": "beta"}.get(name)
    return needs is None or data[needs] is not None


def _read(step, layout: Layout, gamma, beta) -> dict:
    """Rows and parameters by name, float64; counts is True where a value enters the statistics."""
    given = {"gamma": gamma, "beta": beta} | {name: step.get(name) for name in ("x", "dy", *TANGENTS, *COTANGENTS)}
    data = {
        name: layout.like_x(name, array) if name in LIKE_X else layout.parameter(name, array)
        for name, array in given.items()
    }
    mask = step.get("mask")
    if mask is not None:
        mask = np.asarray(mask)
        if mask.dtype != bool:
            raise ValueError(f"mask has dtype {mask.dtype}, expected bool [BN-6.1]")
        mask = layout.rows(np.broadcast_to(mask, layout.shape))
    counts = np.ones((layout.channels, layout.positions), bool) if mask is None else mask
    data["counts"] = counts if step["mode"] in ("train", "renorm") else None
    return data


def _channel(data, c) -> Channel:
    def numbers(name):
        if data[name] is None:
            return None
        return [Real.of(v) for v in data[name][c]] if name in LIKE_X else Real.of(data[name][c])

    def present(names):
        return {name: numbers(name) for name in names if data[name] is not None}

    return Channel(
        x=numbers("x"),
        counts=None if data["counts"] is None else data["counts"][c].tolist(),
        gamma=Real.of(1) if data["gamma"] is None else numbers("gamma"),
        beta=numbers("beta"),
        dy=numbers("dy"),
        tangents=present(TANGENTS),
        cotangents=present(COTANGENTS),
    )


def _evaluate_one(channel: Channel, running: Running, mode, renorm, eps, decay, ddof) -> dict:
    """One channel of one step; updates its running statistics if the step trains."""
    out = {}
    if mode in ("infer", "frozen"):
        if running.mean is None or running.var is None:
            raise ValueError(f"mode {mode!r} has no running statistics, expected running_mean and running_var [BN-4.1]")
        statistics = plain_statistics(running.mean, running.var, eps)
    else:
        mean, var = batch_moments(channel.x, channel.counts)
        if mode == "train":
            statistics = plain_statistics(mean, var, eps)
        else:
            statistics = _renormalized(mean, var, running, eps, renorm)
        running.update(mean, var, channel.m, decay, ddof)
        out = {"batch_mean": mean, "batch_var": var}
    out |= evaluate_channel(channel, statistics)
    state = {"running_mean": running.mean, "running_var": running.var}
    return out | {name: value for name, value in state.items() if value is not None}


def _renormalized(mean, var, running: Running, eps, renorm):
    if renorm is None or running.mean is None or running.var is None:
        raise ValueError("mode 'renorm' lacks r_max and d_max or running statistics, expected all of them [BN-6.4]")
    r_max = _constant("r_max", renorm["r_max"], 1, math.inf, "BN-6.4")
    d_max = _constant("d_max", renorm["d_max"], 0, math.inf, "BN-6.4")
    return renorm_statistics(mean, var, running.mean, running.var, eps, r_max, d_max)


def _assemble(name, values, layout: Layout, data, mode) -> Exact:
    """Channel results as one array of x's or the parameters' shape."""
    if name not in LIKE_X:
        array = np.empty(layout.channels, object)
        array[:] = values
        return Exact(array.reshape(layout.param_shape))
    array = np.empty((layout.channels, layout.positions), object)
    for row, numbers in zip(array, values, strict=True):
        row[:] = numbers
    zero_sign = None
    if name == "dx" and mode in ("infer", "frozen"):
        zero_sign = np.signbit(data["dy"])
        if data["gamma"] is not None:
            zero_sign = zero_sign ^ np.signbit(data["gamma"])[:, None]
        zero_sign = layout.unrows(zero_sign)
    return Exact(layout.unrows(array), zero_sign)
