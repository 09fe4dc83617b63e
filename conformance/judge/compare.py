"""Observation + golden values + allowances -> verdicts. Attributes first, then values.

Never asks which framework it looks at: what differs between frameworks is in the conventions.
"""

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from bnconform.allowance import Allowance
from bnconform.backends.contract import BASIC, Conventions

from ..golden.store import Golden
from ..operations import GRADIENTS
from ..records import Case, Failure, Observation, Verdict
from .aggregate import Aggregate, aggregate
from .allowances import allowances, output_dtype
from .laws import LAWS, limits, residual, wrong_attributes

FAILURE_STATUS = {
    "unsupported": "unsupported",
    "raised": "crashed",
    "died": "crashed",
    "garbage": "crashed",
    "timed out": "timed out",
    "not exposed": "unsupported",
    "missing": "fail",
}

# what an implementation is graded by, whatever it declares
STRICT = {"variance": "two-pass", "reduction": "pairwise"}


class Expectation(NamedTuple):
    """What is expected of a case, by output name; the same for everybody who declares the same conventions.

    wanted: (rounded, exact) arrays. allowed: allowances of the declared arithmetic. strict: those every implementation
    is graded by.
    """

    wanted: dict
    allowed: dict
    strict: dict


NOTHING = Expectation({}, {}, {})  # of an observation without outputs, which costs no allowances


def expectation(case: Case, golden: Golden, conventions: Conventions) -> Expectation:
    """Golden values and allowances of a case under `conventions`."""
    wanted = golden.wanted(case, conventions.running_ddof)
    arithmetic = _arithmetic(case, conventions)
    strict = _arithmetic(case, replace(conventions, **STRICT))
    allowed = _allowances(case, golden, arithmetic)
    return Expectation(wanted, allowed, allowed if strict == arithmetic else _allowances(case, golden, strict))


def _arithmetic(case, conventions):
    """All that the allowances of a case depend on, of what an implementation declares."""
    kept = ("running_ddof", "variance", "reduction")
    promoted = output_dtype(case, "y", conventions) != case.x_dtype
    y_dtype = "promoted" if promoted else "x"
    return (
        *((name, getattr(conventions, name)) for name in kept),
        ("y_dtype", y_dtype),
        ("compute", conventions.compute[case.x_dtype]),
    )


def _allowances(case, golden, arithmetic):
    """Allowances under an `_arithmetic`; they are kept, since many implementations share them."""
    return (_worked_out_large if case.large else _worked_out)(golden, case.id, arithmetic)


def _work_out(golden, case_id, arithmetic):
    case, fields = golden.cases[case_id], dict(arithmetic)
    conventions = Conventions(**{**fields, "compute": {case.x_dtype: fields["compute"]}})
    return allowances(case, golden.inputs(case), conventions, golden.wanted(case, conventions.running_ddof))


_worked_out = lru_cache(maxsize=8192)(_work_out)
# some 150 MB for each arithmetic: enough for the declared and the strict one, shared by implementations judged one
# after the other
_worked_out_large = lru_cache(maxsize=24)(_work_out)


def judge(
    implementation: str,
    observation: Observation,
    case: Case,
    golden: Golden,
    conventions: Conventions,
    expected: Expectation | None = None,
) -> list[Verdict]:
    """One verdict for every output of the case. expected: `expectation` of the case, where it is at hand."""
    if case.raises:
        return [_judge_error(implementation, case, golden.inputs(case), observation, conventions)]
    if case.law:
        return _judge_law(implementation, observation, case, golden.inputs(case), conventions)
    wanted, allowed, strict = expected or (expectation(case, golden, conventions) if observation.outputs else NOTHING)
    verdicts = []
    for output in case.outputs():
        got = observation.outputs.get(output)
        if got is None:
            failure = _absence(case, output, observation, conventions)
            verdicts.append(_failed(implementation, case.id, output, failure))
            continue
        kind = output_dtype(case, output.split(".", 1)[1], conventions)
        found = compare(got, *wanted[output], allowed[output], kind)
        if found["score"] is not None:
            found["strict_score"] = (
                found["score"] if strict is allowed else score(got, wanted[output][1], strict[output])
            )
        verdicts.append(Verdict(implementation, case.id, output, **found))
    return [*verdicts, *_changed(implementation, case, observation)]


def _judge_law(implementation, observation, case, inputs, conventions):
    """The last step held against the first; the golden files have no part in it."""
    laws, got = LAWS[case.law](case, inputs, conventions), observation.outputs
    odd, verdicts = wrong_attributes(case, inputs, conventions, got), []
    allowed = limits(case, inputs, conventions, {name: array for name, array in got.items() if name not in odd})
    for name, law in laws.items():
        output = f"{len(case.steps) - 1}.{name}"
        absent = [term.output for term in law.terms if term.output not in got]
        if absent:
            verdicts.append(
                _failed(implementation, case.id, output, _absence(case, absent[0], observation, conventions))
            )
            continue
        if wrong := [odd[term.output] for term in law.terms if term.output in odd]:
            verdicts.append(Verdict(implementation, case.id, output, "fail", None, *wrong[0]))
            continue
        missed = residual(got, law, allowed)
        zero = np.zeros(missed.error.shape)
        found = _compare_values(missed.error, zero, zero, missed.allowed)
        if found["status"] == "fail":
            found["message"] = f"law broken: {case.says}: {found['message']}"
        verdicts.append(Verdict(implementation, case.id, output, **found))
    return [*verdicts, *_changed(implementation, case, observation)]


