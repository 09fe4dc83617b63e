"""What the definition says of its edges: no axis left, no value or one, no statistics, calls that repeat."""

import numpy as np
import pytest

import bnconform as bn
from bnconform import engine, oracle

X = np.array([1.0, -2.0, 5.0])
STATE = {"running_mean": np.array([0.5, 0.0, 1.0]), "running_var": np.array([3.0, 0.75, 2.0])}
WORDS = {"gamma": np.array([2.0, 1.0, -1.0]), "beta": np.array([0.0, 1.0, 0.0])}


@pytest.mark.parametrize("package", [bn, engine], ids=["reference", "engine"])
def test_vector_is_normalized_value_by_value(package):
    y = package.inference_forward(X, **WORDS, **STATE, eps=0.25, channel_axes=0)
    x_hat = (X - STATE["running_mean"]) / np.sqrt(STATE["running_var"] + 0.25)
    assert np.allclose(y, WORDS["gamma"] * x_hat + WORDS["beta"], rtol=1e-15)
    dx, dgamma, dbeta = package.inference_backward(X, X, WORDS["gamma"], **STATE, eps=0.25, channel_axes=0)
    assert np.allclose(dgamma, X * x_hat, rtol=1e-15) and np.array_equal(dbeta, X)
    assert np.allclose(dx, WORDS["gamma"] * X / np.sqrt(STATE["running_var"] + 0.25), rtol=1e-15)


@pytest.mark.parametrize("package", [bn, engine], ids=["reference", "engine"])
def test_training_on_a_vector_has_nothing_to_reduce(package):
    with pytest.raises(ValueError, match=r"at least one axis of x \(rank 1\) left to reduce \[BN-1.1\]"):
        package.train_forward(X, eps=0.25, channel_axes=0)


def asked(steps, decay=0.5, running_ddof=0, axes=(0,), **given):
    words = {"gamma": None, "beta": None, "running_mean": None, "running_var": None} | given
    return oracle.evaluate(steps, **words, eps=0.25, decay=decay, running_ddof=running_ddof, channel_axes=axes)


def test_oracle_takes_a_vector_in_inference_alone():
    (found,) = asked([{"mode": "infer", "x": X, "dy": X}], **WORDS, **STATE)
    wanted = bn.inference_forward(X, **WORDS, **STATE, eps=0.25, channel_axes=0)
    assert np.allclose(found["y"].round("float64"), wanted, rtol=1e-15)
    with pytest.raises(ValueError, match="BN-1.1"):
        asked([{"mode": "train", "x": X}], **STATE)


# m, ddof of running_var: which statistics exist, so that their running value moves and counts
EXISTS = [
    (0, 0, (False, False)),
    (0, 1, (False, False)),
    (1, 0, (True, True)),
    (1, 1, (True, False)),
    (2, 1, (True, True)),
]


@pytest.mark.parametrize("decay", [0.5, None], ids=["exponential", "cumulative"])
@pytest.mark.parametrize("m, ddof, exists", EXISTS)
def test_statistic_that_does_not_exist_stays_and_does_not_count(m, ddof, exists, decay):
    x, last = np.arange(m, dtype=np.float64).reshape(m, 1) + 3.0, np.array([[1.0], [9.0], [2.0]])
    state = {"running_mean": np.array([7.0]), "running_var": np.array([11.0])}
    rule = {"decay": decay, "running_ddof": ddof, "axes": (1,)}
    alone = asked([{"mode": "train", "x": last}], **rule, **state)[-1]
    first, after = asked([{"mode": "train", "x": x}, {"mode": "train", "x": last}], **rule, **state)
    for name, moved in zip(state, exists):
        stays = first[name].round("float64") == state[name]
        assert bool(stays.all()) is not moved
        if not moved:  # what follows is as if the step had not been
            assert after[name].round("float64").tobytes() == alone[name].round("float64").tobytes()
        ours = bn.RunningState(*state.values())
        for batch in (x, last):
            ours = ours.update(*bn.batch_statistics(batch, channel_axes=1), decay=decay, running_ddof=ddof)
        assert np.allclose(getattr(ours, name), after[name].round("float64"), rtol=1e-14)


@pytest.mark.parametrize("decay", [0.75, None])
def test_repeated_step_is_so_many_steps(decay):
    rng = np.random.default_rng(5)
    steps = [{"mode": "train", "x": rng.standard_normal((4, 2))} for _ in range(2)]
    state = {"running_mean": np.zeros(2), "running_var": np.ones(2)}
    rule = {"decay": decay, "axes": (1,), **state}
    many = asked([steps[0], *[steps[1]] * 5], **rule)[-1]
    once = asked([steps[0], steps[1] | {"repeat": 5}], **rule)[-1]
    assert all(many[name].round("float64").tobytes() == once[name].round("float64").tobytes() for name in many)
