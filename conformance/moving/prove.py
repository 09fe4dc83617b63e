"""Proof of a translation: inference agrees, and training goes on to the same parameters and state.

The definition is run from the layer in the core's words, in float64, with what rounding may add; the source and the
target, built by their public constructors, have to stay within that allowance over 50 steps of varying batch sizes.
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

import bnconform as bn
from bnconform.allowance import Numerics, StateAllowance, Statistics, batch_allowance
from bnconform.allowance.step import step_allowances
from bnconform.layout import Layout

from .core import BatchNorm
from .forms import FORMS

STEPS, SIZES, RATE = 50, (8, 5, 12), 0.25
SPATIAL = (2, 3, 2)
FIELDS = ("gamma", "beta", "running_mean", "running_var")


class Near(NamedTuple):
    """An exact value and how far a right implementation may stay from it."""

    value: np.ndarray
    error: np.ndarray


@dataclass
class Course:
    """What the steps lead to. y_before, y_after: inference on the first batch. count: of the batches, or None."""

    y_before: Near
    y_after: Near
    end: dict[str, Near] = field(default_factory=dict)
    count: int | None = None


def batches(rank: int, channels: int, steps: int = STEPS, mean=0.7, spread=1.0, seed: int = 0):
    """(x, target) of each step, float32, channels on axis 1; the batches differ in size, mean and spread, so that every
    weight in an average shows. mean, spread: of each channel."""
    rng = np.random.default_rng((seed, rank, channels))
    wide = lambda value: np.broadcast_to(np.asarray(value, np.float64), (channels,)).reshape(1, -1, *[1] * (rank - 2))
    out = []
    for index in range(steps):
        shape = (SIZES[index % len(SIZES)], channels, *SPATIAL[: rank - 2])
        base = rng.normal(size=shape)
        x = wide(mean) + wide(spread) * (rng.uniform(0.5, 1.5) * base + rng.normal())
        target = 2 * base + rng.normal(size=shape) + 0.5
        out.append((x.astype(np.float32), target.astype(np.float32)))
    return out


def for_layer(layer: BatchNorm, rank: int, steps: int = STEPS):
    """Batches as the layer is used to: around its running statistics."""
    deviation = np.sqrt(layer.running_var.astype(np.float64) + layer.eps)
    return batches(rank, layer.shape[0], steps, layer.running_mean, deviation)


@np.errstate(all="ignore")
def course(layer: BatchNorm, data, running_ddof: int, variance: str = "two-pass") -> Course:
    """The definition's way through `data`, and the rounding errors of a float32 implementation along it.

    The parameters' errors follow the recursion of the step itself: p - rate·dp has 1 - rate·(∂dp/∂p) of the error
    before, what y's error does to the gradient, and the gradient's own allowance. Other statistics of the batch than
    their own do not enter the state, whose errors blend as it does.
    """
    numerics = Numerics("float32", variance, "sequential")
    u, zero = numerics.u, np.zeros(layer.shape)
    point = {
        name: np.asarray(getattr(layer, name), np.float64)
        for name in ("gamma", "beta")
        if getattr(layer, name) is not None
    }
    errors = dict.fromkeys(point, zero)
    state = StateAllowance.initial(layer.running_mean, layer.running_var)
    state = state._replace(mean_count=layer.count or 0, var_count=layer.count or 0)
    x = data[0][0].astype(np.float64)
    before = _infer(x, point, errors, state, layer.eps, numerics)
    for x, target in data:
        x, target = x.astype(np.float64), target.astype(np.float64)
        layout = Layout(x.shape, 1)
        at = batch_allowance(x, layout, numerics)
        point, errors = _descend(x, target, point, errors, at, layer.eps, numerics, layout)
        state = state.update(at, decay=layer.decay, running_ddof=running_ddof, dtype="float32", compute="float32")
    end = {name: Near(point[name], errors[name] + u * np.abs(point[name])) for name in point}
    end["running_mean"] = Near(state.mean, state.mean_error + u * np.abs(state.mean))
    end["running_var"] = Near(state.var, state.var_error + 4 * u * np.abs(state.var))
    after = _infer(data[0][0].astype(np.float64), point, errors, state, layer.eps, numerics)
    return Course(before, after, end, None if layer.count is None else layer.count + len(data))


def _infer(x, point, errors, state, eps, numerics):
    layout = Layout(x.shape, 1)
    at, gamma, beta = state.statistics(layout.m), point.get("gamma"), point.get("beta")
    found = step_allowances({"x": x}, gamma, beta, at, eps=eps, channel_axes=1, numerics=numerics, training=False)["y"]
    y = bn.inference_forward(x, gamma, beta, running_mean=state.mean, running_var=state.var, eps=eps, channel_axes=1)
    x_hat = np.abs(x - layout.expand(state.mean)) / np.sqrt(layout.expand(state.var) + eps)
    moved = sum(
        layout.expand(errors[name]) * factor for name, factor in (("gamma", x_hat), ("beta", 1.0)) if name in errors
    )
    return Near(y, found.element + moved + numerics.u * np.abs(y))


def _descend(x, target, point, errors, at: Statistics, eps, numerics, layout):
    """Parameters after one step of gradient descent on sum((y - target)²)/(2 m), and their errors."""
    m, u = layout.m, numerics.u
    gamma, beta = point.get("gamma"), point.get("beta")
    y = bn.train_forward(x, gamma, beta, eps=eps, channel_axes=1).y
    dy = (y - target) / m
    slopes = bn.train_backward(dy, x, gamma, eps=eps, channel_axes=1)
    common = dict(eps=eps, channel_axes=1, numerics=numerics, training=True)
    allowed = step_allowances({"x": x, "dy": dy}, gamma, beta, at, **common)
    x_hat = np.abs(x - layout.expand(at.mean)) / np.sqrt(layout.expand(at.var) + eps)
    off = (allowed["y"].element + 3 * u * (np.abs(y) + np.abs(target))) / m
    moved, grown = {}, {}
    for name, size in (("gamma", x_hat), ("beta", np.ones_like(x))):
        if name not in point:
            continue
        slope, own = getattr(slopes, f"d{name}"), layout.total(size * size) / m
        cross = sum(errors[o] for o in errors if o != name) * layout.total(allowed["y"].element) / m
        gradient = allowed[f"d{name}"].element + layout.total(size * off) + cross
        moved[name] = point[name] - RATE * slope
        grown[name] = (
            np.abs(1 - RATE * own) * errors[name]
            + RATE * gradient
            + 3 * u * (np.abs(point[name]) + RATE * np.abs(slope))
        )
    return moved, grown


@dataclass
class Run:
    """What a framework's layer did: y of inference before and after, its arrays at the end by field."""

    y_before: np.ndarray
    y_after: np.ndarray
    end: dict[str, np.ndarray]


