"""Known differences: reproduced they deviate, gone they are stale, pointless they are an error."""

import json

import pytest

from bnconform.backends.registry import BUILTIN
from bnconform.conformance.golden.store import Golden
from bnconform.conformance.judge import known
from bnconform.conformance.judge.known import Known, KnownError
from bnconform.conformance.records import Verdict

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


@pytest.mark.parametrize("name", [entry.name for entry in BUILTIN])
def test_builtin_differences_are_well_formed_and_match_cases(name):
    known.check_ids(known.builtin(name), outputs())


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", "cannot read known differences"),
        ("{}", "expected a list"),
        (json.dumps([{"cases": "a"}]), "lacks"),
        (json.dumps([{"cases": "a", "outputs": ["*"], "kind": "nan", "reason": "r"}]), "neither link nor script"),
        (
            json.dumps(
                [{"cases": "a", "outputs": ["*"], "kind": "nan", "reason": "r", "link": "l", "versions": "two"}]
            ),
            "Invalid specifier",
        ),
    ],
)
def test_unusable_file_is_a_clear_error(tmp_path, content, message):
    path = tmp_path / "known.json"
    path.write_text(content)
    with pytest.raises(KnownError, match=message):
        known.read(path)
