"""A secret seed: the same cases, inputs drawn afresh, answers from the oracle; what was read from files fails."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from bnconform.backends import registry
from bnconform.conformance.cli import main
from bnconform.conformance.golden.secret import Secret
from bnconform.conformance.golden.store import Golden

READER = '''
from functools import cache
from bnconform.backends.numpy_ import NumpyReference
from bnconform.conformance.golden.store import Golden

@cache
def stored():
    """(bytes of x, bytes of dy) -> what the golden files say of that step."""
    golden, found = Golden(), {}
    for case in golden.cases.values():
        if case.family == "shapes":
            inputs, wanted = golden.inputs(case), golden.wanted(case, 1)
            for index, step in enumerate(case.steps):
                key = inputs[f"{index}.x"].tobytes(), inputs[f"{index}.dy"].tobytes()
                found[key] = {name: wanted[f"{index}.{name}"][0] for name in step.outputs}
    return found

class Reader:
    """It computes nothing."""
    conventions = NumpyReference.conventions
    def __init__(self, config, *given):
        self.found = {}
    def train(self, x, dy):
        self.found = dict(stored()[x.tobytes(), dy.tobytes()])
        return self.found
    infer = train
    def state(self):
        return {name: self.found[name] for name in ("running_mean", "running_var")}
'''


@pytest.fixture
def run(tmp_path, monkeypatch):
    (tmp_path / "reader.py").write_text(READER)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        done = CliRunner().invoke(main, ["run", *arguments, "--json", "r.json"])
        return done.exit_code, json.loads((tmp_path / "r.json").read_text()), done.output

    return run


CASES = ("-k", "shapes/dense", "-k", "shapes/nchw", "-k", "shapes/nhwc")


def test_reader_of_the_golden_files_conforms_until_inputs_are_drawn_afresh(run):
    status, report, _ = run("reader:Reader", *CASES)
    assert status == 0 and report["implementations"][0]["summary"]["verdict"] == "conforms"
    status, report, output = run("reader:Reader", *CASES, "--secret-seed")
    assert status == 1 and {row["status"] for row in report["results"]} == {"crashed"}
    assert "again with --secret-seed" in output and report["suite"]["golden"].startswith("secret seed ")


@pytest.mark.parametrize("name, cases", [("numpy", "shapes/n"), ("numpy", "running/"), ("torch", "dtypes/*float16*")])
@pytest.mark.parametrize("seed", ["1", "8"])
def test_honest_implementation_conforms_under_a_secret_seed(name, cases, seed, run):
    if registry.entry(name).missing():
        pytest.skip(f"{name} is not installed")
    status, report, _ = run(name, "-k", cases, "--secret-seed", seed)
    assert status == 0, [row for row in report["results"] if row["status"] in ("fail", "crashed")]


def test_secret_inputs_are_others_of_the_same_form_and_the_same_for_the_same_seed():
    frozen, secret, again, other = Golden(), Secret.of(7), Secret.of(7), Secret.of(8)
    for name in ("shapes/nchw", "masks/element", "dtypes/float16-dense"):
        case = frozen.cases[name]
        here, there = frozen.inputs(case), secret.inputs(case)
        assert {k: (v.shape, v.dtype) for k, v in here.items()} == {k: (v.shape, v.dtype) for k, v in there.items()}
        assert not np.array_equal(here["0.x"], there["0.x"])
        assert not np.array_equal(other.inputs(case)["0.x"], there["0.x"])
        assert np.array_equal(again.inputs(case)["0.x"], there["0.x"])
    assert len({golden.hash for golden in (frozen, secret, other)}) == 3


@pytest.mark.parametrize(
    "words", [("--secret-seed", "x"), ("--secret-seed", "1.5"), ("--secret-seed", "1", "--golden", ".")]
)
def test_wrong_use_of_a_secret_seed_is_refused(words, run, tmp_path):
    done = CliRunner().invoke(main, ["run", "numpy", *words])
    assert done.exit_code == 2 and len(done.stderr.strip().splitlines()) == 1
