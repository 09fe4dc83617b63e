"""The main job: every installed implementation conforms, or deviates only as recorded."""

import json
import subprocess
import sys

import pytest

from bnconform.backends import registry

REQUIRED = [entry for entry in registry.BUILTIN if entry.required]


def judge(tmp_path, *arguments):
    command = [
        sys.executable,
        "-m",
        "bnconform.conformance.cli",
        "run",
        *arguments,
        "--json",
        "report.json",
        "--html",
        "report.html",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1500)
    return done, json.loads((tmp_path / "report.json").read_text())


@pytest.mark.parametrize("entry", REQUIRED, ids=lambda entry: entry.name)
def test_implementation_conforms_on_every_case(entry, tmp_path):
    if entry.missing():
        pytest.skip(f"not installed: {', '.join(entry.missing())}")
    done, report = judge(tmp_path, entry.name)
    (item,) = report["implementations"]
    bad = [row for row in report["results"] if row["status"] in ("fail", "crashed", "timed out")]
    assert [f"{row['case']} {row['output']}: {row['message']}" for row in bad] == [] and done.returncode == 0
    assert item["summary"]["verdict"].startswith("conforms") and item["summary"]["pass"] > 1000


HIDE = """
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *package: None if name in ("torch", "flax") else find(name, *package)
"""


def test_missing_framework_is_shown_and_never_a_pass(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(HIDE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done, report = judge(tmp_path, "numpy", "torch", "-k", "shapes/two")
    by_name = {item["name"]: item for item in report["implementations"]}
    assert by_name["torch"]["summary"]["verdict"] == "not installed" and by_name["torch"]["summary"]["pass"] == 0
    assert {row["status"] for row in report["results"] if row["implementation"] == "torch"} == {"unsupported"}
    assert "torch is not installed" in done.stdout and done.returncode == 1
    done, _ = judge(tmp_path, "numpy", "-k", "shapes/two")
    assert done.returncode == 0


RESTLESS = """
from dataclasses import replace
import numpy as np
from bnconform.backends.contract import WIDENED
from bnconform.backends.numpy_ import NumpyReference

class Restless(NumpyReference):
    '''Every other training step has one bit of y otherwise: right each time, and never the same.'''
    conventions = replace(NumpyReference.conventions, compute=WIDENED)
    steps = 0
    settings = staticmethod(lambda device: {"mood": device})

    def train(self, x, dy):
        out, Restless.steps = super().train(x, dy), Restless.steps + 1
        if Restless.steps % 2:
            out["y"].flat[-1:] = np.nextafter(out["y"].flat[-1:], out["y"].dtype.type(9))
        return out
"""


def test_backend_that_does_not_repeat_itself_is_reported(tmp_path):
    (tmp_path / "restless.py").write_text(RESTLESS)
    done, report = judge(
        tmp_path, "restless:Restless", "numpy", "-k", "shapes/dense", "-k", "shapes/nchw", "-k", "mode/alternating"
    )
    restless, numpy = report["implementations"]
    differing = ["shapes/dense 0.y", *(f"mode/alternating {step}.y" for step in (0, 2, 5))]
    assert restless["repeatable"] == {"cases": 2, "differing": differing}
    assert numpy["repeatable"] == {"cases": 2, "differing": []}
    assert restless["settings"] == {"mood": "cpu"} and "mood: cpu" in (tmp_path / "report.html").read_text()
    assert done.returncode == 0 and "note restless:Restless: not repeatable: right both times" in done.stdout


def test_without_a_gpu_each_implementation_says_so_and_nothing_passes(tmp_path):
    names = [entry.name for entry in REQUIRED if not entry.missing()]
    done, report = judge(tmp_path, *names, "--device", "gpu", "-k", "shapes/two")
    if "torch" in names and pytest.importorskip("torch").cuda.is_available():
        pytest.skip("there is a GPU here")
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    for item in report["implementations"]:
        assert (
            item["summary"]["verdict"] == "no such device"
            and "no GPU here" in item["problem"]
            and item["summary"]["pass"] == 0
        )
    assert {row["status"] for row in report["results"]} == {"unsupported"}
