"""Case + declared arithmetic -> allowance of every element of every output."""

import numpy as np

from bnconform.allowance import Allowance, Numerics, StateAllowance, batch_allowance
from bnconform.allowance.step import step_allowances
from bnconform.backends.contract import Conventions
from bnconform.layout import Layout

from ..operations import LIKE, STATE, main
from ..records import Case


def numerics_of(conventions: Conventions, x_dtype: str) -> Numerics:
    """The arithmetic that an implementation declares for an x of that type."""
    variance = conventions.variance.removesuffix("-clamped")  # clamping at zero never adds to the error
    return Numerics(conventions.compute[x_dtype], variance, conventions.reduction)


def output_dtype(case: Case, name: str, conventions: Conventions | None = None) -> str:
    """The type of an output: x's, the parameters' or the state's; y may be promoted, where that is declared."""
    if name in ("y", "y_dot") and conventions and conventions.y_dtype == "promoted":
        widths = {"float64": 3, "float32": 2, "float16": 1, "bfloat16": 1}
        return max(case.x_dtype, case.param_dtype, key=widths.__getitem__)
    kinds = {"gamma": case.param_dtype, "beta": case.param_dtype, "state": case.state_dtype}
    return kinds.get(LIKE.get(name), case.x_dtype)


@np.errstate(all="ignore")
def allowances(case: Case, inputs: dict, conventions: Conventions, wanted: dict) -> dict[str, Allowance]:
    """What is accepted of each output: `element` has the output's shape, the rest serves the sums over all elements.

    wanted: output name -> (rounded, exact in float64), as `Golden.wanted` gives it. The final rounding into the
    output's type is included.
    """
    numerics = numerics_of(conventions, case.x_dtype)
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
        state = StateAllowance.initial(*(inputs[name] for name in STATE))
    for index, step in enumerate(case.steps):
        operation = main(step)
        if operation.static:
            found = operation.allowances(case, inputs, index, numerics)
        else:
            found, state = _step(case, inputs, index, state, operation, conventions, numerics)
        out |= {f"{index}.{name}": value for name, value in found.items()}
    return out


def _step(case, inputs, index, state, operation, conventions, numerics):
    """(allowances of one step of a layer, those of the state after it)."""
    step = case.steps[index]
    arrays = {name: inputs[f"{index}.{name}"] for name in step.inputs}
    layout = Layout(arrays["x"].shape, case.channel_axes)
    before = state and state.statistics(layout.m)
    at, x, training = before, np.asarray(arrays["x"], np.float64), case.trains(step)
    if training:
        at = batch_allowance(x, layout, operation.numerics(numerics), arrays.get("mask"))
    common = {"eps": case.eps, "channel_axes": case.channel_axes, "numerics": numerics, "training": training}
    limits = operation.words(step.options).get("renorm")
    found = {}
    if set(step.outputs) - {
        name for name, like in LIKE.items() if like == "state"
    }:  # not only the state of a long life
        given = inputs.get("gamma"), inputs.get("beta")
        found = step_allowances(arrays, *given, at, state=before, limits=limits, **common)
    if training:
        var_error = np.maximum(at.var_error, at.var_short)
        found |= {"batch_mean": Allowance.independent(at.mean_error), "batch_var": Allowance.leaning(var_error)}
        rule = {"decay": case.decay, "running_ddof": conventions.running_ddof}
        for _ in range(step.options.get("repeat", 1) if state else 0):
            state = state.update(at, **rule, dtype=case.state_dtype, compute=numerics.dtype)
    if state:
        errors = Allowance.independent(state.mean_error), Allowance.leaning(state.var_error)
        found |= dict(zip(STATE, errors))
    return found, state
