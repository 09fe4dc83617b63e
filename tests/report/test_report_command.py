"""`bnconform report`: one report as Markdown, two compared; whatever others wrote stays text."""

import copy
import json

import pytest
from click.testing import CliRunner
from report.test_first_screen import failing
from report.test_first_screen import report as made

from bnconform.conformance.cli import main
from bnconform.conformance.report.changes import compare
from bnconform.conformance.report.data import normalize
from bnconform.conformance.report.markdown import comparison, summary

HOSTILE = "`x` | <img src=x onerror=alert(1)> @all\n# head \x1b[2J"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A report of a run, and the Markdown that the run wrote beside it."""
    folder = tmp_path_factory.mktemp("run")
    paths = folder / "r.json", folder / "r.md"
    done = CliRunner().invoke(
        main, ["run", "numpy", "-k", "shapes/dense", "--json", str(paths[0]), "--markdown", str(paths[1])]
    )
    assert done.exit_code == 0, done.output
    return paths


@pytest.fixture
def two(written):
    """The same report twice."""
    return [json.loads(written[0].read_text()) for _ in range(2)]


def invoke(*arguments):
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


def test_report_writes_the_markdown_of_the_run(written, tmp_path):
    again = tmp_path / "again.md"
    done = invoke(written[0], "--markdown", again)
    assert done.exit_code == 0 and again.read_text() == written[1].read_text()
    assert "| `numpy` | " in again.read_text() and "| conforms | " in again.read_text()


def test_two_runs_of_the_same_give_nothing_changed(written):
    done = invoke(written[0], written[0])
    assert done.exit_code == 0 and "Nothing changed in" in done.output and len(done.output.splitlines()) == 1


def test_what_normalizing_leaves_out_is_no_change(two):
    two[1]["implementations"][0]["seconds"]["run"] = 99.0
    two[0]["results"][0]["message"], two[1]["results"][0]["message"] = "at 0x12af", "at 0x77ff"
    assert normalize(two[0]) == normalize(two[1]) and compare(*two).groups == compare(*two).facts == ()


@pytest.mark.parametrize(
    ("before", "after", "text", "worse"),
    [
        ({}, {"status": "fail", "kind": "value"}, "numpy: pass -> fail (value)", True),
        ({"status": "fail", "kind": "nan"}, {}, "numpy: fail (nan) -> pass", False),
        ({"status": "fail", "kind": "nan"}, {"status": "crashed", "kind": ""}, "numpy: fail (nan) -> crashed", False),
        ({}, {"status": "deviates", "kind": "value"}, "numpy: pass -> deviates (value)", False),
        ({"score": 0.2}, {"score": 0.5}, "numpy: pass, with a larger score", False),
        ({"score": 0.2}, {"score": "inf"}, "numpy: pass, with a larger score", False),
        ({"score": 0.2}, {"score": 0.3}, None, False),
        ({"score": 0.001}, {"score": 0.01}, None, False),
    ],
)
def test_change_of_a_result_is_told(two, before, after, text, worse):
    for report, change in zip(two, (before, after)):
        report["results"][0].update(change)
    found = compare(*two)
    assert [group.text for group in found.groups] == [text] * (text is not None) and found.worse == worse
    assert ("differ in less" in found.says) == (text is None)


@pytest.mark.parametrize(("gone", "text"), [(1, "asked only before: pass"), (0, "asked only after: pass")])
def test_result_of_one_report_alone_is_told(two, gone, text):
    del two[gone]["results"][0]
    assert [group.text for group in compare(*two).groups] == [f"numpy: {text}"]


def test_versions_and_golden_editions_are_told(two):
    two[1]["implementations"][0]["version"], two[1]["suite"]["golden"] = "9.9", "f" * 64
    two[1]["machine"]["python"] = "4.0"
    two[1]["implementations"][0]["conventions"]["running_ddof"] = 9
    assert {fact[:2] for fact in compare(*two).facts} == {
        ("numpy", "version"),
        ("suite", "golden"),
        ("machine", "python"),
        ("numpy", "running_ddof"),
    }


def test_implementation_that_cannot_be_judged_any_more_is_worse(two):
    two[1]["implementations"][0]["problem"] = "no module named numpy"
    assert compare(*two).worse and compare(*two).says.endswith("numpy cannot be judged now.")
    assert not compare(*reversed(two)).worse
    two[1]["implementations"][0]["conventions"] = None
    assert [fact[1] for fact in compare(*two).facts] == ["problem"]


def test_exit_status_says_whether_something_new_fails(two, written, tmp_path):
    later = tmp_path / "later.json"
    two[1]["results"][0].update(status="fail", kind="value", message="3 of 3 values differ")
    later.write_text(json.dumps(two[1]))
    page, text = tmp_path / "x.html", tmp_path / "x.md"
    done = invoke(written[0], later, "--markdown", text, "--html", page)
    assert done.exit_code == 1 and "1 fail that did not fail before" in " ".join(done.output.split())
    assert "numpy: pass -> fail (value)" in text.read_text() and "numpy: pass -&gt; fail (value)" in page.read_text()
    assert invoke(later, written[0]).exit_code == 0


def hostile():
    found = made(
        failing(1, HOSTILE, message=HOSTILE, reference=None),
        name=HOSTILE,
        version=HOSTILE,
        settings={},
        conventions=None,
    )
    found["results"][0]["implementation"] = HOSTILE
    return found | {"suite": {"version": "1", "golden": "f", "cases": 1}, "machine": {}}


@pytest.mark.parametrize("made_of", [summary, lambda report: comparison(compare(report | {"results": []}, report))])
def test_hostile_text_stays_text_in_markdown(made_of):
    text = made_of(hostile())
    assert "\x1b" not in text and "\n# head" not in text
    assert "<img" in text
    outside = "".join(part for part in text.replace(r"\|", "").split("``")[::2])
    assert "<img" not in outside and "@all" not in outside


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda report: report["results"][0].pop("score"), "lacks 'score'"),
        (lambda report: report["results"][0].update(score=[1]), "has list as 'score'"),
        (lambda report: report["results"][0].update(status="fine"), "status 'fine'"),
        (lambda report: report["implementations"][0].update(levels={"state": 3}), "has a level"),
        (lambda report: report.update(machine=7), "has int as 'machine'"),
    ],
)
def test_report_refuses_what_is_no_report(two, tmp_path, change, says):
    path, changed = tmp_path / "r.json", copy.deepcopy(two[0])
    change(changed)
    path.write_text(json.dumps(changed))
    done = invoke(path)
    assert done.exit_code == 2 and says in done.output and "Traceback" not in done.output


def test_full_disk_is_told_and_costs_no_other_report(written, tmp_path):
    done = invoke(written[0], "--html", "/dev/full", "--markdown", tmp_path / "x.md")
    assert done.exit_code == 74 and "cannot write /dev/full" in done.output and (tmp_path / "x.md").exists()
