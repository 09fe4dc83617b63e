"""Diagnosis: the right layer is the definition; mistakes are named, with where and when; nothing is named at random."""

from dataclasses import replace

import numpy as np
import pytest

from bnconform.backends.numpy_ import NumpyReference
from bnconform.conformance.cases.draft import draft, step
from bnconform.conformance.diagnosis import explain
from bnconform.conformance.diagnosis.attributes import of_step
from bnconform.conformance.diagnosis.conditions import Table
from bnconform.conformance.diagnosis.episode import Episode, Facts
from bnconform.conformance.diagnosis.figures import Kept, diagnose, names_of
from bnconform.conformance.diagnosis.fresh import drawn, problems
from bnconform.conformance.judge.allowances import allowances
from bnconform.conformance.mistakes import mutants
from bnconform.conformance.mistakes.extended import layer
from bnconform.conformance.mistakes.point import Point, When
from bnconform.conformance.mistakes.whats import RELU, REVERSED, TWICE, bits, rounded, scaled
from bnconform.conformance.mistakes.whens import TRAINING
from bnconform.conformance.run.observe import observe

GOLDEN = Kept()
ANSWERED = [case for case in GOLDEN.cases.values() if not (case.raises or case.law or case.large)]
QUICK = lambda case: case.quick and not case.large


def explained(backend, among=QUICK):
    return diagnose(backend, GOLDEN, among)[0]


@pytest.mark.parametrize("case", ANSWERED, ids=lambda case: case.id)
def test_right_layer_in_float64_gives_the_golden_values(case):
    found = observe(case, layer(exactly=True), GOLDEN.inputs(case)).outputs
    wanted = GOLDEN.wanted(case, 1)
    allowed = allowances(case, GOLDEN.inputs(case), NumpyReference.conventions, wanted)
    for name, (_, exact) in wanted.items():
        exact, got = exact.astype(np.float64), found[name]
        with np.errstate(all="ignore"):
            near = (got == exact) | np.isnan(got) & np.isnan(exact) | (np.abs(got - exact) <= allowed[name].element)
        assert near.all(), f"{case.id} {name}"


def test_explain_of_a_right_implementation_is_empty():
    assert explained(NumpyReference) == []


@pytest.mark.parametrize(
    "name",
    ["running-var-biased", "eps-outside-root", "one-pass-variance", "mask-ignored", "centres-in-place", "from-scratch"],
)
def test_explain_names_a_mutant_by_quick_cases(name):
    mutant = mutants()[name]
    assert " + ".join(sorted(names_of(explained(mutant.backend)))) == mutant.diagnosis


PAST_256 = When("past 256", lambda at: at.x is not None and at.x.shape[1] > 64)
EVERY_SECOND = When("every second", lambda at: at.trained % 2 == 0)


@pytest.mark.parametrize(
    "points, where, what, when",
    [
        ((Point("dgamma", REVERSED),), "dgamma", "channels in reversed order", "always"),
        ((Point("root", bits(12)),), "root", "rounded to 12 bits", "always"),
        ((Point("y", RELU),), "y", "max(·, 0)", "always"),
        ((Point("eps", rounded("float16")),), "eps", "rounded to", "always"),
        ((Point("updates", TWICE, TRAINING & EVERY_SECOND),), "updates", "twice", "every second"),
        ((Point("m", scaled(0.75), PAST_256),), "m", "scaled by 0.75", "m > 64"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_explain_finds_where_what_and_when(points, where, what, when):
    found, *rest = explained(layer(points), lambda case: not case.large)
    assert found.where == where and what in found.text and when in found.text, found.text
    assert {other.name for other in rest} <= {"unexplained"} and sum(len(other.cases) for other in rest) <= 3


def test_explain_tells_an_overflow():
    squares = Point("squares", rounded("float32"))
    (found,) = explained(layer((squares,)), lambda case: case.id.startswith(("conditioning/s", "shapes/")))
    assert "overflow" in found.text.lower(), found.text


class Noisy(NumpyReference):
    def train(self, x, dy):
        out = super().train(x, dy)
        noise = np.arange(out["y"].size).reshape(out["y"].shape) % 7
        return out | {"y": out["y"] + noise.astype(out["y"].dtype)}


def test_explain_of_noise_says_where_and_when_and_one_example():
    (found,) = explained(Noisy)
    assert found.name == "unexplained" and (found.where, found.when) == ("y", "only in training"), found
    assert "expected" in found.text


class NotHere(NumpyReference):
    def __init__(self, *given):
        raise RuntimeError("no device")


def test_explain_of_a_layer_that_cannot_be_built_says_what_it_raises():
    (found,) = explained(NotHere)
    assert found.name == "unexplained" and "no device" in found.text


class FitsGoldenCasesOnly(NumpyReference):
    """It drops ddof on all golden cases, and gives noise for everything else: the name must not survive."""

    known = {case.shape for case in GOLDEN.cases.values() if case.quick}

    def __init__(self, config, *given):
        super().__init__(config, *given)
        self.calls = 0

    def train(self, x, dy):
        out = super().train(x, dy)
        if "dgamma" in out:
            wrong = 2.0 if (np.asarray(x, np.float64).sum() * 8) % 1 < 0.5 else 3.0
            out["dgamma"] = (out["dgamma"] * wrong).astype(out["dgamma"].dtype)
        return out


def test_explain_gives_no_name_that_fresh_problems_refute():
    found = explained(FitsGoldenCasesOnly)
    assert names_of(found) == {"unexplained"}, found
    assert found[0].where == "dgamma"


def test_explain_survives_no_outputs_and_no_steps():
    case = GOLDEN.cases["shapes/dense"]
    seen = observe(case, NotHere, GOLDEN.inputs(case))
    assert explain("it", [], {case.id: replace(seen, failure=None)}, GOLDEN, NumpyReference.conventions) == []


def test_condition_is_the_simplest_that_separates():
    drafts = [
        draft(f"a/{n}-{c}", "x", "BN-2.3", shape=(n, c), steps=[step(dy=None)]) for n in (3, 5, 8, 20) for c in (1, 4)
    ]
    steps = []
    for one in drafts:
        facts = Facts(one.case, one.tensors, NumpyReference.conventions)
        steps += Episode(facts, observe(one.case, NumpyReference, one.tensors), by_itself=True).steps
    inside = np.concatenate([np.full(len(s.deviation), s.attributes["N"] > 6) for s in steps])
    assert Table(steps).separating(inside, ~inside).words == "only where N > 5"
    assert Table(steps).separating(inside, inside & False).words == "always"
    scattered = np.arange(len(inside)) % 3 == 0
    assert Table(steps).separating(scattered, ~scattered) is None


def test_attributes_know_the_history_of_a_step():
    modes = [step(), step("infer"), step(n=4)]
    one = draft("a/history", "x", "BN-2.3", shape=(3, 2), steps=modes)
    plain, _ = of_step(one.case, one.tensors, 2, {}, 2)
    assert plain["after an evaluation"] and plain["in every second training step"] and plain["N"] == 4


def test_fresh_problems_are_twins_and_draws():
    case = GOLDEN.cases["degenerate/constant-large"]
    facts = Facts(case, GOLDEN.inputs(case), NumpyReference.conventions, GOLDEN.wanted(case, 1))
    twin, *others = problems([Episode(facts, observe(case, NumpyReference, GOLDEN.inputs(case)))], 3)
    assert twin.case.shape == case.shape and len(others) >= 8
    assert not np.array_equal(twin.tensors["0.x"], facts.inputs["0.x"])
    assert drawn(5).tensors["0.x"].tobytes() == drawn(5).tensors["0.x"].tobytes()
