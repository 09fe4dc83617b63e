"""What every adapter must do, on numbers small enough to do by hand.

One channel and eps = 3, so that every square root is exact: var + eps is 4 in training, 16 in inference. Everything is
a small multiple of 1/32, which even eight bits of a bfloat16 hold.
"""

import numpy as np
import pytest
from packaging.version import Version

from bnconform.backends import registry
from bnconform.backends.contract import Config
from bnconform.backends.errors import NoGpu
from bnconform.dtypes import dtype

X = [[1.0], [3.0]]  # mean 2, variance 1; with eps = 3: r = 1/2, x_hat = -1/2, 1/2
GAMMA, BETA = [4.0], [10.0]
MEAN, VAR = [6.0], [13.0]  # running; with eps = 3: r = 1/4, x_hat = -5/4, -3/4
DY = [[1.0], [2.0]]

# training: y = 4 x_hat + 10; dbeta = 3; dgamma = -1/2 + 1;
# dx = gamma r (dy - 3/2 - x_hat * mean(dy x_hat)) = 2 (dy - 3/2 - x_hat / 4)
TRAIN = {"y": [[8.0], [12.0]], "dbeta": [3.0], "dgamma": [0.5], "dx": [[-0.75], [0.75]]}
# inference: y = 4 x_hat + 10; dgamma = -5/4 - 6/4; dx = gamma r dy = dy
INFER = {"y": [[5.0], [7.0]], "dbeta": [3.0], "dgamma": [-2.75], "dx": [[1.0], [2.0]]}
# decay 3/4: mean 0.75 * 6 + 0.25 * 2; variance 0.75 * 13 + 0.25 * (1 or 2)
NEW_MEAN, NEW_VAR = [5.0], {0: [10.0], 1: [10.25]}


def load(name):
    """The backend's class, or a visible skip where its framework is not installed."""
    try:
        return registry.entry(name).load()
    except registry.NotInstalled as missing:
        pytest.skip(str(missing))


def config(**changes):
    return Config(**({"shape": (2, 1), "channel_axes": (1,), "eps": 3.0, "decay": 0.75} | changes))


def given(kind="float32", state=None):
    """gamma, beta, running_mean, running_var in their types."""
    state = state or kind
    return [np.array(v, dtype(k)) for v, k in ((GAMMA, kind), (BETA, kind), (MEAN, state), (VAR, state))]


def layer(name, **changes):
    return load(name)(config(**changes), *given(changes.get("param_dtype", "float32")))


def arrays(kind="float32"):
    return np.array(X, dtype(kind)), np.array(DY, dtype(kind))


def check(found, expected):
    assert set(expected) <= set(found)
    for output, value in expected.items():
        np.testing.assert_allclose(np.asarray(found[output], np.float64), value, rtol=1e-6, err_msg=output)


def training_step_gives_the_hand_derived_numbers(name):
    backend = layer(name)
    check(backend.train(*arrays()), TRAIN)
    ddof = type(backend).conventions.running_ddof
    check(backend.state(), {"running_mean": NEW_MEAN, "running_var": NEW_VAR[ddof]})


def inference_gives_the_hand_derived_numbers_and_keeps_the_state(name):
    backend = layer(name)
    check(backend.infer(*arrays()), INFER)
    check(backend.state(), {"running_mean": MEAN, "running_var": VAR})


def state_comes_back_as_it_was_given(name):
    found = layer(name).state()
    assert {output: value.tolist() for output, value in found.items()} == {"running_mean": MEAN, "running_var": VAR}
    assert {value.dtype.name for value in found.values()} == {"float32"}


def a_step_without_gradients_moves_the_state_all_the_same(name):
    backend = layer(name)
    found = backend.train(arrays()[0], None)
    check(found, {"y": TRAIN["y"]})
    assert not set(found) & {"dx", "dgamma", "dbeta"}
    check(backend.state(), {"running_mean": NEW_MEAN})


def derivatives_of_higher_order_leave_the_state_alone(name):
    backend = layer(name)
    x, dy = arrays()
    one = np.ones(1, np.float32)
    # y' = gamma r (x' - mean(x') - x_hat mean(x_hat x')) + gamma' x_hat + beta' with x' = 1: the first part vanishes
    check(backend.jvp("train", x, np.ones_like(x), one, one), {"y_dot": [[0.5], [1.5]]})
    # in inference y' = gamma r x' + gamma' x_hat + beta'
    check(backend.jvp("infer", x, np.ones_like(x), one, one), {"y_dot": [[0.75], [1.25]]})
    # along u_gamma = 1 and u_x = 0: d2dy = x_hat, d2gamma = 0
    along = np.zeros_like(x), one, 0 * one
    check(backend.double_backward("train", x, dy, *along), {"d2dy": [[-0.5], [0.5]], "d2gamma": [0.0]})
    check(backend.double_backward("infer", x, dy, *along), {"d2dy": [[-1.25], [-0.75]], "d2gamma": [0.0]})
    check(backend.state(), {"running_mean": MEAN, "running_var": VAR})


def types_are_kept(name, kind):
    backend = layer(name, x_dtype=kind, param_dtype=kind, state_dtype=kind)
    found = backend.infer(*arrays(kind))
    assert {output: value.dtype.name for output, value in found.items()} == dict.fromkeys(INFER, kind)
    check(found, INFER)  # all of it is exact in eight bits


def half_input_with_float32_parameters_gives_the_declared_type(name, kind):
    backend = layer(name, x_dtype=kind)
    found = backend.train(*arrays(kind))
    promoted = type(backend).conventions.y_dtype == "promoted"
    expected = {"y": "float32" if promoted else kind, "dx": kind, "dgamma": "float32", "dbeta": "float32"}
    assert {output: value.dtype.name for output, value in found.items()} == expected
    check(found, TRAIN)


def memory_is_shared_with_nobody(name):
    lent = given()
    backend = load(name)(config(), *lent)
    for array in lent:
        array[...] = 99.0
    check(backend.state(), {"running_mean": MEAN, "running_var": VAR})
    before = backend.state()
    for array in before.values():
        array[...] = 99.0
    x, dy = arrays()
    found = backend.train(x, dy)
    check(found, TRAIN)
    for output in found.values():
        assert output.flags.writeable and not np.shares_memory(output, x) and not np.shares_memory(output, dy)
    assert (x.tolist(), dy.tolist()) == (X, DY)


def gpu_that_is_not_there_is_named(name):
    backend = load(name)
    try:
        backend(config(device="gpu"), *given())
    except NoGpu as error:
        assert "no GPU here: " in str(error)
    else:
        pytest.skip("there is a GPU on this machine")


def version_begins_with_a_number(name):
    Version(load(name).version().split()[0])
