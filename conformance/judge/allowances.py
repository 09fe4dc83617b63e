"""Case + declared arithmetic -> allowance of every element of every output."""

import numpy as np

from bnconform.allowance import Allowance, Numerics, StateAllowance, Statistics, batch_allowance, inverse_std_error
from bnconform.allowance.step import step_allowances
from bnconform.backends.contract import Conventions
from bnconform.extensions.folding import affine_form, fold
from bnconform.layout import Layout

from ..records import Case

PARAMETER_LIKE = ("dgamma", "dbeta", "d2gamma")
STATE_LIKE = ("batch_mean", "batch_var", "running_mean", "running_var")


def numerics_of(conventions: Conventions, x_dtype: str) -> Numerics:
    """The arithmetic that an implementation declares for an x of that type."""
    variance = conventions.variance.removesuffix("-clamped")  # clamping at zero never adds to the error
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
def allowances(case: Case, inputs: dict, conventions: Conventions, wanted: dict) -> dict[str, Allowance]:
    """What is accepted of each output: `element` has the output's shape, the rest serves the sums over all elements.

    wanted: output name -> (rounded, exact in float64), as `Golden.wanted` gives it. The final rounding into the
    output's type is included.
    """
    numerics = numerics_of(conventions, case.x_dtype)
    if case.steps[0].mode == "population":
        inner = _population(case, inputs, numerics)
    else:
        inner = _chain(case, inputs, conventions, numerics)
    out = {}
    for name, (_, exact) in wanted.items():
        kind = output_dtype(case, name.split(".", 1)[1], conventions)
        out[name] = inner[name].rounded(exact, kind, numerics.dtype)
    return out


def _chain(case, inputs, conventions, numerics):
    """Errors step by step: what a training step leaves in the state, inference meets again."""
    out, state = {}, None
    if case.has_state:
        state = StateAllowance.initial(inputs["running_mean"], inputs["running_var"])
    update = dict(
        decay=case.decay, running_ddof=conventions.running_ddof, dtype=case.state_dtype, compute=numerics.dtype
    )
    for index, step in enumerate(case.steps):
        if step.mode == "fold":
            out |= {f"{index}.{name}": value for name, value in _fold(case, inputs, index, numerics).items()}
            continue
        arrays = {name: inputs[f"{index}.{name}"] for name in step.inputs}
        layout = Layout(arrays["x"].shape, case.channel_axes)
        training = step.mode in ("train", "renorm")
        before = state and state.statistics(layout.m)
        at = _batch(arrays, step, layout, numerics) if training else before
        common = {"eps": case.eps, "channel_axes": case.channel_axes, "numerics": numerics, "training": training}
        if step.mode == "renorm":
            common |= {"state": before, "limits": step.options}
        found = step_allowances(arrays, inputs.get("gamma"), inputs.get("beta"), at, **common)
        if training:
            var_error = np.maximum(at.var_error, at.var_short)
            found |= {"batch_mean": Allowance.independent(at.mean_error), "batch_var": Allowance.leaning(var_error)}
            state = state and state.update(at, **update)
        if state:
            found |= {
                "running_mean": Allowance.independent(state.mean_error),
                "running_var": Allowance.leaning(state.var_error),
            }
        out |= {f"{index}.{name}": value for name, value in found.items()}
    return out


def _batch(arrays, step, layout, numerics):
    """Statistics of a training step; those of shards are merged, whatever each shard does [BN-6.3]."""
    if "sizes" in step.options and numerics.variance == "two-pass":
        numerics = numerics._replace(variance="welford")
    return batch_allowance(np.asarray(arrays["x"], np.float64), layout, numerics, arrays.get("mask"))


def _population(case, inputs, numerics):
    """Means over the batches of the batch allowances, and the roundings of these means [BN-3.4]."""
    sizes = case.steps[0].options["sizes"]
    batches = np.split(np.asarray(inputs["0.x"], np.float64), np.cumsum(sizes)[:-1])
    found = [batch_allowance(x, Layout(x.shape, case.channel_axes), numerics) for x in batches]
    averaging = numerics.of_sum(len(found))
    free = [at.m / (at.m - 1) for at in found]
    mean = [at.mean_error + averaging * np.abs(at.mean) for at in found]
    # two roundings for m / (m - 1) and its product
    var = [(at.var_error + (averaging + 2 * numerics.u) * at.var) * factor for at, factor in zip(found, free)]
    return {
        "0.running_mean": Allowance.independent(np.mean(mean, axis=0)),
        "0.running_var": Allowance.leaning(np.mean(var, axis=0)),
    }


def _fold(case, inputs, index, numerics):
    """Roundings of a = gamma r, of a W, and of a c + b or (c - mean) a + beta, whichever is larger [BN-4.3]."""
    wide = {name: np.asarray(value, np.float64) for name, value in inputs.items()}
    gamma, beta = wide.get("gamma"), wide.get("beta", 0.0)
    mean, var, u = wide["running_mean"], wide["running_var"], numerics.u
    known = {"running_mean": mean, "running_var": var, "eps": case.eps}
    zero = np.zeros_like(var)
    rho, _ = inverse_std_error(Statistics(mean, var, zero, zero, zero, 1), case.eps, numerics)
    options = case.steps[index].options
    weight, _ = fold(wide[f"{index}.weight"], None, np.ones_like(var) if gamma is None else gamma, **known, **options)
    relative, _ = fold(
        np.ones_like(weight), None, rho + u, running_mean=zero, running_var=zero + 1.0, eps=0.0, **options
    )
    a, _ = affine_form(gamma, **known)
    c = wide.get(f"{index}.bias", zero)
    bias = a * (c - mean) + beta
    terms = np.abs(a * c) + 2 * np.abs(a * mean) + np.abs(beta)
    bias_error = np.abs(a * (c - mean)) * (rho + u) + u * terms + u * np.abs(bias) + numerics.tiny
    return {
        "weight": Allowance.independent(np.abs(weight) * relative + numerics.tiny),
        "bias": Allowance.independent(bias_error),
    }