def run(made, arrays, data) -> Run:
    """Load the arrays into a framework's layer and train it. made: an instance of a layer class; data as `batches`."""
    turn = (lambda a: a) if made.first else (lambda a: np.ascontiguousarray(np.moveaxis(a, 1, -1)))
    back = (lambda a: a) if made.first else (lambda a: np.moveaxis(a, -1, 1))
    made.load(arrays)
    x = turn(data[0][0])
    before = back(made.infer(x))
    for step, target in data:
        made.step(turn(step), turn(target), RATE)
    after = back(made.infer(x))
    return Run(np.asarray(before, np.float64), np.asarray(after, np.float64), by_field(made))


def by_field(made) -> dict:
    """The layer's arrays by the definition's names."""
    form, arrays, out = FORMS[made.form], made.arrays(), {}
    for name in FIELDS if form.zero_debiased else (*FIELDS, "count"):  # there a counter divides, and counts no batches
        if name in form.paths and form.path(name, "") in arrays:
            out[name] = np.asarray(arrays[form.path(name, "")]).reshape(-1).astype(np.float64)
    return out


def scores(got: Run, expected: Course) -> dict[str, float]:
    """error / allowance of each quantity, at most 1 where it is right; a counter is right or infinitely wrong."""
    pairs = {"y before": (got.y_before, expected.y_before), "y after": (got.y_after, expected.y_after)}
    pairs |= {name: (got.end[name], near) for name, near in expected.end.items() if name in got.end}
    out = {name: _score(value, near) for name, (value, near) in pairs.items()}
    for name in expected.end:
        if name not in got.end:
            out[name] = np.inf
    if expected.count is not None and "count" in got.end:
        out["count"] = 0.0 if got.end["count"][0] == expected.count else np.inf
    return out


def _score(value, near):
    if value.shape != near.value.shape or not np.isfinite(value).all():
        return np.inf
    return float(np.max(np.abs(value - near.value) / near.error, initial=0.0))


def starts_as(got: Run, layer: BatchNorm, data) -> bool:
    """Whether inference before training is that of `layer`: what is not, need not be trained to be ruled out."""
    return _score(got.y_before, course(layer, data[:1], 0).y_before) <= 1


def apart(one: Course, other: Course) -> float:
    """How far two estimators leave running_var apart, relative."""
    a, b = one.end["running_var"].value, other.end["running_var"].value
    return float(np.max(np.abs(a - b) / np.maximum(np.abs(a), 1e-30), initial=0.0))


def float32(layer: BatchNorm) -> BatchNorm:
    """The layer as the proof trains it."""
    single = {name: getattr(layer, name) for name in FIELDS if getattr(layer, name) is not None}
    return replace(layer, **{name: value.astype(np.float32) for name, value in single.items()})
