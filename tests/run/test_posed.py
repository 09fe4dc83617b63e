"""Problems that no golden file holds, posed to a worker; memory words that lay x and dy out apart."""

from dataclasses import replace

import numpy as np
import pytest

from bnconform.backends.numpy_ import NumpyReference
from bnconform.conformance.cases.draft import draft, step
from bnconform.conformance.cases.memory import arrange
from bnconform.conformance.run.observe import observe
from bnconform.conformance.run.process import Worker, WorkerLost

FAULTY = """
import itertools, time
from bnconform.backends.numpy_ import NumpyReference

CALLS = itertools.count()

class Drifts(NumpyReference):
    def train(self, x, dy):
        out = super().train(x, dy)
        return out | {"y": out["y"] + next(CALLS)}

class Remembers(NumpyReference):
    seen = {}
    def train(self, x, dy):
        return self.seen.setdefault(x.__array_interface__["data"][0], super().train(x, dy))

class Sleeps(NumpyReference):
    def train(self, x, dy):
        time.sleep(60)
"""


@pytest.fixture
def worker(request, tmp_path, monkeypatch):
    (tmp_path / "posed_faults.py").write_text(FAULTY)
    monkeypatch.chdir(tmp_path)
    worker = Worker(request.param, "cpu")
    worker.start()
    yield worker
    worker.stop()


def problem(*steps, shape=(6, 3, 4)):
    return draft("posed/problem", "a problem", "BN-2.3", shape=shape, steps=list(steps) or None)


@pytest.mark.parametrize("worker", ["numpy"], indirect=True)
def test_posed_problem_is_answered_as_in_this_process(worker):
    large = problem(step(n=20_000), step("infer"))  # larger than a pipe
    got = worker.pose(large.case, large.tensors, 60, twice=True)
    wanted = observe(large.case, NumpyReference, large.tensors)
    assert got.differing == () and got.outputs.keys() == wanted.outputs.keys()
    assert all(got.outputs[name].tobytes() == value.tobytes() for name, value in wanted.outputs.items())
    assert got.again.outputs.keys() == wanted.outputs.keys()


@pytest.mark.parametrize("worker", ["posed_faults:Drifts"], indirect=True)
def test_posed_twice_tells_which_outputs_came_out_otherwise(worker):
    asked = problem(step())
    assert worker.pose(asked.case, asked.tensors, 60, twice=True).differing == ("0.y",)


@pytest.mark.parametrize("worker", ["posed_faults:Sleeps"], indirect=True)
def test_posed_problem_that_hangs_ends_at_the_limit(worker):
    asked = problem(step())
    with pytest.raises(WorkerLost, match="no answer within 0.5 s"):
        worker.pose(asked.case, asked.tensors, 0.5)


@pytest.mark.parametrize("worker", ["posed_faults:Remembers"], indirect=True)
@pytest.mark.parametrize("options, same", [({}, False), ({"refill": True}, True)])
def test_refilled_buffer_shows_what_is_kept_by_address(worker, options, same):
    asked = problem(step(), step(**options))
    got = worker.pose(asked.case, asked.tensors, 60).outputs
    assert (got["1.y"].tobytes() == got["0.y"].tobytes()) is same


@pytest.mark.parametrize(
    "word, strides",
    [("reversed", (-48, -16, -4)), ("order-102", (16, 32, 4)), ("expanded", (48, 16, 4))],
)
def test_memory_word_gives_these_strides_and_the_same_values(word, strides):
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    assert arrange(x, word).strides == strides
    assert np.array_equal(arrange(x, word), x)


def test_expanded_array_has_stride_zero_where_values_are_all_the_same():
    assert arrange(np.full((2, 3), 0.5), "expanded").strides == (0, 0)
    assert arrange(np.tile(np.arange(3.0), (2, 1)), "expanded").strides == (0, 8)


class StridesSeen(NumpyReference):
    def train(self, x, dy):
        type(self).seen = x.strides, dy.strides
        return super().train(x, dy)


def test_two_memory_words_lay_out_x_and_dy_apart():
    asked = problem(step(), shape=(2, 3, 4))
    words = replace(asked.case.steps[0], memory="channels-last|contiguous")
    observe(replace(asked.case, steps=(words,)), StridesSeen, asked.tensors)
    assert StridesSeen.seen == ((48, 4, 12), (48, 16, 4))
