"""Findings: each script still says what its text says, on the versions the text was written about."""

from fnmatch import fnmatchcase

import pytest
from click.testing import CliRunner

from bnconform.conformance import findings as package
from bnconform.conformance.cli import main
from bnconform.conformance.findings import FOLDER, LINES, findings, index, parse, run
from bnconform.conformance.golden.store import Golden
from bnconform.conformance.judge.known import builtin

ALL = findings().values()


def named(finding):
    return finding.name


@pytest.mark.parametrize("finding", ALL, ids=named)
def test_script_reproduces(finding):
    """On other versions "gone" is fine, and shown as a skip with its reason; a script that breaks never is."""
    outcome = run(finding)
    if outcome.status == "not installed" or outcome.status == "gone" and not finding.as_seen():
        pytest.skip(f"{outcome.status}: {outcome.words}")
    assert outcome.status == "reproduces", outcome.words


def test_scripts_are_short():
    assert [finding.name for finding in ALL if len(finding.script.splitlines()) > LINES] == []


def test_guarding_cases_exist_or_their_absence_is_explained():
    cases = set(Golden().cases)
    assert [finding.name for finding in ALL if not set(finding.cases) <= cases] == []
    silent = [f.name for f in ALL if not f.cases and not f.fields["guarded by"].startswith("none: ")]
    assert silent == []


def test_known_differences_cover_the_guarding_cases():
    known = {name: [entry.cases for entry in builtin(name)] for finding in ALL for name in finding.known}
    uncovered = [
        (finding.name, name)
        for finding in ALL
        for name in finding.known
        if not any(fnmatchcase(case, pattern) for pattern in known[name] for case in finding.cases)
    ]
    assert uncovered == []
    silent = [f.name for f in ALL if not f.known and not f.fields["known difference"].startswith("none: ")]
    assert silent == []


def test_index_has_every_finding_and_nothing_else():
    page = index.README.read_text()
    assert [finding.name for finding in ALL if f"[{finding.title}]({finding.name}.md)" not in page] == []
    assert len(index.BLOCK.search(page)[0].splitlines()) == 2 + len(ALL)


def text(script, **fields):
    given = dict.fromkeys(package.FIELDS, "none: x") | {"kind": "defect", "seen on": "numpy 0.1"} | fields
    listed = "\n".join(f"- {name}: {value}" for name, value in given.items())
    return f"# Title\n\n{listed}\n\n## Expected\n\n## Got\n\n## Script\n\n```python\n{script}\n```\n\n## Cause\n"


def finding_of(tmp_path, script, **fields):
    path = tmp_path / "one.md"
    path.write_text(text(script, **fields))
    return parse(path)


@pytest.mark.parametrize(
    "script, status",
    [
        ('print("reproduces: 1")', "reproduces"),
        ('print("gone")', "gone"),
        ('print("1")', "broken"),
        ("", "broken"),
        ('print("reproduces")\nraise ValueError("late")', "broken"),
        ("while True: pass", "broken"),
    ],
)
def test_outcome_of_a_script(tmp_path, script, status):
    assert run(finding_of(tmp_path, script), timeout=2).status == status


def test_missing_framework_is_said(tmp_path, monkeypatch):
    found = finding_of(tmp_path, 'import torch\nprint("gone")')
    monkeypatch.setattr(package.importlib.util, "find_spec", lambda name: None)
    assert run(found) == package.Outcome("not installed", "torch")


@pytest.mark.parametrize("seen, same", [("numpy 9.8.7", True), ("numpy 9.8.70", False), ("numpy 9.8", False)])
def test_other_versions_are_told_apart(tmp_path, monkeypatch, seen, same):
    monkeypatch.setattr(package, "version", lambda module: "9.8.7")
    assert finding_of(tmp_path, "import torch", **{"seen on": seen}).as_seen() is same


def test_text_without_a_field_is_refused(tmp_path):
    path = tmp_path / "one.md"
    path.write_text(text("pass").replace("- kind: defect\n", ""))
    with pytest.raises(ValueError, match="one.md needs a title, the fields framework"):
        parse(path)


def invoke(*arguments):
    return CliRunner().invoke(main, ["findings", *arguments])


def test_command_lists_all():
    done = invoke()
    assert done.exit_code == 0 and all(name in done.output for name in findings())


def test_command_prints_a_text():
    name = next(iter(findings()))
    assert invoke(name).output.strip() == (FOLDER / f"{name}.md").read_text().strip()


def test_command_runs_one():
    done = invoke("torch-cumulative-empty", "--run")
    assert done.exit_code == 0 and done.output.startswith(("reproduces", "gone", "not installed"))


def test_command_refuses_an_unknown_name():
    done = invoke("no-such-finding")
    assert done.exit_code == 2 and "no finding 'no-such-finding'" in done.output
