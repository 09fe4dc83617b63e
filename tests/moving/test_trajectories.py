"""Trajectories: the definition's own gradients are right, frameworks stay within the allowance, mistakes leave it."""

import json

import numpy as np
import pytest

from bnconform.conformance.moving.trajectories import measure
from bnconform.conformance.moving.trajectories.network import (
    NETWORKS,
    RATE,
    Definition,
    batches,
    digits,
    initial,
    is_state,
)
from bnconform.conformance.moving.trajectories.wrong import WRONG

pytest.importorskip("sklearn")
RECORD = json.loads(measure.DATA.read_text())


@pytest.mark.parametrize("net", NETWORKS)
def test_definition_descends_along_the_slope_of_its_loss(net):
    """The change of every parameter against a central difference of the loss, at its largest element."""
    (x, labels), spec = next(batches(digits()[0], 1)), NETWORKS[net]
    start = {name: value.astype(np.float64) for name, value in initial(spec).items()}
    made = Definition(spec, start)
    made.step(x, labels)
    for name in [name for name in start if not is_state(name)][::3]:
        slope = (start[name] - made.values[name]) / RATE
        at = np.unravel_index(np.argmax(np.abs(slope)), slope.shape)
        loss = []
        for shift in (1e-5, -1e-5):
            moved = {**start, name: start[name].copy()}
            moved[name][at] += shift
            loss.append(Definition(spec, moved).step(x, labels))
        assert abs((loss[0] - loss[1]) / 2e-5 - slope[at]) < 1e-6 * max(1, abs(slope[at])), name


@pytest.mark.parametrize("mistake", WRONG)
def test_mistake_leaves_the_allowance_at_the_first_step_of_a_smooth_network(mistake):
    assert RECORD["networks"]["sigmoid MLP"]["wrong"][mistake]["leaves"] == 1


def test_frameworks_stay_within_the_allowance():
    for net, one in RECORD["networks"].items():
        assert len(one["runs"]) >= 10
        assert [label for label, run in one["runs"].items() if run["leaves"]] == [], net


def test_page_is_generated_from_its_record():
    assert measure.PAGE.read_text() == measure.page(RECORD)


def test_torch_follows_the_definition_now():
    pytest.importorskip("torch")
    from bnconform.conformance.moving.trajectories.frameworks import trained

    train, held = digits()
    data, spec = list(batches(train, 5)), NETWORKS["LeNet"]
    start = initial(spec)
    exact, _ = measure.definition(spec, start, data)
    losses, course, _ = trained("torch", spec, start, "first", data, held)
    allowed = measure.allowances(spec, start, data, exact)
    assert measure.leaving(measure.Course(start, losses, course).distances(exact), allowed)[0] is None
    wrong, _ = measure.definition(spec, start, data, norm=WRONG["eps outside the root"]())
    assert measure.leaving(wrong.distances(exact), allowed)[0] == 1
