"""The reference against the oracle on problems nobody wrote down; one that fails is shrunk and kept as a case file."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bnconform.backends.numpy_ import NumpyReference
from bnconform.conformance.cases.draft import Draft, draft, step
from bnconform.conformance.golden.folder import write_folder
from bnconform.conformance.golden.store import Golden
from bnconform.conformance.judge.compare import judge
from bnconform.conformance.run.observe import observe
from bnconform.conformance.run.plan import Options
from bnconform.conformance.run.schedule import Listener, run
from bnconform.dtypes import dtype

KEPT = Path(os.environ.get("BNCONFORM_KEEP", tempfile.gettempdir())) / "bnconform-failing-problem"
SETTINGS = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@st.composite
def problems(draw) -> Draft:
    """A layer and up to three steps: any layout, eps and decay; x of any size, sign and conditioning."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=2, max_size=4)))
    axis = draw(st.integers(0, len(shape) - 1))
    kind = draw(st.sampled_from(["float32", "float64", "float16", "bfloat16"]))
    modes = draw(st.lists(st.sampled_from(["train", "infer", "frozen"]), min_size=1, max_size=3))
    made = draft(
        "kept/problem",
        "a problem that Hypothesis found",
        "BN-2.3",
        shape=shape,
        axes=axis,
        x=kind,
        eps=draw(st.sampled_from([1e-3, 1e-5, 0.5, 16.0])),
        decay=draw(st.sampled_from([0.9, 0.0, 1.0, None])),
        gamma=draw(st.sampled_from(["one", "varied", "zero", None])),
        beta=draw(st.sampled_from(["zero", "varied", None])),
        steps=[step(mode) for mode in modes],
    )
    numbers = st.floats(-100, 100, width=16)
    own = {}
    for name, like in made.tensors.items():
        if name.endswith((".x", ".dy")):
            values = draw(st.lists(numbers, min_size=like.size, max_size=like.size))
            own[name] = np.array(values).reshape(like.shape).astype(dtype(kind))
    return Draft(made.case, made.tensors | own)


def failures(backend, golden):
    case = golden.cases["kept/problem"]
    observation = observe(case, backend, golden.inputs(case))
    return [v for v in judge("layer", observation, case, golden, backend.conventions) if v.status != "pass"]


@SETTINGS
@given(problems())
def test_reference_agrees_with_the_oracle(problem):
    wrong = failures(NumpyReference, write_folder(problem, KEPT))
    assert not wrong, f"bnconform run numpy --golden {KEPT}: {wrong[0].output} {wrong[0].message}"


class Forgetful(NumpyReference):
    """Adds eps outside the root where there are two channels or more."""

    def infer(self, x, dy):
        out = super().infer(x, dy)
        many = len(self.running.running_mean) > 1
        return out | {"y": (out["y"] * (1.01 if many else 1)).astype(out["y"].dtype)}


def test_failing_problem_is_shrunk_and_kept_as_a_case_that_runs(tmp_path, capfd):
    folder = tmp_path / "problem"

    @settings(SETTINGS, max_examples=200, print_blob=False)
    @given(problems())
    def hold(problem):
        assert not failures(Forgetful, write_folder(problem, folder))

    with pytest.raises(AssertionError):
        hold()
    golden = Golden(folder)
    case = golden.cases["kept/problem"]
    assert int(np.prod(case.shape)) == 2 and len(case.steps) == 1  # nothing smaller shows it
    assert failures(Forgetful, golden) and not failures(NumpyReference, golden)


def test_kept_case_runs_in_a_worker_like_any_other(tmp_path, monkeypatch):
    golden = write_folder(draft("kept/problem", "a problem", "BN-2.3", shape=(4, 3)), tmp_path / "problem")
    (judged,) = run(["numpy"], list(golden.cases.values()), Options(golden=golden), Listener())
    assert len(judged.verdicts) == 14 and {v.status for v in judged.verdicts} == {"pass"}