def _changed(implementation, case, observation):
    """What was not the layer's to change [BN-8.3]."""
    texts = [f"{change} [BN-8.3]" for change in observation.changed]
    return [Verdict(implementation, case.id, "inputs", "fail", None, "changed", text) for text in texts]


def _absence(case: Case, output: str, observation: Observation, conventions: Conventions) -> Failure:
    """Why an output is not there: the failure of the run, or that the layer does not expose it."""
    step, name = output.split(".", 1)
    failure = observation.failure
    if name in BASIC and name not in conventions.exposes:
        return Failure("not exposed", "", f"the layer does not give {name}")
    reason = conventions.cannot.get("inference-gradients")
    if reason and not failure and name in GRADIENTS and not case.trains(case.steps[int(step)]):
        return Failure("not exposed", "", reason)
    return failure or Failure("missing", "", f"{name} was not returned")


def _failed(implementation, case, output, failure: Failure) -> Verdict:
    kind = failure.kind if not failure.what else f"{failure.kind}:{failure.what}"
    return Verdict(implementation, case, output, FAILURE_STATUS[failure.kind], None, kind, failure.text)


def _judge_error(implementation, case, inputs, observation, conventions) -> Verdict:
    """Out of the domain: an exception is the right answer [BN-8.1]; nobody who gives no gradients has to look at dy."""
    failure = observation.failure
    wrong_dy = "0.dy" in inputs and inputs["0.dy"].shape != inputs["0.x"].shape
    if failure is None and wrong_dy and not set(GRADIENTS) & set(conventions.exposes):
        failure = Failure("not exposed", "", "the layer gives no gradients, and need not look at dy")
    if failure is None:
        text = f"nothing was raised, expected an error [{case.raises}]"
        return Verdict(implementation, case.id, "error", "fail", None, "silent", text)
    if failure.kind == "raised":
        return Verdict(implementation, case.id, "error", "pass", None, "", f"{failure.what}: {failure.text}")
    return _failed(implementation, case.id, "error", failure)


def compare(got: np.ndarray, rounded: np.ndarray, exact: np.ndarray, allowed: Allowance, kind: str) -> dict:
    """Fields of a verdict for one output: got against the exact values within `allowed`.

    rounded: the exact value in the output's own type (it tells where overflow to infinity is right).
    """
    if got.shape != rounded.shape:
        return _fail("shape", f"shape {got.shape}, expected {rounded.shape}", rounded.size)
    if got.dtype.name != kind:
        return _fail(f"dtype:{got.dtype.name}", f"dtype {got.dtype.name}, expected {kind}", rounded.size)
    if got.size == 0:
        return {"status": "pass", "score": 0.0, "count": 0}
    values, limit = _wide(got, exact, allowed)
    with np.errstate(invalid="ignore", over="ignore"):
        error = values - exact
    return _together(_compare_values(values, exact, limit, allowed.element), aggregate(error, exact, allowed))


def score(got: np.ndarray, exact: np.ndarray, allowed: Allowance) -> float:
    """The score that `compare` gives where shape and type are right."""
    values, limit = _wide(got, exact, allowed)
    return _compare_values(values, exact, limit, allowed.element)["score"] if got.size else 0.0


@np.errstate(invalid="ignore", over="ignore")
def _wide(got, exact, allowed):
    """(values, limit) in float64. limit: the exact values, infinite where the type of `got` cannot hold them, or would
    not if they were off by their allowance."""
    reach = np.where(np.isfinite(allowed.element), exact + np.copysign(allowed.element, exact), exact)
    limit, most = (array.astype(got.dtype).astype(np.float64) for array in (exact, reach))
    return got.astype(np.float64), np.where(np.isinf(most), most, limit)


def _together(found, sums: Aggregate) -> dict:
    """Fields that the sums over all elements change: a bias may hide below every element's allowance."""
    found = found | {"bias_score": sums.score}
    if found["status"] == "pass" and sums.score > 1:
        return found | {"status": "fail", "kind": "bias", "message": sums.text()}
    return found


@np.errstate(invalid="ignore", divide="ignore", over="ignore")
def _compare_values(values, exact, limit, allowed):
    same = (values == limit) | (np.isnan(values) & np.isnan(exact))
    error = np.where(same & ~np.isfinite(limit), 0.0, np.abs(values - exact))
    error = np.where(np.isfinite(error), error, np.inf)
    score = np.where(error == 0, 0.0, error / np.broadcast_to(allowed, error.shape))
    score = np.where(np.isnan(score), np.inf, score)
    worst = np.unravel_index(int(np.argmax(score)), score.shape)
    largest = float(score[worst])
    found = {
        "status": "pass" if largest <= 1 else "fail",
        "score": largest,
        "error": float(error[worst]),
        "count": int(score.size),
        "mismatches": int(np.sum(score > 1)),
        "worst_index": tuple(int(i) for i in worst),
    }
    if largest <= 1:
        return found
    got_odd, want_odd = ~np.isfinite(values), ~np.isfinite(limit)
    lost = score > 1
    kind = "nan" if np.any(lost & np.isnan(values)) else "inf" if np.any(lost & got_odd & ~want_odd) else "value"
    message = (
        f"{found['mismatches']} of {found['count']} values differ; worst at {found['worst_index']}: got "
        f"{values[worst]:.9g}, expected {exact[worst]:.9g}, error {error[worst]:.3g}, allowance "
        f"{np.broadcast_to(allowed, error.shape)[worst]:.3g}, score {largest:.3g}"
    )
    return found | {"kind": kind, "message": message}


def _fail(kind, message, count):
    return {"status": "fail", "score": None, "kind": kind, "message": message, "count": count, "mismatches": count}
