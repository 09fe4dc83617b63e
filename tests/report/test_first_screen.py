"""The first screen: levels, mistakes before causes, what is missing said once; a report shown again says the same."""

import io
import json

import pytest
from click.testing import CliRunner
from rich.console import Console

from bnconform.conformance.cli import main
from bnconform.conformance.golden.store import Golden
from bnconform.conformance.judge.levels import LEVELS, level_of
from bnconform.conformance.report.terminal import print_report

ROW = {"case": "shapes/dense", "status": "pass", "score": 0.5, "kind": "", "message": "", "diagnosis": None}


def report(rows, **more):
    """A report of one implementation, `mine`."""
    rows = [{**ROW, "implementation": "mine", **row} for row in rows]
    summary = {"verdict": "FAILS", "unsupported": 0, "deviates": 0, "worst_passing_score": 0.5}
    one = {"name": "mine", "device": "cpu", "problem": "", "notes": [], "seconds": {}, "summary": summary, "levels": {}}
    return {"schema": "bnconform-report/1", "implementations": [{**one, **more}], "results": rows}


def screen(made, verbosity=0, width=80):
    console = Console(width=width, record=True, file=io.StringIO())
    print_report(console, made, verbosity)
    return console.export_text()


def failing(count, diagnosis=None, **more):
    text = {"status": "fail", "kind": "value", "message": "3 of 3 values differ", "diagnosis": diagnosis}
    return [{**text, "output": f"{step}.running_var", "score": 10.0 + step, **more} for step in range(count)]


def test_every_output_of_every_case_has_a_level():
    cases = Golden().cases.values()
    assert {level_of(case, output) for case in cases for output in case.outputs()} == set(LEVELS)


def test_mistakes_come_before_causes_and_the_worst_example_is_shown():
    rows = [*failing(2, None, output="1.y"), *failing(3, "running_var: ddof 0 [BN-3.3]")]
    text = screen(report(rows))
    assert text.index("running_var: ddof 0 [BN-3.3]") < text.index("not explained") < text.index("fail: value in y")
    assert "3 outputs of 1 case (running_var), e.g. shapes/dense 2.running_var" in " ".join(text.split())
    assert "next: bnconform run mine -k shapes/dense" in text


def test_missing_outputs_are_said_once_and_hide_no_mistake():
    absent = [
        {"case": f"shapes/{n}", "output": f"0.{name}", "status": "fail", "score": None, "kind": "missing"}
        for n in range(40)
        for name in ("dx", "dgamma", "dbeta")
    ]
    text = " ".join(screen(report(absent + failing(1, "running_var: ddof 0 [BN-3.3]"))).split())
    assert text.count("dx") == 1 and "not returned: dx, dgamma, dbeta in 40 cases" in text
    assert " 1. running_var: ddof 0 [BN-3.3]" in text


def test_failing_backend_fits_one_screen():
    rows = [row for n in range(30) for row in failing(5, f"mistake {n} [BN-2.1]", case=f"shapes/{n}")]
    text = screen(report(rows))
    assert len(text.splitlines()) <= 40 and "and 26 more mistakes, 130 outputs: -v shows them" in text
    assert "mistake 29" in screen(report(rows), verbosity=1)


def test_markup_and_escapes_of_others_stay_text():
    text = screen(report(failing(1, "[red]x[/] \x1b[2J [/]")))
    assert "[red]x[/] \\x1b[2J [/]" in text


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "r.json"
    done = CliRunner().invoke(
        main, ["run", "numpy", "-k", "shapes/dense", "-k", "inference/ncl", "-k", "errors/*", "--json", str(path)]
    )
    assert done.exit_code == 0, done.output
    return path, done.output


def test_show_prints_what_the_run_printed(written):
    path, said = written
    shown = CliRunner().invoke(main, ["show", str(path)])
    assert shown.exit_code == 0 and shown.output in said
    reached = json.loads(path.read_text())["implementations"][0]["levels"]
    assert {level: found["status"] for level, found in reached.items()} == dict.fromkeys(
        ("inference", "training", "state", "gradients", "robustness"), "passed"
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: "{", "cannot read"),
        (lambda text: "[]", "cannot read"),
        (lambda text: text.replace("bnconform-report/1", "other/7"), "has schema 'other/7'"),
        (lambda text: text.replace('"levels"', '"heights"'), "lacks 'levels'"),
    ],
)
def test_show_refuses_what_is_no_report(written, change, says):
    path, _ = written
    path.write_text(change(path.read_text()))
    shown = CliRunner().invoke(main, ["show", str(path)])
    assert shown.exit_code == 2 and says in shown.output and "Traceback" not in shown.output
