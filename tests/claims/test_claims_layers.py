"""The layers that live with the claims, against finite differences and against definitions written out here."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from bnconform.conformance.claims import layers as L  # noqa: E402

SHAPES = [(6, 3), (4, 3, 2, 5)]
LAYERS = {
    "affine": lambda: L.Affine(3, 1.5),
    "mean-only": lambda: L.MeanOnlyNorm(3, 1.5),
    "variance-only": lambda: L.VarianceOnlyNorm(3, 1.5, eps=0.1),
    "ghost": lambda: L.GhostBatchNorm(3, 1.5, ghost=2, eps=0.1),
    "population": lambda: L.PopulationNorm(3, 1.5, eps=0.1),
}


def x_of(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 + 1


@pytest.mark.parametrize("training", [True, False], ids=["train", "inference"])
@pytest.mark.parametrize("shape", SHAPES, ids=["dense", "conv"])
@pytest.mark.parametrize("name", LAYERS)
def test_layer_gradients_equal_finite_differences(name, shape, training):
    layer = LAYERS[name]().double().train(training)
    x = x_of(shape).requires_grad_()

    def call(x, gamma, beta):
        return torch.func.functional_call(layer, {"gamma": gamma, "beta": beta}, (x,))

    gamma = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64, requires_grad=True)
    beta = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(call, (x, gamma, beta))


def test_live_population_norm_has_gradients_through_its_statistics():
    layer = L.PopulationNorm(3, eps=0.1).double()
    layer.live = True
    assert torch.autograd.gradcheck(layer, (x_of((6, 3)).requires_grad_(),))


@pytest.mark.parametrize(
    "linear",
    [lambda: nn.Linear(4, 3, bias=False), lambda: nn.Conv2d(2, 3, 3, bias=False, padding=1)],
    ids=["dense", "conv"],
)
def test_weight_norm_gradients_equal_finite_differences(linear):
    module = linear().double()
    layer = L.UnitWeight(module)
    x = x_of((2, 4) if isinstance(module, nn.Linear) else (2, 2, 4, 3)).requires_grad_()

    def call(x, weight):
        return torch.func.functional_call(layer, {"linear.weight": weight}, (x,))

    assert torch.autograd.gradcheck(call, (x, module.weight.detach().clone().requires_grad_()))


@pytest.mark.parametrize("linear", [nn.Linear(4, 3, bias=False), nn.Conv2d(2, 3, 3, bias=False)], ids=["dense", "conv"])
def test_weight_norm_ignores_the_weights_length(linear):
    layer = L.weight_norm(linear, 2.0)
    x = torch.randn(5, 4) if isinstance(linear, nn.Linear) else torch.randn(5, 2, 6, 6)
    before = layer(x)
    with torch.no_grad():
        linear.weight.mul_(7)
    torch.testing.assert_close(layer(x), before)


def test_weight_norm_refuses_a_bias():
    with pytest.raises(ValueError, match="bias"):
        L.UnitWeight(nn.Linear(4, 3))


@pytest.mark.parametrize("shape", SHAPES, ids=["dense", "conv"])
def test_mean_only_norm_centres_and_keeps_the_scale(shape):
    x = x_of(shape)
    out = L.MeanOnlyNorm(3).double()(x)
    axes = [0, *range(2, x.ndim)]
    torch.testing.assert_close(out.mean(axes), torch.zeros(3, dtype=torch.float64), atol=1e-14, rtol=0)
    torch.testing.assert_close(out.var(axes), x.var(axes))


@pytest.mark.parametrize("shape", SHAPES, ids=["dense", "conv"])
def test_variance_only_norm_divides_by_the_std_and_keeps_the_mean(shape):
    x = x_of(shape)
    out = L.VarianceOnlyNorm(3, eps=0.0).double()(x)
    axes = [0, *range(2, x.ndim)]
    std = x.var(axes, correction=0).sqrt()
    torch.testing.assert_close(out.mean(axes), x.mean(axes) / std)
    torch.testing.assert_close(out.var(axes, correction=0), torch.ones(3, dtype=torch.float64))


@pytest.mark.parametrize("shape", SHAPES, ids=["dense", "conv"])
def test_ghost_norm_with_one_part_is_torchs_batch_norm(shape):
    x = x_of(shape)
    theirs = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(3).double()
    torch.testing.assert_close(L.GhostBatchNorm(3, ghost=100).double()(x), theirs(x))


def test_ghost_norm_normalizes_each_part_by_itself():
    x = x_of((7, 3))  # parts of 3, 3 and 1
    layer, single = L.GhostBatchNorm(3, ghost=3).double(), L.GhostBatchNorm(3, ghost=100).double()
    torch.testing.assert_close(layer(x), torch.cat([single(x[:3]), single(x[3:6]), single(x[6:])]))


@pytest.mark.parametrize(
    "layer",
    [L.MeanOnlyNorm(3, decay=0.75), L.VarianceOnlyNorm(3, decay=0.75), L.GhostBatchNorm(3, ghost=100, decay=0.75)],
    ids=["mean", "variance", "ghost"],
)
def test_running_statistics_weigh_the_old_state_with_decay(layer):
    x = x_of((6, 3)).float()
    layer(x)
    torch.testing.assert_close(layer.running_mean, 0.25 * x.mean(0))
    torch.testing.assert_close(layer.running_var, 0.75 + 0.25 * x.var(0, correction=0))
    kept = layer.running_mean.clone()
    layer.eval()(x)
    assert torch.equal(layer.running_mean, kept)


def test_population_norm_is_refreshed_layer_by_layer_in_one_pass():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), L.PopulationNorm(3), nn.ReLU(), nn.Linear(3, 2), L.PopulationNorm(2)).train()
    x = torch.randn(500, 4) * 3 + 1
    L.refresh(model, x)
    assert model.training
    for depth in (2, 5):
        out = model[:depth](x)
        torch.testing.assert_close(out.mean(0), torch.zeros(out.shape[1]), atol=1e-5, rtol=0)
        torch.testing.assert_close(out.std(0, correction=0), torch.ones(out.shape[1]), atol=1e-3, rtol=0)
    one = model(x[:1])
    torch.testing.assert_close(model(x)[:1], one)  # nothing depends on the batch


def test_gamma_decay_of_normal_inputs_is_three_eighths_over_m():
    torch.manual_seed(0)
    layer = L.PopulationNorm(2)
    L.refresh(layer, torch.randn(400_000, 2))
    assert float(layer.gamma_decay(32).detach()) == pytest.approx(2 * 3 / 8 / 32, rel=0.02)


def test_ghost_norm_refuses_empty_parts():
    with pytest.raises(ValueError, match="ghost is 0"):
        L.GhostBatchNorm(3, ghost=0)
