"""Known ways to hand a layer over wrongly, each as what the target then is; `--prove` names the one that fits."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from .core import BatchNorm, complement
from .forms import Form

Mistake = Callable[[BatchNorm, Form, Form], BatchNorm | None]


def _raw(layer, source, target):
    """The user's number is copied from one framework to another that gives it the other meaning."""
    return None if layer.decay is None else replace(layer, decay=complement(layer.decay))


def _eps_as_momentum(layer, source, target):
    return replace(layer, decay=target.old_weight(layer.eps))


def _swapped(layer, source, target):
    if layer.decay is None:
        return None
    return replace(layer, eps=source.users_number(layer.decay), decay=target.old_weight(layer.eps))


def _hidden(layer, source, target):
    """Right for inference, wrong for training: var + eps is kept while eps changes."""
    var = layer.running_var + layer.running_var.dtype.type(layer.eps - target.default_eps)
    return replace(layer, eps=target.default_eps, running_var=var) if (var >= 0).all() else None


def _var(change):
    return lambda layer, source, target: replace(layer, running_var=change(layer).astype(layer.running_var.dtype))


def _exchanged(one, other):
    def change(layer, source, target):
        a, b = getattr(layer, one), getattr(layer, other)
        if a is None or b is None or other == "running_var" and np.any(a < 0):
            return None
        return replace(layer, **{one: b, other: a})

    return change


MISTAKES: Mapping[str, Mistake] = {
    "momentum handed over raw": _raw,
    "eps and momentum swapped": _swapped,
    "eps handed over as momentum": _eps_as_momentum,
    "eps left at the target's default": lambda layer, s, t: replace(layer, eps=t.default_eps),
    "momentum left at the target's default": lambda layer, s, t: replace(layer, decay=t.old_weight(t.default_decay)),
    "eps and momentum left at the target's defaults": lambda layer, s, t: replace(
        layer, eps=t.default_eps, decay=t.old_weight(t.default_decay)
    ),
    "difference of eps hidden in the variance": _hidden,
    "counter dropped": lambda layer, s, t: replace(layer, count=0) if layer.count else None,
    "variance taken for standard deviation": _var(lambda layer: layer.running_var.astype(np.float64) ** 2),
    "standard deviation handed over as variance": _var(lambda layer: np.sqrt(layer.running_var)),
    "inverse standard deviation handed over as variance": _var(
        lambda layer: 1 / np.sqrt(layer.running_var + layer.eps)
    ),
    "gamma and beta exchanged": _exchanged("gamma", "beta"),
    "mean and variance exchanged": _exchanged("running_mean", "running_var"),
    "running statistics not handed over": lambda layer, s, t: replace(
        layer, running_mean=0 * layer.running_mean, running_var=0 * layer.running_var + 1
    ),
    "gamma and beta not handed over": lambda layer, s, t: replace(
        layer, **{n: 0 * getattr(layer, n) + v for n, v in (("gamma", 1), ("beta", 0)) if getattr(layer, n) is not None}
    ),
}


def readings(layer: BatchNorm, source: Form, target: Form):
    """(name, what the target would be) of every mistake that changes anything here."""
    for name, change in MISTAKES.items():
        wrong = change(layer, source, target)
        if wrong and not _same(wrong, layer):
            yield name, wrong


def _same(one, other):
    arrays = all(
        np.array_equal(getattr(one, n), getattr(other, n)) for n in ("gamma", "beta", "running_mean", "running_var")
    )
    return arrays and (one.eps, one.decay, one.count) == (other.eps, other.decay, other.count)
