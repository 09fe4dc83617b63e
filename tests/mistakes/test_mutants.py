"""The suite bites: each mutant is killed, clearly and by the quick cases too; each case kills what it names."""

import re
from pathlib import Path

import pytest

from bnconform.conformance.golden.store import Golden
from bnconform.conformance.mistakes import mutants, summary
from bnconform.conformance.mistakes.bench import Bench
from bnconform.conformance.mistakes.extended import Base
from bnconform.conformance.mistakes.kills import LEAST, SURE, Kills, broken_rules
from bnconform.conformance.mistakes.names import NAMES

MUTANTS = mutants()
CASES = Golden().cases
SPEC = (Path(__import__("bnconform").__file__).parent / "SPEC.md").read_text()


@pytest.fixture(scope="module")
def bench():
    return Bench()


@pytest.fixture(scope="module")
def kills():
    return Kills.load()


def best_of(kills, name, cases):
    """The case among `cases` that kills a mutant most clearly."""
    row = {case: score for case, score in kills.matrix[name].items() if case in cases}
    return max(row, key=row.get)


def test_matrix_covers_all_mutants_and_cases(kills):
    assert list(kills.matrix) == list(MUTANTS)
    assert set(kills.by_case) == set(CASES)


def test_matrix_obeys_every_rule(kills):
    assert broken_rules(kills, CASES) == []


def test_rules_notice_a_survivor_and_an_idle_case():
    kills = Kills({"survivor": {}, "scratched": {"a": 3.0}})
    cases = dict.fromkeys("ab", CASES["shapes/dense"])
    assert broken_rules(kills, cases) == [
        "survivor: best killing score 0, expected at least 5",
        "survivor: survives the quick cases",
        "scratched: best killing score 3, expected at least 5",
        "b: kills no mutant",
    ]


def test_differences_name_what_only_one_matrix_has():
    one, other = Kills({"m": {"a": 9.0, "b": 1.2}}), Kills({"m": {"c": 9.0}, "n": {}})
    assert one.differences(other) == [
        "m: a kills in one matrix only",
        "m: c kills in one matrix only",
        "n: in one matrix only",
    ]


def test_summary_lists_every_mutant_and_case(kills):
    mutants, cases = ([row[0] for row in table["rows"]] for table in summary.tables(kills))
    assert mutants == list(MUTANTS) and set(cases) == set(CASES)


def test_matrix_is_read_back_as_written(kills, tmp_path):
    kills.write(CASES, tmp_path / "kills.json")
    assert Kills.load(tmp_path / "kills.json").matrix == kills.matrix


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_sound_layer_passes(case, bench):
    assert bench.score(Base, case) == 0


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_killed_clearly(name, bench, kills):
    assert bench.score(MUTANTS[name].backend, CASES[best_of(kills, name, CASES)]) >= LEAST


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_killed_by_a_quick_case(name, bench, kills):
    quick = {case for case in CASES if CASES[case].quick}
    assert bench.score(MUTANTS[name].backend, CASES[best_of(kills, name, quick)]) > 1


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_case_kills_the_mutants_it_is_for(case, bench, kills):
    assert kills.telling(case.id)
    assert all(bench.score(MUTANTS[name].backend, case) >= SURE for name in kills.telling(case.id))


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=list(MUTANTS))
def test_mutant_cites_a_clause_and_a_known_name(mutant):
    assert f"**{mutant.clause} " in SPEC
    assert set(mutant.diagnosis.split(" + ")) <= set(NAMES)
    assert mutant.says.endswith(".")


def test_every_name_has_a_mutant():
    used = {part for mutant in MUTANTS.values() for part in mutant.diagnosis.split(" + ")}
    assert sorted(set(NAMES) - used) == []


@pytest.mark.parametrize("name", NAMES)
def test_name_cites_a_clause(name):
    assert re.fullmatch(r"[A-Z0-9_]+", name)
    assert f"**{NAMES[name][1]} " in SPEC
