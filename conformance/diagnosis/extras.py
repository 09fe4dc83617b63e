"""Renormalization, folding and population statistics under some rules [BN-6.4, BN-4.3, BN-3.4]."""

import numpy as np

from .rules import Rules


def renorm_factors(layer, batch, before, step, view):
    """(r', d', factor of the gradient) [BN-6.4]."""
    right = {
        "clip_r": True,
        "clip_d": True,
        "inverted": False,
        "after": False,
        "gradient": True,
        "off": False,
        "shift": 1.0,
        "one_sided": "",
    }
    words = right | (layer.rules.renorm or {})
    if words["off"]:
        return np.ones_like(batch.mean), np.zeros_like(batch.mean), 1.0
    mean, var = before
    if words["after"]:
        layer.state.update(batch, view)
        mean, var = layer.state.used()
        layer.state.mean, layer.state.var = before
        layer.state.steps -= 1
    eps = layer.case.eps
    batch_std, std = np.sqrt(batch.var + eps), np.sqrt(var + eps)
    r_max, d_max = step.options["r_max"], step.options["d_max"]
    ratio = std / batch_std if words["inverted"] else batch_std / std
    shift = (batch.mean - mean) / (
        batch_std if words.get("shift_by") == "batch" else 1.0 if words.get("shift_by") == "none" else std
    )
    if words["clip_r"]:
        low, high = {
            "": (1 / r_max, r_max),
            "zero": (0.0, r_max),
            "none": (-np.inf, r_max),
            "lower only": (1 / r_max, np.inf),
        }[words["one_sided"]]
        ratio = np.clip(ratio, low, high)
    if words["clip_d"]:
        shift = np.clip(shift, -d_max, d_max)
    return ratio, words["shift"] * shift, ratio if words["gradient"] else 1.0


def fold(case, inputs, rules: Rules):
    """The preceding layer with the normalization folded in [BN-4.3]."""
    words = {
        "axis": None,
        "eps": "inside",
        "bias": "right",
        "gamma": True,
        "beta": True,
        "mean": 1.0,
        **(rules.fold or {}),
    }
    wide = {name: np.asarray(value, np.float64) for name, value in inputs.items()}
    wide = {"gamma": np.ones_like(wide["running_var"]), "beta": np.zeros_like(wide["running_var"])} | wide
    weight, eps = wide["0.weight"], words.get("value", case.eps)
    options = case.steps[0].options
    axis, split = options["out_axis"], options["groups"]
    gamma = wide["gamma"] if words["gamma"] else np.ones_like(wide["gamma"])
    beta = wide["beta"] if words["beta"] else np.zeros_like(wide["beta"])
    mean, var = wide["running_mean"], wide["running_var"]
    root = {
        "inside": lambda: np.sqrt(var + eps),
        "missing": lambda: np.sqrt(var),
        "outside": lambda: np.sqrt(var) + eps,
        "clamped": lambda: np.sqrt(np.maximum(var, eps)),
        "no root": lambda: var + eps,
    }[words["eps"]]()
    right = wide["gamma"] / np.sqrt(var + case.eps)
    inverse = 1 / root
    a_weight = a_bias = gamma * inverse
    if words.get("eps_in") == "weight":
        a_bias = right
    if words.get("eps_in") == "bias":
        a_weight = right
    if words.get("gamma_in"):  # gamma reaches only one of the two
        a_weight, a_bias = (a_weight, inverse) if words["gamma_in"] == "weight" else (inverse, a_bias)
    folded = _scale(
        weight,
        a_weight,
        words["axis"](case, weight) if words["axis"] else axis,
        axis,
        split,
        words.get("order", "groups"),
    )
    a = a_bias
    bias = wide.get("0.bias", np.zeros_like(mean))
    pieces = {
        "right": lambda: a * bias,
        "dropped": lambda: 0.0,
        "unscaled": lambda: bias,
        "only": lambda: a * bias,
    }[words["bias"]]()
    return {
        "0.weight": folded,
        "0.bias": pieces + beta - words["mean"] * words.get("mean_scale", lambda a: a)(a) * mean,
    }


def _scale(weight, a, axis, own, split, order):
    """Each output's filter times its a; outputs are split over groups along axis 0 where `split` > 1."""
    size = weight.shape[axis]
    if axis != own:
        split = 1
    shape = [size if k == axis else 1 for k in range(weight.ndim)]
    if split == 1 or size == a.size:
        return weight * np.resize(a, size).reshape(shape)
    if order == "first only":
        return weight * a[:size].reshape(shape)
    per_group = a.reshape(split, size) if order == "groups" else a.reshape(size, split).T
    inputs = weight.shape[0] // split
    rows = np.repeat(per_group, inputs, axis=0) if order != "interleaved" else np.tile(per_group, (inputs, 1))
    full = [n if k in (0, axis) else 1 for k, n in enumerate(weight.shape)]
    return weight * rows.reshape(full)


def population(case, inputs, rules: Rules):
    """Statistics for inference from a list of batches [BN-3.4]."""
    x = np.asarray(inputs["0.x"], np.float64)
    sizes = case.steps[0].options["sizes"]
    tables = [
        np.moveaxis(part, case.channel_axes, range(-len(case.channel_axes), 0)).reshape(
            -1, *(x.shape[a] for a in case.channel_axes)
        )
        for part in np.split(x, np.cumsum(sizes)[:-1])
    ]
    ddof = rules.population_ddof
    if rules.population == "whole":
        whole = np.concatenate(tables)
        return {"0.running_mean": whole.mean(0), "0.running_var": whole.var(0, ddof=ddof)}
    weights = [len(t) for t in tables] if rules.population_weighted else None
    means = [t.mean(0) for t in tables]
    if rules.population == "ddof after":
        variances = np.average([t.var(0) for t in tables], axis=0, weights=weights)
        total = np.mean([len(t) for t in tables])
        return {
            "0.running_mean": np.average(means, axis=0, weights=weights),
            "0.running_var": variances * total / (total - 1),
        }
    if rules.population == "batch ddof":
        variances = [t.var(0) * n / (n - 1) for t, n in zip(tables, sizes)]
    else:
        variances = [t.var(0, ddof=ddof) for t in tables]
    if rules.population == "last":
        return {"0.running_mean": means[-1], "0.running_var": variances[-1]}
    return {
        "0.running_mean": np.average(means, axis=0, weights=weights),
        "0.running_var": np.average(variances, axis=0, weights=weights),
    }
