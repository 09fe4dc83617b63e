"""What a layer is asked beyond one step: arrays it must leave alone, state nobody asks for, calls that repeat."""

from dataclasses import replace

import numpy as np
import pytest

from bnconform.backends.numpy_ import NumpyReference
from bnconform.conformance.cases.draft import draft, step
from bnconform.conformance.run.observe import observe

PAIR = draft("history/pair", "two steps", "BN-8.3", shape=(4, 3), steps=[step(), step("infer")])


def observed(backend, made=PAIR, **fields):
    return observe(replace(made.case, **fields), backend, made.tensors)


class OneBuffer(NumpyReference):
    """y always in the same memory."""

    buffer = np.zeros((4, 3), np.float32)

    def train(self, x, dy):
        out = super().train(x, dy)
        self.buffer[...] = out["y"]
        return out | {"y": self.buffer}

    def infer(self, x, dy):
        self.buffer[...] = super().infer(x, dy)["y"]
        return {"y": self.buffer}


def test_output_that_the_next_step_overwrites_is_a_change():
    found = observed(OneBuffer)
    assert found.changed == ("0.y was changed by step 1",)
    assert found.outputs["0.y"].tobytes() != found.outputs["1.y"].tobytes()


class LiveState(NumpyReference):
    """The state is given out as the very arrays that the layer goes on with."""

    def __init__(self, config, *given):
        super().__init__(config, *given)
        self.live = self.state()

    def train(self, x, dy):
        out = super().train(x, dy)
        for name, value in super().state().items():
            self.live[name][...] = value
        return out

    def state(self):
        return getattr(self, "live", None) or super().state()


def test_live_state_is_no_change():
    assert observed(LiveState).changed == ()


class Asked(NumpyReference):
    def __init__(self, config, *given):
        super().__init__(config, *given)
        Asked.config, Asked.given, Asked.calls = config, given, []

    def train(self, x, dy):
        self.calls.append("train")
        return super().train(x, dy)

    def state(self):
        self.calls.append("state")
        return super().state()


@pytest.mark.parametrize(
    "steps, calls",
    [
        ([step(), step()], ["train", "state", "train", "state"]),
        ([step(state=False), step()], ["train", "train", "state"]),
        ([step(state=False, repeat=3)], ["train", "train", "train"]),
    ],
)
def test_layer_is_called_as_the_steps_say(steps, calls):
    observed(Asked, draft("history/calls", "calls", "BN-3.6", shape=(4, 3), steps=steps))
    assert Asked.calls == calls


def test_one_object_is_handed_over_in_both_roles():
    observed(Asked, one_object=("beta", "running_mean"))
    _, beta, mean, var = Asked.given
    assert beta is mean and beta is not var


def test_layer_as_built_gets_nothing_and_is_told_so():
    observed(Asked, as_built=True)
    assert Asked.given == (None,) * 4 and Asked.config.as_built


def test_step_again_has_the_arrays_of_the_earlier_one():
    made = draft("history/again", "again", "BN-4.4", shape=(4, 3), steps=[step(), step(), step(again=0)])
    assert made.tensors["2.x"] is made.tensors["0.x"] is not made.tensors["1.x"]
