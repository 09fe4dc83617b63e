"""The command line: one clear line and exit 2 for wrong use, 1 for a failure, 0 otherwise."""

import json
import xml.etree.ElementTree as xml

import pytest
from click.testing import CliRunner

from bnconform.conformance.cli import main


@pytest.fixture
def cli(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, arguments)


@pytest.mark.parametrize(
    "arguments, line",
    [
        (("run", "nope"), "no implementation 'nope'; there are numpy"),
        (("run", "no_such_module:Thing"), "no module named 'no_such_module'"),
        (("run", "numpy", "-k", "zebra"), "no case matches zebra: a run of zero cases proves nothing"),
        (
            ("run", "numpy", "--json", "missing/report.json"),
            "cannot write missing/report.json: its folder does not exist",
        ),
        (("run", "numpy", "--html", "."), "cannot write .: it is a folder"),
        (("run", "numpy", "--known", "absent.json"), "cannot read known differences from absent.json"),
        (("explain", "shapes/tow"), "no case 'shapes/tow'; see `bnconform list`"),
        (("explain", "dense"), "no case 'dense'; did you mean shapes/dense"),
        (("list", "-k", "zebra"), "no case matches zebra"),
    ],
)
def test_wrong_use_is_one_clear_line(cli, arguments, line):
    done = cli(*arguments)
    assert done.exit_code == 2 and line in done.stderr and "Traceback" not in done.output
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "arguments", [("run", "--device", "tpu"), ("run", "--jobs", "0"), ("nonsense",), ("run", "--timeout", "0")]
)
def test_wrong_options_exit_two(cli, arguments):
    assert cli(*arguments).exit_code == 2


def test_list_names_implementations_and_cases(cli):
    done = cli("list")
    assert done.exit_code == 0
    for text in ("keras-tensorflow", "flax-nnx", "shapes/nchw", "running/paired-ddof"):
        assert text in done.output


def test_explain_shows_clause_expected_and_how_to_reproduce(cli):
    done = cli("explain", "shapes/two")
    assert done.exit_code == 0
    for text in ("BN-2.2 Variance.", "0.x", "running_var", "allowance up to", "bnconform run IMPL -k shapes/two"):
        assert text in done.output


def test_run_writes_all_three_reports(cli, tmp_path):
    done = cli("run", "numpy", "--quick", "--json", "r.json", "--html", "r.html", "--junit", "r.xml")
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["schema"] == "bnconform-report/1"
    assert {"name", "version", "device", "conventions", "summary"} <= set(report["implementations"][0])
    assert {"implementation", "case", "output", "status", "score", "diagnosis"} <= set(report["results"][0])
    assert {row["status"] for row in report["results"]} == {"pass"}
    page = (tmp_path / "r.html").read_text()
    assert "numpy" in page and "</html>" in page  # what is in it, tests/report/test_page.py reads in a browser
    suite = xml.parse(tmp_path / "r.xml").getroot()[0]
    assert int(suite.get("tests")) == len(report["results"]) and suite.get("failures") == "0"


def test_missing_framework_is_shown_and_never_a_pass(cli, tmp_path, monkeypatch):
    """A .pth-free way to hide a framework: an entry that needs a module nobody has, run for real."""
    from bnconform.backends import registry

    absent = registry.Entry("absent", "absent_framework.adapter:Layer", needs=("absent_framework",))
    monkeypatch.setattr(registry, "BUILTIN", (*registry.BUILTIN[:1], absent))
    assert "no: needs absent_framework" in cli("list").output
