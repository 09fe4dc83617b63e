"""Each real bug that the suite can express is repeated by a mutant, and the case named kills it."""

import pytest
from click.testing import CliRunner

from bnconform.conformance.cli import main
from bnconform.conformance.golden.store import Golden
from bnconform.conformance.mistakes import museum, mutants
from bnconform.conformance.mistakes.bench import Bench
from bnconform.conformance.mistakes.kills import CLEAR

EXPRESSED = [exhibit for exhibit in museum.entries() if exhibit.mutant]
REST = [exhibit for exhibit in museum.entries() if not exhibit.mutant]
LINKS = sorted({(exhibit.mutant, exhibit.case) for exhibit in EXPRESSED})


@pytest.fixture(scope="module")
def bench():
    return Bench()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("mutant", "case"), LINKS)
def test_exhibit_is_killed_by_its_case(mutant, case, bench):
    assert bench.score(mutants()[mutant].backend, Golden().cases[case]) >= CLEAR


def test_exhibits_without_a_mutant_say_why():
    assert [exhibit.id for exhibit in REST if exhibit.case or not exhibit.reason.endswith(".")] == []


def test_museum_names_each_bug_once():
    ids = [exhibit.id for exhibit in museum.entries()]
    assert len(ids) == len(set(ids)) == 230


def test_exhibits_have_a_reference_and_a_sentence():
    bare = [e.id for e in museum.entries() if not (e.reference.startswith("https://") and e.says.endswith("."))]
    assert bare == []


def test_mutant_knows_its_exhibits():
    assert "mask-01" in {exhibit.id for exhibit in museum.of_mutant("mask-ignored")}


def test_page_lists_every_exhibit():
    assert [row[0] for row in museum.as_words()["rows"]] == [exhibit.id for exhibit in museum.entries()]


def test_list_prints_the_museum():
    result = CliRunner().invoke(main, ["list", "--museum"])
    assert result.exit_code == 0
    assert "estimator-01" in result.output


def test_mutants_prints_one_with_its_exhibits():
    result = CliRunner().invoke(main, ["mutants", "mask-ignored"])
    assert result.exit_code == 0
    assert "masks/dense" in result.output
    assert "tensorflow/issues/30161" in result.output


def test_mutants_prints_all():
    result = CliRunner().invoke(main, ["mutants"])
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > len(mutants())


def test_mutants_refuses_an_unknown_name():
    result = CliRunner().invoke(main, ["mutants", "no-such-mutant"])
    assert result.exit_code == 2
    assert "no mutant 'no-such-mutant'" in result.output
