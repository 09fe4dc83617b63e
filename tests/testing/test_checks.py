"""The one-line check on arrays of three libraries: right ones pass, wrong ones are told with place and size."""

import numpy as np
import pytest

import bnconform as bn
from bnconform.errors import DomainError
from bnconform.testing import check_infer, check_train

GENERATOR = np.random.default_rng(5)
X, DY = (GENERATOR.normal(1.0, 2.0, (6, 3, 4)).astype(np.float32) for _ in range(2))
GAMMA, BETA = np.float32([1.5, -0.5, 2.0]), np.float32([0.25, 0.0, -1.0])
MEAN, VAR = np.float32([0.5, 0.0, -0.5]), np.float32([1.0, 2.0, 0.5])


def step():
    """One right training step in float64, rounded once."""
    forward = bn.train_forward(X, GAMMA, BETA, eps=1e-5, channel_axes=1)
    gradients = bn.train_backward(DY, X, GAMMA, eps=1e-5, channel_axes=1)
    after = bn.RunningState(MEAN.astype(float), VAR.astype(float)).update(
        forward.batch_mean, forward.batch_var, forward.m, decay=0.9, running_ddof=1
    )
    found = {
        "y": forward.y,
        **gradients._asdict(),
        "running_mean": after.running_mean,
        "running_var": after.running_var,
    }
    return {name: np.asarray(value, np.float32) for name, value in found.items()}


GIVEN = {"eps": 1e-5, "dy": DY, "before": (MEAN, VAR), "decay": 0.9}


def test_right_step_passes():
    check_train(X, GAMMA, BETA, **GIVEN, **step())


@pytest.mark.parametrize("name", ["y", "dx", "dgamma", "dbeta", "running_mean", "running_var"])
def test_wrong_output_is_told_with_place_and_allowance(name):
    wrong = step()
    wrong[name] = wrong[name] * np.float32(1.001)
    with pytest.raises(AssertionError, match=rf"1 of 6 outputs are wrong\n{name}: .* worst at .*allowance"):
        check_train(X, GAMMA, BETA, **GIVEN, **wrong)


def test_running_variance_of_the_other_estimator_is_wrong():
    with pytest.raises(AssertionError, match="running_var"):
        check_train(X, GAMMA, BETA, **GIVEN, running_ddof=0, **step())


def test_inference_right_and_wrong():
    given = {"running_mean": MEAN, "running_var": VAR, "eps": 1e-3}
    y = bn.inference_forward(X, GAMMA, BETA, channel_axes=1, **given).astype(np.float32)
    check_infer(X, GAMMA, BETA, y=y, **given)
    with pytest.raises(AssertionError, match="y: "):
        check_infer(X, GAMMA, BETA, y=y, **given | {"eps": 1e-5})


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "float16"])
def test_torch_tensors_are_read_as_they_are(kind):
    torch = pytest.importorskip("torch")
    x = torch.tensor(X).to(getattr(torch, kind)).requires_grad_()
    gamma, beta, mean, var = (torch.tensor(v) for v in (GAMMA, BETA, MEAN, VAR))
    old = mean.clone(), var.clone()
    y = torch.nn.functional.batch_norm(x, mean, var, gamma, beta, training=True, momentum=0.1, eps=1e-5)
    y.backward(torch.tensor(DY).to(y.dtype))
    dy = torch.tensor(DY).to(y.dtype)
    given = {"eps": 1e-5, "dy": dy, "before": old, "decay": 0.9}
    check_train(x, gamma, beta, y=y, dx=x.grad, running_mean=mean, running_var=var, **given)
    with pytest.raises(AssertionError, match="dx"):
        check_train(x, gamma, beta, dx=2 * x.grad, **given)


def test_jax_arrays_right_and_wrong():
    jnp = pytest.importorskip("jax.numpy")
    x, gamma, beta = jnp.asarray(X), jnp.asarray(GAMMA), jnp.asarray(BETA)
    mean, var = x.mean((0, 2), keepdims=True), x.var((0, 2), keepdims=True)
    y = (x - mean) / jnp.sqrt(var + 1e-5) * gamma[:, None] + beta[:, None]
    check_train(x, gamma, beta, eps=1e-5, y=y, batch_mean=mean.ravel(), batch_var=var.ravel())
    with pytest.raises(AssertionError, match="y: "):
        check_train(x, gamma, beta, eps=1e-5, y=(x - mean) / (jnp.sqrt(var) + 1e-2))


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({}, TypeError, "got no output, expected one or more of y, batch_mean"),
        ({"z": X}, TypeError, "got 'z', expected one or more of y"),
        ({"dx": X}, TypeError, "got 'dx'"),
        ({"running_var": VAR}, TypeError, "need before="),
        ({"y": X, "channel_axes": 3}, DomainError, "channel_axes is 3, expected axes of x, of rank 3"),
        ({"y": X, "gamma": np.ones(4, np.float32)}, ValueError, "gamma"),
        ({"y": X, "x": X.astype(int)}, DomainError, "x has dtype int64, expected"),
    ],
)
def test_wrong_use_is_a_clear_error(change, error, says):
    given = {"x": X, "eps": 1e-5, **change}
    with pytest.raises(error, match=says):
        check_train(**given)
