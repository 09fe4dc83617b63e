"""Every layer of the set is wrong as its label says: it deviates under its condition, and nowhere else."""

import functools
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from foreign.labels import layers
from foreign.problems import PROBLEMS, attributes, truth

QUANTITIES = [
    "x",
    "mask",
    "m",
    "mean",
    "deviation",
    "variance",
    "eps",
    "root",
    "x_hat",
    "gamma",
    "beta",
    "y",
    "dy",
    "mean_dy",
    "mean_dy_x_hat",
    "dx",
    "dgamma",
    "dbeta",
    "running_mean",
    "running_var",
    "decay",
    "count",
]
KEYS = {"where", "when", "condition", "what", "accept", "reject", "reference"}
# what rounding may make of an output of each type, as a part of its largest value; more than twice as much is a deviation
ROUNDING = {"float64": 1e-9, "float32": 4e-5, "float16": 2e-3, "bfloat16": 2e-2}


LAYERS, MISSING = layers()


def error(got, want):
    """The largest difference in units of ROUNDING; infinite where a NaN is on one side only."""
    got = np.asarray(got)
    bound, got = ROUNDING[str(got.dtype)], got.astype(float)
    if got.shape != want.shape or not np.array_equal(np.isnan(got), np.isnan(want)):
        return np.inf
    return np.nanmax(np.abs(got - want), initial=0) / max(np.nanmax(np.abs(want), initial=0), 1e-2) / bound


def ask(layer, step, x, dy, mask):
    if mask is not None:
        return layer.train_masked(x, dy, mask)
    return getattr(layer, step.mode, layer.infer)(x, dy)


def compared(backend, problem):
    """(attributes, largest error) of each step."""
    layer, values = problem.layer(backend)
    ddof = backend.conventions.running_ddof
    names = ("running_mean", "running_var")
    for at, given, want in zip(attributes(problem), problem.inputs(), truth(problem, values, ddof)):
        got = dict(ask(layer, *given))
        if problem.tracked:
            got |= {name: np.array(layer.state()[name]) for name in names}
        yield at, max(error(got[name], value) for name, value in want.items())


def fits(backend, problem):
    """Whether the layer takes this problem by what it declares."""
    says = backend.conventions
    rank, axes = len(problem.shape), problem.axes
    allowed = {"any": True, "one": len(axes) == 1, "first": axes == (1,), "last": axes == (rank - 1,)}
    masked = any(step.mask is not None for step in problem.steps)
    empty = any(0 in (step.shape or ()) for step in problem.steps)
    return (
        problem.name in getattr(backend, "PROBLEMS", (problem.name,))
        and problem.name not in getattr(backend, "EXCEPT", ())
        and allowed[says.channel_axes]
        and problem.dtype in says.dtypes
        and rank in says.ranks
        and not (problem.decay is None and "decay:cumulative" in says.cannot)
        and not (masked and not hasattr(backend, "train_masked"))
        and not (problem.affine == "beta" and "beta-without-gamma" in says.cannot)
        and not (problem.affine == "gamma" and "gamma-without-beta" in says.cannot)
        and not ((empty or problem.name == "one value") and getattr(backend, "NEEDS_VALUES", False))
    )


@pytest.fixture
def layer(request):
    backend = request.param
    if getattr(backend, "NEEDS_COMPILER", False) and not (shutil.which("cc") or shutil.which("gcc")):
        pytest.skip("no C compiler on this machine")
    torch = sys.modules.get("torch")
    if torch is None or "torch" not in backend.__module__:
        yield backend
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # problems of a hundred numbers: threads only wait for each other
    yield backend
    torch.set_num_threads(threads)


every = pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS, indirect=True)
RIGHT = {name: value for name, value in LAYERS.items() if not value.LABEL["where"]}
WRONG = {name: value for name, value in LAYERS.items() if value.LABEL["where"]}


@every
def test_foreign_label_is_complete(layer):
    label = layer.LABEL
    assert set(label) == KEYS and label["when"] and label["what"]
    assert set(label["where"]) <= set(QUANTITIES)
    assert bool(label["accept"]) == bool(label["where"])
    for pattern in label["accept"] + label["reject"]:
        re.compile(pattern)


@functools.cache
def compiled(pattern):
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


def names(label, sentence):
    """Whether a diagnosis that says this names the mistake: README.md."""
    found = lambda patterns: any(compiled(pattern).search(sentence) for pattern in patterns)
    return found(label["accept"]) and not found(label["reject"])


def sentence(label, where):
    return f"{where}: {label['what']}, {label['when']}"


@pytest.mark.parametrize("name", WRONG)
def test_foreign_label_accepts_its_own_sentence_and_few_others(name):
    own = WRONG[name].LABEL
    assert all(names(own, sentence(own, where)) for where in own["where"])
    assert not names(own, f"{own['where'][0]}: unexplained")
    taken = []
    for other, layer in WRONG.items():
        shared = [where for where in layer.LABEL["where"] if where in own["where"]]
        taken += [other] if other != name and shared and names(own, sentence(layer.LABEL, shared[0])) else []
    assert len(taken) <= 6, taken  # near relatives, and the same mistake at another time


@pytest.mark.parametrize("layer", WRONG.values(), ids=WRONG, indirect=True)
def test_foreign_layer_deviates_where_its_label_says_and_nowhere_else(layer):
    condition, shown, hidden = layer.LABEL["condition"], [], []
    for problem in PROBLEMS:
        due = False
        for at, worst in compared(layer, problem) if fits(layer, problem) else ():
            due = due or condition is None or eval(condition, {}, at)
            if worst > 2:
                assert due, (problem.name, at, worst)
                shown.append(problem.name)
                break  # what follows may follow from a state that is wrong by now
            assert due or worst <= 1, (problem.name, at, worst)
        else:
            hidden += [problem.name] if due else []
    assert shown and (condition is None or 2 * len(shown) >= len(hidden)), (shown, hidden)


@pytest.mark.parametrize("layer", RIGHT.values(), ids=RIGHT, indirect=True)
def test_foreign_right_layer_agrees_everywhere(layer):
    for problem in PROBLEMS:
        if fits(layer, problem):
            for at, worst in compared(layer, problem):
                assert worst <= 1, (problem.name, at, worst)


def test_foreign_set_is_large_enough():
    if MISSING:
        pytest.skip("; ".join(MISSING))
    assert len(WRONG) >= 100 and len(RIGHT) >= 5


@pytest.mark.parametrize("name", ["layers_right:PaperBackward", "layers_reports_normalize:RootPlusEps"])
def test_foreign_layer_is_found_by_its_name(tmp_path, name):
    report = tmp_path / "report.json"
    words = ["run", f"foreign.{name}", "--quick", "-k", "shapes", "--json", str(report)]
    done = subprocess.run(
        [sys.executable, "-m", "bnconform.conformance.cli", *words], cwd=tmp_path, env=os.environ, capture_output=True
    )
    statuses = {row["status"] for row in json.loads(report.read_text())["results"]}
    assert done.returncode == (0 if name in RIGHT else 1)
    assert "pass" in statuses and ("fail" in statuses) == (name in WRONG) and "crashed" not in statuses
