"""The definition over a list of steps, state carried from step to step without rounding."""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .exact import Exact
from .layout import ChannelSplit
from .reals import Real
from .running import Running
from .step import LIKE_X, PARAMETERS, TRAINING, StepValues

MODES = ("train", "infer", "frozen", "renorm")
COTANGENTS = ("u_x", "u_gamma", "u_beta")
KEYS = {"mode", "mask", "renorm", "shards", "repeat", *LIKE_X, *PARAMETERS} - {"gamma", "beta"}


@dataclass(frozen=True)
class Settings:
    """The constants of a run at their exact values, which states are kept, and (r_max, d_max) of a renorm step."""

    eps: Fraction
    decay: Fraction | None
    running_ddof: int
    states: tuple
    renorm: tuple | None = None


def evaluate(
    steps, *, gamma, beta, running_mean, running_var, eps, decay, running_ddof, channel_axes
) -> list[dict[str, Exact]]:
    """Every output of every step, exact.

    steps: dicts with "mode" ("train", "infer", "frozen", "renorm") and "x", and as wanted "dy" (gives dx, dgamma,
    dbeta), "mask", tangents "x_dot", "gamma_dot", "beta_dot" (give y_dot), second-order cotangents "u_x", "u_gamma",
    "u_beta" (with dy; give d2x, d2gamma, d2dy), "renorm": {"r_max", "d_max"}, "shards" (sizes along axis 0, which
    change nothing [BN-6.3]), and "repeat" (so many steps with the same data, of which the last is answered). gamma,
    beta, running_mean, running_var: arrays of the parameters' shape, or None; the state may also be `Exact`, as
    `population` gives it. eps, decay: Python floats, taken at their exact value; decay None averages the steps'
    statistics. Arrays are float64, float32, float16 or bfloat16, each number taken at its exact value.

    Returns one dict a step: y, batch_mean and batch_var (train, renorm), running_mean and running_var (where a state
    was given, as they are after the step), and what was asked for. Formulas, masks and non-finite values included:
    `channel`; signs of zero: `exact`. Errors: ValueError for what is outside the domain.

    >>> x = np.array([[0.0], [1.0], [5.0]], np.float32)
    >>> out, = evaluate([{"mode": "train", "x": x, "dy": x}], gamma=None, beta=None, running_mean=None,
    ...                 running_var=None, eps=0.0, decay=0.9, running_ddof=1, channel_axes=(1,))
    >>> sorted(out)
    ['batch_mean', 'batch_var', 'dx', 'y']
    >>> out["y"].round("float32").ravel().tolist()
    [-0.9258201122283936, -0.4629100561141968, 1.3887301683425903]
    """
    if running_ddof not in (0, 1):
        raise ValueError(f"running_ddof is {running_ddof!r}, expected 0 or 1 [BN-3.3]")
    given = {"running_mean": running_mean, "running_var": running_var}
    kept = {name: array for name, array in given.items() if array is not None}
    eps = constant("eps", eps, 0, math.inf, "BN-2.4")
    decay = None if decay is None else constant("decay", decay, 0, 1, "BN-3.1")
    results, state = [], None
    for step in steps:
        _check(step, kept)
        settings = Settings(eps, decay, running_ddof, tuple(kept), _renorm(step))
        layout = ChannelSplit(np.shape(step["x"]), channel_axes)
        if step["mode"] in TRAINING and not layout.reduces:
            raise ValueError(f"channel_axes is {channel_axes}, expected an axis of x left to reduce [BN-1.1]")
        if state is None:
            state = _initial_state(layout, kept)
        given = {"gamma": gamma, "beta": beta} | {name: step.get(name) for name in KEYS & {*LIKE_X, *PARAMETERS}}
        arrays = {name: array for name, array in given.items() if array is not None}
        values = StepValues(arrays, step.get("mask"), step["mode"], layout)
        values.skip(state, settings, step.get("repeat", 1) - 1)
        results.append(values.evaluate(state, settings))
    return results


def constant(name, value, low, high, clause) -> Fraction:
    """The exact value of a finite float within bounds."""
    value = float(value)
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{name} is {value!r}, expected a finite number from {low} to {high} [{clause}]")
    return Fraction(value)


def _check(step, states) -> None:
    if unknown := set(step) - KEYS:
        raise ValueError(f"step has {sorted(unknown)}, expected keys among {sorted(KEYS)}")
    if step["mode"] not in MODES:
        raise ValueError(f"mode is {step['mode']!r}, expected one of {MODES}")
    if any(step.get(name) is not None for name in COTANGENTS) and step.get("dy") is None:
        raise ValueError("second-order cotangents are given without dy, expected dy as well [BN-5.4]")
    if step["mode"] != "train" and len(states) < 2:
        raise ValueError(
            f"mode is {step['mode']!r} without running_mean and running_var, expected both [BN-4.1, BN-6.4]"
        )


def _renorm(step) -> tuple[Fraction, Fraction] | None:
    if step["mode"] != "renorm":
        return None
    limits = step.get("renorm") or {}
    if set(limits) != {"r_max", "d_max"}:
        raise ValueError(f"renorm has {sorted(limits)}, expected d_max and r_max [BN-6.4]")
    r_max = constant("r_max", limits["r_max"], 1, math.inf, "BN-6.4")
    return r_max, constant("d_max", limits["d_max"], 0, math.inf, "BN-6.4")


def _initial_state(layout: ChannelSplit, kept) -> list[Running]:
    columns = {name: channel_numbers(layout, name, array) for name, array in kept.items()}
    absent = [None] * layout.channels
    means, variances = columns.get("running_mean", absent), columns.get("running_var", absent)
    return [Running(mean, var) for mean, var in zip(means, variances, strict=True)]


def channel_numbers(layout: ChannelSplit, name, array) -> list[Real]:
    """One exact number a channel, from an array or an `Exact` of the parameters' shape."""
    if not isinstance(array, Exact):
        return [Real.of(v) for v in layout.parameter(name, array)]
    if array.shape != layout.param_shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {layout.param_shape} [BN-1.5]")
    return [array.value(*index) for index in np.ndindex(array.shape)]
