"""The frameworks' own objects, translated without a file."""

import numpy as np
import pytest

import bnconform
from bnconform.conformance.moving.objects import into_nnx, to_torch


@pytest.fixture
def module():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.BatchNorm1d(4, eps=1e-4, momentum=0.2))
    for size in (6, 9):
        module(torch.randn(size, 5))
    return module.eval()


def test_torch_module_gives_its_own_numbers(module):
    moved = bnconform.translate(module, "torch", "flax-linen")
    assert moved.arguments["1"] == {"epsilon": 1e-4, "momentum": 0.8, "use_scale": True, "use_bias": True}


def test_torch_state_dict_loads_again(module):
    there = bnconform.translate(module, "torch", "keras")
    back = bnconform.translate(there.values, "keras", "torch")
    result = module.load_state_dict(to_torch(back.values), strict=False)
    assert result.unexpected_keys == [] and result.missing_keys == ["0.weight", "0.bias"]


def test_torch_module_goes_on_in_nnx(module):
    nnx = pytest.importorskip("flax.nnx")
    torch = pytest.importorskip("torch")

    class Net(nnx.Module):
        def __init__(self):
            self.norm = nnx.BatchNorm(4, epsilon=1e-4, momentum=0.8, rngs=nnx.Rngs(0))

    net = Net()
    moved = bnconform.translate(module, "torch", "flax-nnx", names={"1": "norm"}, into=net)
    into_nnx(moved.values, net)
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    got = np.asarray(net.norm(x, use_running_average=True))
    np.testing.assert_allclose(got, module[1](torch.from_numpy(x)).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_equinox_model_is_read_with_its_state():
    eqx, jax = pytest.importorskip("equinox"), pytest.importorskip("jax")
    layer, state = eqx.nn.make_with_state(eqx.nn.BatchNorm)(4, "batch", mode="batch", momentum=0.9)
    x = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    call = jax.vmap(layer, axis_name="batch", in_axes=(0, None), out_axes=(0, None))
    for _ in range(3):
        _, state = call(x, state)
    moved = bnconform.translate((layer, state), "equinox", "core")
    (read,) = moved.layers.values()
    assert read.count == 3 and read.decay == 0.9
    y = bnconform.inference_forward(
        x, running_mean=read.running_mean, running_var=read.running_var, eps=read.eps, channel_axes=1
    )
    inferred = jax.vmap(lambda one: layer(one, state, inference=True)[0], axis_name="batch")(x)
    np.testing.assert_allclose(y, inferred, rtol=1e-5, atol=1e-6)
