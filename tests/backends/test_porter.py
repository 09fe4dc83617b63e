"""The porter's walk-through of README.md, executed: run, break, see it named, pytest plugin."""

import json
import subprocess
import sys

import pytest
from readme import block

EXAMPLE = block("porter example")
KNOWN = block("known example")
LEAVE_OUT = 'dtypes=("float32",),'
FORWARD_ONLY = EXAMPLE.replace(LEAVE_OUT, LEAVE_OUT + ' exposes=("y", "running_mean", "running_var"),')


def command(tmp_path, *arguments, source=FORWARD_ONLY):
    (tmp_path / "my_backend.py").write_text(source)
    return subprocess.run([sys.executable, "-m", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=300)


def judge(tmp_path, source=FORWARD_ONLY, *more):
    done = command(
        tmp_path,
        "bnconform.conformance.cli",
        "run",
        "my_backend:MyBackend",
        "--json",
        "report.json",
        *more,
        source=source,
    )
    report = json.loads((tmp_path / "report.json").read_text())
    bad = {(row["case"], row["output"]) for row in report["results"] if row["status"] in ("fail", "crashed")}
    return done, report, bad


def test_example_is_one_screen():
    assert len(EXAMPLE.strip().splitlines()) <= 25


def test_example_conforms_on_every_case_but_the_known_one(tmp_path):
    (tmp_path / "known.json").write_text(KNOWN)
    done, report, bad = judge(tmp_path, FORWARD_ONLY, "--known", "known.json")
    assert bad == set() and done.returncode == 0, done.stdout + done.stderr
    summary = report["implementations"][0]["summary"]
    assert summary["pass"] > 500 and summary["deviates"] == 1


def test_example_without_gradients_is_told_so(tmp_path):
    done, _, bad = judge(tmp_path, EXAMPLE, "--quick")
    assert done.returncode == 1
    assert {output.split(".")[1] for _, output in bad} == {"dx", "dgamma", "dbeta"}
    assert "not returned: dx, dgamma, dbeta in " in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    "old, new, wrong",
    [
        ("m / max(m - 1, 1)", "1", "running_var"),
        ("1 - self.config.decay", "self.config.decay", "running_mean"),
        ("+ np.float32(self.config.eps)", "", "y"),
    ],
)
def test_deliberate_mistake_fails_with_the_right_outputs(tmp_path, old, new, wrong):
    assert old in FORWARD_ONLY
    done, _, bad = judge(tmp_path, FORWARD_ONLY.replace(old, new), "--quick")
    assert done.returncode == 1
    first = {output.split(".")[1] for case, output in bad if output.startswith("0.")}
    assert wrong in first
    if wrong == "running_var":
        assert first == {"running_var"}


def test_pytest_plugin_gives_one_test_a_case(tmp_path):
    done = command(
        tmp_path, "pytest", "-q", "-p", "no:cacheprovider", "--bn-backend", "my_backend:MyBackend", "--bn-quick"
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout and "skipped" in done.stdout
    broken = FORWARD_ONLY.replace("m / max(m - 1, 1)", "1")
    done = command(
        tmp_path,
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--bn-backend",
        "my_backend:MyBackend",
        "--bn-case",
        "shapes/two",
        source=broken,
    )
    assert done.returncode == 1 and "0.running_var fail: value" in done.stdout and "1 failed" in done.stdout


def test_pytest_plugin_refuses_an_unknown_backend(tmp_path):
    done = command(tmp_path, "pytest", "-q", "-p", "no:cacheprovider", "--bn-backend", "nobody")
    assert done.returncode == 4 and "no implementation 'nobody'" in done.stderr + done.stdout
