"""The suite bites: each mutant is killed, clearly and by the quick cases too; each case kills; the grammar says how."""

import re
from pathlib import Path

import numpy as np
import pytest

from bnconform.conformance.golden.store import Golden
from bnconform.conformance.mistakes import mutants, summary
from bnconform.conformance.mistakes.bench import Bench
from bnconform.conformance.mistakes.extended import layer
from bnconform.conformance.mistakes.kills import CLEAR, MARGIN, Kills, broken_rules
from bnconform.conformance.mistakes.names import NAMES
from bnconform.conformance.mistakes.point import Point
from bnconform.conformance.mistakes.whats import LEFT_OUT, scaled
from bnconform.conformance.mistakes.whens import TRAINING
from bnconform.conformance.run.observe import observe

MUTANTS = mutants()
CASES = Golden().cases
SPEC = (Path(__import__("bnconform").__file__).parent / "SPEC.md").read_text()


@pytest.fixture(scope="module")
def bench():
    return Bench()


@pytest.fixture(scope="module")
def kills():
    return Kills.load()


def test_matrix_covers_all_mutants_and_cases(kills):
    assert list(kills.matrix) == list(MUTANTS)
    assert set(kills.by_case) == set(CASES)


def test_matrix_obeys_every_rule(kills):
    assert broken_rules(kills, CASES, {name for name, mutant in MUTANTS.items() if mutant.at_size}) == []


def test_rules_notice_a_survivor_an_idle_case_and_a_dead_one():
    kills = Kills({"survivor": (), "slow": ("a",), "killed": ("a", "gone")})
    slow = next(case for case in CASES.values() if not case.quick)
    assert broken_rules(kills, dict.fromkeys("ab", slow)) == [
        "survivor: survives",
        "slow: survives the quick cases",
        "killed: gone is no case",
        "killed: survives the quick cases",
        "b: kills no mutant",
    ]


def test_differences_are_those_beyond_the_margin():
    kills = Kills({"m": ("a", "b", "c"), "gone": ()})
    assert kills.differences({"m": {"a": 1.0, "b": CLEAR / MARGIN, "d": CLEAR * MARGIN, "e": 99.0}}) == [
        "gone: in one matrix only",
        "m: a does not kill any more",
        "m: c does not kill any more",
        "m: e kills now",
    ]


def test_summary_lists_every_mutant_and_case(kills):
    mutants, cases = ([row[0] for row in table["rows"]] for table in summary.tables(kills))
    assert mutants == list(MUTANTS) and set(cases) == set(CASES)


def test_matrix_is_read_back_as_written(kills, tmp_path):
    kills.write(tmp_path / "kills.json")
    assert Kills.load(tmp_path / "kills.json").matrix == kills.matrix


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_right_layer_passes(case, bench):
    assert bench.score(layer(), case) == 0


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", [name for name in MUTANTS if not MUTANTS[name].at_size])
def test_mutant_is_killed_clearly_by_a_quick_case(name, bench, kills):
    quick = [case for case in kills.matrix[name] if CASES[case].quick]
    smallest = min(quick, key=lambda case: np.prod(CASES[case].shape))
    assert bench.score(MUTANTS[name].backend, CASES[smallest]) >= CLEAR / MARGIN


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_case_kills_the_mutant_that_needs_it_most(case, bench, kills):
    assert bench.score(MUTANTS[kills.telling(case.id, 1)[0]].backend, case) >= CLEAR / MARGIN


def test_mutants_cite_clauses_and_known_names():
    for mutant in MUTANTS.values():
        assert f"**{mutant.clause} " in SPEC, mutant.name
        assert mutant.says.endswith(".") and mutant.points, mutant.name


def test_every_name_has_a_mutant_and_a_clause():
    used = {part for mutant in MUTANTS.values() for part in mutant.diagnosis.split(" + ")}
    assert used == set(NAMES)
    assert all(re.fullmatch(r"[A-Z0-9_]+", name) and f"**{clause} " in SPEC for name, (_, clause) in NAMES.items())


def test_point_refuses_a_quantity_that_does_not_exist():
    with pytest.raises(ValueError, match="where is 'spread'"):
        Point("spread", LEFT_OUT)


def test_point_says_where_what_and_when():
    assert Point("dgamma", scaled(2.0), TRAINING).words == "dgamma: scaled by 2, only in training"


def test_point_acts_only_when_its_condition_holds(bench):
    backend = layer((Point("dx", scaled(2.0), TRAINING),))
    case = CASES["mode/alternating"]
    right, wrong = (observe(case, kind, Golden().inputs(case)).outputs for kind in (layer(), backend))
    changed = {name for name in right if right[name].tobytes() != wrong[name].tobytes()}
    training = [index for index, step in enumerate(case.steps) if step.mode == "train" and "dx" in step.outputs]
    assert changed == {f"{index}.dx" for index in training}
