"""At the edges of the domain: one value, none, a constant channel, eps = 0, non-finite input [BN-7]."""

from dataclasses import replace
from fnmatch import fnmatchcase

import numpy as np

from ..cases.values import poke
from ..mistakes import whats
from ..mistakes.whens import EMPTY, ONE_VALUE, TRAINING
from .finding import against
from .probe import RIGHT, at, closest, probe, step

CASES = {  # property -> the case whose known differences speak of it
    "sums of float64": "dtypes/float64-dense",
    "m = 1": "degenerate/m1-dense",
    "state at m = 1": "degenerate/m1-dense",
    "empty batch": "degenerate/empty-dense",
    "constant channel": "degenerate/constant-large",
    "eps = 0": "parameters/eps-zero",
    "NaN in one channel": "nonfinite/nan",
    "NaN in inference": "nonfinite/nan-inference",
}


NOTHING = at("exists_mean", whats.YES, EMPTY) + at("exists_var", whats.YES, EMPTY)
ZEROS = at("new_mean", whats.LEFT_OUT, EMPTY) + at("new_var", whats.LEFT_OUT, EMPTY)
ZEROED = at("rows", whats.formula("finite", lambda v, at: np.nan_to_num(v)))
FINITE = whats.over_terms("over finite values", lambda terms: np.where(np.isfinite(terms), terms, 0))
FINITE_COUNT = whats.formula("of finite values", lambda v, at: np.isfinite(at.row).sum(axis=1, keepdims=True))
REPLACED = whats.formula("0 where it is NaN", lambda v, at: np.where(np.isnan(v), 0, v))


def excused(finding, known):
    """The finding, with a known difference of the same case as what was declared."""
    reasons = [entry.reason for entry in known if fnmatchcase(CASES.get(finding.property, ""), entry.cases)]
    if finding.agrees is False and reasons:
        return replace(finding, declared=reasons[0], agrees=True)
    return finding


def edges(box, conventions):
    """One row an edge."""
    for property, asked, readings, outputs, right in _probes(conventions.running_ddof):
        name, evidence = closest(box, asked, readings, outputs, conventions.running_ddof)
        yield against(property, name, evidence, right, "BN-7")


def _probes(ddof):
    one = probe("one", shape=(1, 4), steps=[step()])
    yield (
        "m = 1",
        one,
        {
            "y = beta": RIGHT,
            "y by the running statistics": at("mean_used", whats.RUNNING_MEAN, TRAINING)
            + at("var_used", whats.RUNNING_VAR, TRAINING),
        },
        ["0.y"],
        "y = beta",
    )
    states = {
        "kept": RIGHT,
        "NaN": at("exists_var", whats.YES),
        "0 blended in": at("exists_var", whats.YES) + at("new_var", whats.LEFT_OUT, ONE_VALUE) if ddof else RIGHT,
    }
    right = "kept" if ddof else "0 blended in"
    readings = {name: rules for name, rules in states.items() if name != "kept" or ddof}
    yield "state at m = 1", one, readings, ["0.running_var"], right
    empty = probe("empty", shape=(0, 4), steps=[step()])
    readings = {"state kept": RIGHT, "state NaN": NOTHING, "0 blended in": NOTHING + ZEROS}
    yield "empty batch", empty, readings, ["0.running_mean", "0.running_var"], "state kept"
    constant = lambda x: np.where(np.arange(x.shape[1])[None, :, None] == 1, 0.5, x)
    flat = probe("constant", eps=1e-3, steps=[step(edit=constant)])
    yield "constant channel", flat, {"y = beta": RIGHT, "not finite": at("eps", whats.LEFT_OUT)}, ["0.y"], "y = beta"
    yield "eps = 0", probe("eps-zero", eps=0.0, steps=[step()]), {"accepted": RIGHT}, ["0.y"], "accepted"
    nan = poke(((1, 1, 2), np.nan))
    readings = {
        "lost in its channel": RIGHT,
        "taken as 0": ZEROED,
        "left out": at("sum", FINITE) + at("m", FINITE_COUNT),
        "left out of the sums": at("sum", FINITE),
        "y replaced": at("y", REPLACED),
    }
    yield "NaN in one channel", probe("nan", steps=[step(edit=nan)]), readings, ["0.y"], "lost in its channel"
    readings = {
        "stays in its place": RIGHT,
        "taken as 0": ZEROED,
        "y replaced": at("y", REPLACED),
    }
    yield (
        "NaN in inference",
        probe("nan-inference", steps=[step("infer", edit=nan)]),
        readings,
        ["0.y"],
        "stays in its place",
    )
