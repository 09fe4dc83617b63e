"""Case + declared arithmetic -> allowance of every element of every output."""

import numpy as np
from bnconform.backends.contract import Conventions
from bnconform.bounds import Numerics, StateAllowance, batch_allowance, rounding, step_allowances
from bnconform.layout import Layout

from .records import Case

PARAMETER_LIKE = ("dgamma", "dbeta", "d2gamma")
STATE_LIKE = ("batch_mean", "batch_var", "running_mean", "running_var")


def numerics_of(conventions: Conventions, x_dtype: str) -> Numerics:
    """The arithmetic that an implementation declares for an x of that type."""
    variance = "two-pass" if conventions.variance == "two-pass" else "one-pass"
    return Numerics(conventions.compute[x_dtype], variance, conventions.reduction)


def output_dtype(case: Case, name: str, conventions: Conventions | None = None) -> str:
    """The type of an output: x's, the parameters' or the state's; y may be promoted, where that is declared."""
    if name in PARAMETER_LIKE:
        return case.param_dtype
    if name in STATE_LIKE:
        return case.state_dtype
    if name in ("y", "y_dot") and conventions and conventions.y_dtype == "promoted":
        widths = {"float64": 3, "float32": 2, "float16": 1, "bfloat16": 1}
        return max(case.x_dtype, case.param_dtype, key=widths.__getitem__)
    return case.x_dtype


@np.errstate(all="ignore")
def allowances(case: Case, inputs: dict, conventions: Conventions, wanted: dict) -> dict[str, np.ndarray]:
    """Largest accepted |got - exact| by output name, shapes as the outputs'.

    wanted: output name -> (rounded, exact in float64), as `Golden.wanted` gives it. The final rounding into the output's type is
    included.
    """
    numerics = numerics_of(conventions, case.x_dtype)
    inner = _fold(case, inputs, numerics) if case.steps[0].mode == "fold" else _chain(case, inputs, conventions, numerics)
    out = {}
    for name, (_, exact) in wanted.items():
        kind = output_dtype(case, name.split(".", 1)[1], conventions)
        out[name] = inner[name] + rounding(exact, kind)
    return out


def _chain(case, inputs, conventions, numerics):
    """Errors step by step: what a training step leaves in the state, inference meets again."""
    out, state = {}, None
    if case.has_state:
        state = StateAllowance.initial(inputs["running_mean"], inputs["running_var"])
    common = {"eps": case.eps, "channel_axes": case.channel_axes, "numerics": numerics}
    update = {"decay": case.decay, "running_ddof": conventions.running_ddof, "dtype": case.state_dtype}
    for index, step in enumerate(case.steps):
        arrays = {name: inputs[f"{index}.{name}"] for name in step.inputs}
        if step.mode == "population":
            return _population(case, inputs, numerics)
        layout = Layout(arrays["x"].shape, case.channel_axes)
        training = step.mode in ("train", "renorm")
        if training:
            channel = batch_allowance(np.asarray(arrays["x"], np.float64), layout, numerics, arrays.get("mask"))
        else:
            channel = state.channel(layout.m)
        parameters = (inputs.get("gamma"), inputs.get("beta"))
        found = step_allowances(arrays, *parameters, channel, training=training, **common)
        if step.mode == "renorm":
            found = _renorm(found, state, step, case, layout)
        if training:
            found |= {"batch_mean": channel.mean_error, "batch_var": channel.var_error}
            state = state and state.update(channel, **update)
        if state:
            found |= {"running_mean": state.mean_error, "running_var": state.var_error}
        out |= {f"{index}.{name}": value for name, value in found.items()}
    return out


def _renorm(found, state, step, case, layout):
    """r' and d' scale and shift what plain training gives, by factors that are themselves rounded [BN-6.4]."""
    widest = step.options["r_max"] * 4
    shift = 16 * np.spacing(np.float32(1)) * (step.options["d_max"] + 1)
    return {name: value * widest + shift * (name in ("y", "dgamma")) * 4 for name, value in found.items()}


def _population(case, inputs, numerics):
    """Means over the batches of the batch allowances [BN-3.4]."""
    batches = np.split(inputs["0.x"], np.cumsum(case.steps[0].options["sizes"])[:-1])
    channels = [
        batch_allowance(np.asarray(x, np.float64), Layout(x.shape, case.channel_axes), numerics) for x in batches
    ]
    u = 3 * len(channels) * numerics.u
    return {
        "0.running_mean": np.mean([c.mean_error + u * np.abs(c.mean) for c in channels], axis=0),
        "0.running_var": np.mean([(c.var_error + u * c.var) * c.m / (c.m - 1) for c in channels], axis=0),
    }


def _fold(case, inputs, numerics):
    """A handful of roundings of a = gamma / sqrt(var + eps) and of the products with it [BN-4.3]."""
    wide = {name: np.asarray(value, np.float64) for name, value in inputs.items()}
    gamma, beta = wide.get("gamma", 1.0), wide.get("beta", 0.0)
    a = np.abs(gamma) / np.sqrt(wide["running_var"] + case.eps)
    bias = np.abs(wide.get("0.bias", 0.0)) + np.abs(wide["running_mean"])
    step = case.steps[0].options
    per_weight = np.abs(wide["0.weight"])
    weight_scale = np.max(a) * per_weight if step["groups"] > 1 else np.abs(per_weight * _along(a, per_weight, step["out_axis"]))
    u = 6 * numerics.u
    return {"0.weight": u * weight_scale, "0.bias": u * (a * bias + np.abs(beta))}


def _along(values, like, axis):
    return values.reshape([-1 if k == axis % like.ndim else 1 for k in range(like.ndim)])
