"""Known differences: reproduced they deviate, gone they are stale, pointless they are an error."""

import json
from importlib.resources import files

import pytest

from bnconform.backends.registry import BUILTIN
from bnconform.conformance.golden.store import Golden
from bnconform.conformance.judge import known
from bnconform.conformance.judge.known import Known, KnownError
from bnconform.conformance.records import Verdict
from bnconform.conformance.rows import rows

FILES = sorted(path for path in (files("bnconform.backends") / "known").iterdir())
ROW = {"kind": "nan", "outputs": ["*"], "cases": ["a"]}
GROUP = {"reason": "r", "link": "l", "differs": [ROW]}
ENTRY = Known("degenerate/m1-*", ("*",), "nan", "m = 1 gives NaN", ">=2,<3", link="https://example.org/1")


def verdict(status="fail", kind="nan", case="degenerate/m1-dense"):
    return Verdict("x", case, "0.y", status, None, kind, "message")


def test_reproduced_difference_deviates_with_its_reason():
    (found,) = known.apply([verdict()], [ENTRY], "2.5 (extra words)", "cpu")
    assert (found.status, found.message, found.reference) == ("deviates", ENTRY.reason, ENTRY.link)


def test_difference_that_is_gone_is_stale():
    (found,) = known.apply([verdict("pass", "")], [ENTRY], "2.5", "cpu")
    assert (found.status, found.kind) == ("fail", "stale") and "now a pass" in found.message


def test_difference_of_another_kind_still_fails():
    (found,) = known.apply([verdict(kind="value")], [ENTRY], "2.5", "cpu")
    assert found.status == "fail" and "described as nan, now value" in found.message


@pytest.mark.parametrize("version, device", [("3.0", "cpu"), ("1.9", "cpu")])
def test_other_versions_are_not_excused(version, device):
    (found,) = known.apply([verdict()], [ENTRY], version, device)
    assert found.status == "fail"


def test_other_cases_are_not_excused():
    (found,) = known.apply([verdict(case="shapes/dense")], [ENTRY], "2.5", "cpu")
    assert found.status == "fail"


def outputs():
    return {case.id: case.outputs() for case in Golden().cases.values()}


def test_entry_that_matches_nothing_is_an_error():
    with pytest.raises(KnownError, match="matches no case: nothing/like-this"):
        known.check_ids([Known("nothing/like-this", ("*",), "nan", "?", link="l")], outputs())


def test_builtin_differences_are_well_formed_and_match_cases():
    for path in FILES:
        known.check_ids(known.read(path), outputs())


def test_builtin_differences_are_those_of_implementations_that_exist():
    entries = [entry for path in FILES for entry in known.read(path)]
    assert {name for entry in entries for name in entry.implementations} <= {entry.name for entry in BUILTIN}
    assert all(entry.implementations for entry in entries)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_builtin_files_have_one_row_a_line(path):
    assert path.read_text() == rows(json.loads(path.read_text()), 3)


def test_row_holds_for_the_implementations_it_names(tmp_path):
    path = tmp_path / "known.json"
    one = [GROUP | {"implementations": ["a", "b"], "differs": [ROW, ROW | {"implementations": ["b"]}]}, GROUP]
    path.write_text(json.dumps(one))
    assert [len(known.of(name, [path])) for name in "abc"] == [2, 3, 1]


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", "cannot read known differences"),
        ("{}", "expected a list"),
        ([1], "group 0 is int, expected fields differs, reason"),
        ([{"cases": "a"}], "lacks"),
        ([GROUP | {"differs": []}], r"group 0: differs is \[\], expected a list"),
        ([GROUP | {"differs": [ROW | {"cases": "a"}]}], 'group 0 row 0: cases is "a", expected a list'),
        ([GROUP, GROUP | {"differs": [ROW | {"case": "a"}]}], r"group 1 row 0 lacks .* unknown \['case'\]"),
        ([{"reason": "r", "differs": [ROW]}], "neither link nor script"),
        ([GROUP | {"versions": "two"}], "Invalid specifier"),
    ],
)
def test_unusable_file_is_a_clear_error(tmp_path, content, message):
    path = tmp_path / "known.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(KnownError, match=message):
        known.read(path)
