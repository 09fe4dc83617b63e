"""A cheap enclosure of every output: the definition in wide floating point, with the error its own analysis allows.

The values are a textbook two-pass computation in float64, or in `np.longdouble` where float64 itself is judged; the
radius is the allowance of such a computation with sums in any order (BOUNDS.md). What an enclosure does not decide is
left to the oracle: an alarm is never raised here.

An allowance is a convex function of u that vanishes with it, but for the root of a variance that is hardly known. So
where the variance is known, a share of a coarser arithmetic's allowance bounds a finer one's, and is had for nothing:
2^-29 for the unit of float64 beside float32's, 2^11 for sums of up to 2^22 terms in any order beside pairwise ones.
"""

from dataclasses import replace

import numpy as np

from bnconform.backends.contract import FLOATS, Conventions
from bnconform.layout import Layout

from ..cases.draft import Draft
from ..judge.allowances import allowances
from ..operations import main

EXTENDED = np.finfo(np.longdouble).nmant >= 63  # 11 bits more than float64: so on x86, not everywhere
NARROWER = 2.0**-10  # of float64's radius holds the error of longdouble, whose unit is 2^-11 of float64's
SHARE, LONGEST = 2.0**-18, 1 << 22  # of float32's allowance holds the error of float64
WELL_KNOWN = 2.0**-6  # largest error of a variance, in units of var + eps


@np.errstate(all="ignore")
def enclosure(draft: Draft, conventions: Conventions) -> tuple[dict, dict, dict]:
    """(values, radii, allowances) by output name, of all outputs of the case; the values float64 or longdouble.

    The exact value is within the radius of the value; a radius may be infinite, a value not finite. The allowances are
    those of the conventions.
    """
    case = replace(draft.case, **dict.fromkeys(("x_dtype", "param_dtype", "state_dtype"), "float64"))
    judged = conventions.compute[draft.case.x_dtype], draft.case.x_dtype, draft.case.param_dtype
    kind = np.longdouble if "float64" in judged and EXTENDED else np.float64
    running_ddof = conventions.running_ddof
    values = evaluate(case, draft.tensors, running_ddof, kind)
    asked = {*case.outputs(), *(name for name in values if name.endswith("_var"))}
    values = {name: values[name] for name in values if name in asked}
    near = {name: (None, value.astype(np.float64)) for name, value in values.items()}
    allowed = allowances(draft.case, draft.tensors, conventions, near)
    if kind is np.float64 and (radii := _shares(case, near, allowed)):
        return *({name: each[name] for name in case.outputs()} for each in (values, radii)), allowed
    wide = Conventions(running_ddof=running_ddof, reduction="sequential", compute=dict.fromkeys(FLOATS, "float64"))
    radii = {name: found.element for name, found in allowances(case, draft.tensors, wide, near).items()}
    if kind is np.longdouble:
        radii = {name: radius * _narrower(case, name, values, radii) for name, radius in radii.items()}
    return *({name: each[name] for name in case.outputs()} for each in (values, radii)), allowed


def _shares(case, near, allowed):
    """Radii of float64 as shares of float32's allowances; None where a variance is hardly known."""
    if max(np.size(value) for _, value in near.values()) > LONGEST:
        return None
    for name, (_, value) in near.items():
        if name.endswith("_var") and np.any(allowed[name].element * SHARE > WELL_KNOWN * (value + case.eps)):
            return None
    return {name: allowed[name].element * SHARE + 2.0**-52 * np.abs(value) for name, (_, value) in near.items()}


def _narrower(case, name, values, radii):
    """How much of float64's radius longdouble needs, channel by channel."""
    index, output = name.split(".")
    variances = [var for var in (f"{index}.batch_var", f"{index}.running_var") if var in values]
    known = np.ones((), bool)
    for var in variances:
        known = known & (radii[var] <= WELL_KNOWN * (np.asarray(values[var], np.float64) + case.eps))
    factor = np.where(known, NARROWER, 1.0)
    if output in ("y", "dx") and factor.ndim:
        return Layout(values[name].shape, case.channel_axes).expand(factor)
    return factor


def evaluate(case, tensors: dict, running_ddof: int, kind=np.float64) -> dict[str, np.ndarray]:
    """Every output of every training, inference and frozen step, masks included, in the arithmetic of `kind`."""
    wide = {name: value if value.dtype == bool else value.astype(kind) for name, value in tensors.items()}
    state = _State(wide.get("running_mean"), wide.get("running_var"), running_ddof)
    out = {}
    for index, step in enumerate(case.steps):
        given = {name: wide[f"{index}.{name}"] for name in step.inputs}
        layout = Layout(given["x"].shape, case.channel_axes)
        training = main(step).training
        found = _step(given, layout, wide.get("gamma"), wide.get("beta"), kind(case.eps), training, state)
        if training:
            state.update(found, case.decay)
        if case.has_state:
            found |= {"running_mean": state.mean, "running_var": state.var}
        out |= {f"{index}.{name}": value for name, value in found.items() if value is not None and name != "m"}
    return out


def _step(given, layout, gamma, beta, eps, training, state):
    """One step of the definition [BN-2.1 to BN-2.3, BN-4.1, BN-5.1, BN-5.2, BN-6.1, BN-6.2]."""
    x, dy, expand, total = given["x"], given.get("dy"), layout.expand, layout.total
    counted = np.broadcast_to(given.get("mask", True), x.shape)
    out, mean, var, m = {}, state.mean, state.var, None
    if training:
        m = total(counted).astype(x.dtype)
        mean = total(np.where(counted, x, 0)) / m
        var = total(np.where(counted, np.square(x - expand(mean)), 0)) / m
        out = {"batch_mean": mean, "batch_var": var, "m": m}
    r = 1 / np.sqrt(var + eps)
    scale = expand(r if gamma is None else gamma * r)
    centred = x - expand(mean)
    y = scale * centred
    out["y"] = y if beta is None else y + expand(beta)
    if dy is not None:
        x_hat = centred * expand(r)
        dbeta, dgamma = total(dy), total(dy * x_hat)
        through = dy
        if m is not None:
            through = dy - np.where(counted, (expand(dbeta) + x_hat * expand(dgamma)) / expand(m), 0)
        out["dx"] = scale * through
        out["dgamma"], out["dbeta"] = None if gamma is None else dgamma, None if beta is None else dbeta
    return out


class _State:
    """Running statistics [BN-3.1 to BN-3.5]; None where the layer keeps none."""

    def __init__(self, mean, var, ddof):
        self.mean, self.var, self.ddof = mean, var, ddof
        self.counts = [0, 0]

    def update(self, found, decay):
        if self.mean is None:
            return
        m = found["m"]
        free = m - self.ddof
        self.mean = self._blend(0, self.mean, found["batch_mean"], m > 0, decay)
        self.var = self._blend(1, self.var, found["batch_var"] * (m / free), free > 0, decay)

    def _blend(self, which, old, new, exists, decay):
        self.counts[which] = self.counts[which] + exists.astype(np.int64)
        kept = old.dtype.type(decay or 0)
        if decay is None:
            count = np.maximum(self.counts[which], 1).astype(old.dtype)
            kept = (count - 1) / count
        return np.where(exists, kept * old + (1 - kept) * new, old)
