"""CI.md, followed word by word: the steps of the workflow on README's backend."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from readme import block

import bnconform.conformance.report as room

PAGE = (Path(room.__file__).parent / "CI.md").read_text()


def step(name):
    """The shell lines of a step of the workflow."""
    found = re.search(rf"- name: {name}\n(?: +if: .*\n)? +run: (?:\|\n((?: {{10}}.*\n)+)|(.*)\n)", PAGE)
    return found[1] or found[2]


def shell(lines, folder):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    more = {"PATH": path, "GITHUB_STEP_SUMMARY": str(folder / "step.md")}
    return subprocess.run(["bash", "-ec", lines], cwd=folder, env=os.environ | more, capture_output=True, text=True)


def test_steps_of_the_workflow_leave_all_reports_and_the_summary(tmp_path):
    (tmp_path / "my_backend.py").write_text(block("porter example"))
    ran = shell(step("run"), tmp_path)
    assert ran.returncode == 1, ran.stderr  # it gives no gradients
    assert {path.name for path in (tmp_path / "bn").iterdir()} == {
        "report.json",
        "report.html",
        "junit.xml",
        "summary.md",
    }
    assert shell(step("summary"), tmp_path).returncode == 0
    assert "Not returned: `dx`, `dgamma`, `dbeta`" in (tmp_path / "step.md").read_text()
    (tmp_path / "kept").mkdir()
    shutil.copy(tmp_path / "bn" / "report.json", tmp_path / "kept")
    compared = shell(re.search(r"<!-- compare -->\n```sh\n(.*?)```", PAGE, re.S)[1], tmp_path)
    assert compared.returncode == 0, compared.stderr
    assert "Nothing changed in" in (tmp_path / "bn" / "changes.md").read_text()
