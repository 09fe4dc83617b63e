"""The command line of the claims: what it lists, writes and refuses."""

import dataclasses
import json
import re
import subprocess
import sys
import time

import psutil
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

from click.testing import CliRunner

from bnconform.conformance.claims import cli, pool, registry
from bnconform.conformance.claims.data import load
from bnconform.conformance.claims.run import execute

TWO = ("neuron-histogram", "keras-lines")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        return CliRunner().invoke(cli.claims, list(arguments), prog_name="bnconform claims")

    return call


@pytest.fixture
def two_small_claims(monkeypatch):
    whole = registry.load
    monkeypatch.setattr(registry, "names", lambda: TWO)

    def load(name):
        claim = whole(name)
        return dataclasses.replace(
            claim, quick={**claim.quick, "repetitions": 2, **({"samples": 500} if "samples" in claim.quick else {})}
        )

    monkeypatch.setattr(registry, "load", load)


@pytest.mark.parametrize("arguments", [(), ("--list",)], ids=["bare", "--list"])
def test_claims_are_listed(run, tmp_path, arguments):
    result = run(*arguments)
    assert result.exit_code == 0
    assert all(name in result.output for name in registry.names())
    assert not any(tmp_path.iterdir())


def test_one_claim_is_measured_and_drawn(run, tmp_path):
    result = run("keras-lines", "--quick", "--out", "here")
    assert result.exit_code == 0, result.output
    assert "verdict: does not hold here" in result.output and "axis=-1" in result.output
    assert (tmp_path / "here" / "keras-lines.svg").read_text().startswith("<?xml")


def test_all_writes_the_same_page_and_numbers_twice(run, tmp_path, two_small_claims):
    for out in ("a", "b"):
        result = run("--all", "--quick", "--jobs", "1", "--out", out)
        assert result.exit_code == 0, result.output
    for name in ("claims.html", "claims.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_two_processes_give_the_numbers_of_one():
    images, how = load(), {"quick": True, "seed": 0, "device": "cpu"}
    together = {r.claim.name: r for r in pool.execute_all(("keras-lines", "redundant-bias"), images, 2, **how)}
    for name, result in together.items():
        alone = execute(registry.load(name), images, **how)
        assert (alone.as_dict(), alone.figure) == (result.as_dict(), result.figure)
    assert len(together) == 2


def test_page_is_self_contained_and_holds_every_verdict(run, tmp_path, two_small_claims):
    run("--all", "--quick", "--jobs", "1", "--out", "a")
    page = (tmp_path / "a" / "claims.html").read_text()
    record = json.loads((tmp_path / "a" / "claims.json").read_text())
    assert record["schema"] == "bnconform.claims/1" and [c["name"] for c in record["claims"]] == list(TWO)
    assert page.count("data:image/svg+xml;base64,") == 2
    assert not re.search(r'(?:src|href)="(?!#|data:)', page)
    assert all(claim["verdict"] in page for claim in record["claims"])
    assert all(
        set(n) == {"label", "value", "low", "high", "n", "unit"}
        for c in record["claims"]
        for n in c["numbers"].values()
    )


def test_seed_changes_the_numbers(run, tmp_path, two_small_claims):
    run("--all", "--quick", "--jobs", "1", "--out", "a")
    run("--all", "--quick", "--jobs", "1", "--out", "b", "--seed", "1")
    a, b = (
        json.loads((tmp_path / d / "claims.json").read_text())["claims"][0]["numbers"]["none"]["value"] for d in "ab"
    )
    assert a != b


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("no-such-claim",), "no claim 'no-such-claim'"),
        (("lenet", "--all"), "not both"),
        (("keras-lines", "--data", "imagenet=x"), "unknown data set 'imagenet'"),
        (("keras-lines", "--data", "mnist"), "say --data mnist=PATH"),
        (("keras-lines", "--data", "mnist=/nonexistent"), "no such file"),
        (("keras-lines", "--data", "mnist=."), "has no train-images"),
        (("keras-lines", "--device", "tpu9"), "device 'tpu9'"),
        (("keras-lines", "--device", "meta"), "expected cpu, cuda"),
        (("keras-lines", "--seed", "-1"), "--seed"),
        (("keras-lines", "--seed", "x"), "--seed"),
        (("keras-lines", "--out", "/proc/nowhere"), "cannot write to /proc/nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_use_is_one_clear_line_and_status_2(run, arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.output and "Traceback" not in result.output
    if "--seed" not in arguments:  # click's own errors add the usage
        assert re.fullmatch(r"Error: [^\n]+\n", result.output)


def test_missing_libraries_are_named(run, monkeypatch):
    monkeypatch.setattr(cli, "NEEDS", {"no_such_module": "nothing"})
    result = run()
    assert result.exit_code == 2 and "pip install 'bnconform[claims]'" in result.output


def test_module_runs_as_a_program(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "bnconform.conformance.claims", "--list"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "batch-noise" in done.stdout


def test_sigterm_ends_all_processes(tmp_path):
    command = subprocess.Popen(
        [sys.executable, "-m", "bnconform.conformance.claims", "--all", "--out", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        this = psutil.Process(command.pid)
        while len(this.children()) < 3:  # the two that measure, and Python's resource tracker
            assert command.poll() is None, command.stderr.read()
            time.sleep(0.1)
        children = this.children()
        command.terminate()
        assert command.wait(60) == 143 and "interrupted by SIGTERM" in command.stderr.read()
        assert not psutil.wait_procs(children, timeout=30)[1]
    finally:
        command.kill()


def test_importing_the_command_loads_no_framework():
    code = (
        "import sys, bnconform.conformance.claims.cli\n"
        "print([m for m in ('torch', 'sklearn', 'matplotlib', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "[]", done.stderr
