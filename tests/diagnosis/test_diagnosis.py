"""Diagnosis: the evaluator is the definition, names are of the vocabulary, mistakes are found and nothing is named at
random."""

import json

import numpy as np
import pytest

from bnconform.backends.numpy_ import NumpyReference
from bnconform.conformance.diagnosis import confusion, explain
from bnconform.conformance.diagnosis.layer import evaluate
from bnconform.conformance.diagnosis.rules import DEFINITION
from bnconform.conformance.golden.store import Golden
from bnconform.conformance.judge.allowances import allowances
from bnconform.conformance.judge.compare import judge
from bnconform.conformance.mistakes import mutants
from bnconform.conformance.mistakes.hypotheses import singles
from bnconform.conformance.mistakes.names import NAMES
from bnconform.conformance.run.observe import observe

GOLDEN = Golden()
ANSWERED = [case for case in GOLDEN.cases.values() if not (case.raises or case.law or case.large)]


def explained(backend, change=None, among=lambda case: case.quick, **options):
    """Explanations of a backend on some cases; `change(case, outputs)` may falsify what it gave."""
    observations, failed = {}, []
    for case in GOLDEN.cases.values():
        if among(case):
            seen = observations[case.id] = observe(case, backend, GOLDEN.inputs(case))
            if change:
                change(case, seen.outputs)
            failed += [
                v
                for v in judge("it", seen, case, GOLDEN, backend.conventions)
                if v.status not in ("pass", "unsupported")
            ]
    return explain("it", failed, observations, GOLDEN, backend.conventions, **options)


@pytest.mark.parametrize("case", ANSWERED, ids=lambda case: case.id)
def test_evaluator_without_a_mistake_gives_the_golden_values(case):
    found = evaluate(case, GOLDEN.inputs(case), DEFINITION, 1)
    wanted = GOLDEN.wanted(case, 1)
    allowed = allowances(case, GOLDEN.inputs(case), NumpyReference.conventions, wanted)
    for name, (_, exact) in wanted.items():
        exact = exact.astype(np.float64)
        with np.errstate(all="ignore"):
            near = (
                (found[name] == exact)
                | np.isnan(found[name]) & np.isnan(exact)
                | (np.abs(found[name] - exact) <= allowed[name].element)
            )
        assert near.all(), f"{case.id} {name}"


@pytest.mark.parametrize("ddof", [0, 1])
def test_hypotheses_carry_names_of_the_vocabulary(ddof):
    assert {h.name for h in singles(ddof)} <= set(NAMES)


def test_explain_of_a_right_implementation_is_empty():
    assert explained(NumpyReference) == []


@pytest.mark.parametrize(
    "name",
    [
        "running-var-biased",
        "decay-complement",
        "eps-outside-root",
        "eps-always1e5",
        "mean-term-dropped",
        "mask-ignored",
        "one-pass-variance",
        "centres-in-place",
    ],
)
def test_explain_names_a_mutant_by_quick_cases(name):
    mutant = mutants()[name]
    assert confusion.named(explained(mutant.backend)) == mutant.diagnosis


def test_explain_says_what_was_got_and_expected():
    (found,) = explained(mutants()["running-var-biased"].backend)
    assert (found.detail["got"], found.detail["expected"]) == (0, 1)
    assert "[BN-3.3]" in found.text and found.score_before > 5 and found.score_after <= 1


def noise(case, outputs):
    for name in outputs:
        if name.endswith(".y"):
            outputs[name] = outputs[name] + (np.arange(outputs[name].size).reshape(outputs[name].shape) % 7).astype(
                outputs[name].dtype
            )


def test_explain_of_a_layer_that_cannot_be_built_is_unexplained():
    class NotHere(NumpyReference):
        def __init__(self, *given):
            raise RuntimeError("no device")

    (found,) = explained(NotHere)
    assert found.name == "unexplained" and "were tried" in found.text


def test_explain_of_noise_is_unexplained():
    (found,) = explained(NumpyReference, noise)
    assert found.name == "unexplained" and "mistakes and pairs of mistakes were tried)" in found.text


def test_explain_ends_with_its_budget_and_says_so():
    (found,) = explained(NumpyReference, noise, budget=0.0)
    assert found.name == "unexplained" and "then the budget of 0 s was used up" in found.text


def test_explain_does_not_name_a_rounding_that_leaves_the_failed_outputs_alone():
    """A few values of dx are wrong by some half roundings: that y was rounded would not change them."""

    def nudged(case, outputs):
        for name in outputs:
            if name.endswith(".dx"):
                wrong = outputs[name].astype(np.float64)
                wrong.reshape(-1)[::40] += 2.0**-7 * np.abs(wrong).max()
                outputs[name] = wrong.astype(outputs[name].dtype)

    (found,) = explained(NumpyReference, nudged, lambda case: case.id.startswith("dtypes/bfloat16-mixed"))
    assert found.text.startswith("dx passes through bfloat16"), found


def test_confusion_table_names_most_and_none_wrongly():
    rows = json.loads((confusion.FOLDER / "confusion.json").read_text())
    counts = confusion.summary(rows)
    assert set(rows) == set(mutants()), "measure again: python -m bnconform.conformance.diagnosis.confusion"
    assert counts["exact"] >= 0.95 * len(rows) and counts["wrong"] == 0
    assert (confusion.FOLDER / "README.md").read_text() == confusion.page(rows)
