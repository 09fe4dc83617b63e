"""Known differences: reproduced they deviate, gone they are stale, pointless they are an error."""

import json
import os
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
        ("[" * 100_000, "not usable JSON"),
        ('[{"reason": "r", "reason": "r"}]', "'reason' is given twice"),
        ([1], "group 0 is 1, expected an object"),
        ([None], "group 0 is None, expected an object"),
        ([{"cases": "a"}], "group 0 has 'cases', expected reason, differs"),
        ([{"reason": "r"}], "group 0 lacks differs"),
        ([GROUP | {"differs": []}], r"group 0: differs is \[\], expected something"),
        ([GROUP | {"differs": "nan"}], r"group 0.differs is 'nan', expected a list"),
        ([GROUP | {"differs": [3]}], r"group 0.differs\[0\] is 3, expected an object"),
        ([GROUP | {"differs": [ROW | {"cases": "a"}]}], r"group 0.differs\[0\].cases is 'a', expected a list"),
        ([GROUP | {"differs": [ROW | {"cases": [1]}]}], r"cases\[0\] is 1, expected text"),
        ([GROUP | {"differs": [ROW | {"cases": [""]}]}], "cases is .*, expected something"),
        ([GROUP | {"differs": [ROW | {"outputs": None}]}], "outputs is None, expected a list"),
        ([GROUP | {"differs": [ROW | {"outputs": {"0.y": 1}}]}], "outputs is .*, expected a list"),
        ([GROUP | {"differs": [ROW | {"kind": ""}]}], 'group 0 row 0: kind is "", expected something'),
        ([GROUP | {"differs": [ROW | {"kind": ["nan"]}]}], "kind is .*, expected text"),
        ([GROUP, GROUP | {"differs": [ROW | {"case": "a"}]}], r"group 1.differs\[0\] has 'case', expected kind"),
        ([{"reason": "r", "differs": [ROW]}], "neither link nor script"),
        ([GROUP | {"reason": 5}], "reason is 5, expected text"),
        ([GROUP | {"link": ["l"]}], "link is .*, expected text"),
        ([GROUP | {"versions": "two"}], "Invalid specifier"),
        ([GROUP | {"versions": None}], "versions is None, expected text"),
        ([GROUP | {"devices": ["tpu"]}], "devices has 'tpu', expected cpu or gpu"),
        ([GROUP | {"devices": {"cpu": True}}], "devices is .*, expected a list"),
        ([GROUP | {"implementations": "torch"}], "implementations is 'torch', expected a list"),
    ],
)
def test_unusable_file_is_a_clear_error(tmp_path, content, message):
    path = tmp_path / "known.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(KnownError, match=message):
        known.read(path)


@pytest.mark.parametrize(
    "make", [lambda path: os.mkfifo(path), lambda path: path.mkdir(), lambda path: path.symlink_to("/dev/zero")]
)
def test_what_is_no_file_is_a_clear_error(tmp_path, make):
    make(tmp_path / "known.json")
    with pytest.raises(KnownError, match="expected a file of at most"):
        known.read(tmp_path / "known.json")


@pytest.mark.parametrize("cases, outputs_", [("*", ("*",)), ("*", ("*.y", "*.dx")), ("[a-m]*", ("*",))])
def test_entry_that_covers_more_than_one_behaviour_is_an_error(cases, outputs_):
    with pytest.raises(KnownError, match="known differences excuse .* expected at most 10%"):
        known.check_ids([Known(cases, outputs_, "value", "all wrong", link="l")], outputs())


def test_entries_that_together_cover_much_of_the_suite_are_an_error():
    entries = [Known(f"{case}*", ("*",), "value", f"reason {case}", link="l") for case in list(outputs())[::2]]
    with pytest.raises(KnownError, match="by all of them together, expected at most 25%"):
        known.check_ids(entries, outputs())
