"""The oracle at the edges of the domain: non-finite values, empty and single-value batches, eps = 0, signs of zero,
errors."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from oracle_checks import DTYPES

from bnconform import oracle

INF, NAN = np.inf, np.nan
REGULAR = [1.0, 2.0, 4.0, 7.0]


def run(columns, mode="train", **options):
    """Outputs in float64 of one step whose channels are the given lists of values; dy is 1, 2, 3, ... unless given."""
    x = np.array(columns, np.float64).T
    n, channels = x.shape
    step = {"mode": mode, "x": x, "dy": np.repeat(np.arange(1.0, n + 1)[:, None], channels, axis=1)}
    step |= {k: options.pop(k) for k in list(options) if k in ("dy", "mask", "renorm", "u_x", "x_dot")}
    constants = dict(eps=1.0, decay=0.5, running_ddof=1)
    for name, value in dict(gamma=2.0, beta=1.0, running_mean=0.0, running_var=3.0).items():
        constants[name] = np.full(channels, value)
    (out,) = oracle.evaluate([step], **(constants | options), channel_axes=(1,))
    return {name: exact.round("float64") for name, exact in out.items()}


def same(a, b):
    """Equal bit by bit but for the kind of NaN."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return a.shape == b.shape and bool(np.all((a == b) & (np.signbit(a) == np.signbit(b)) | np.isnan(a) & np.isnan(b)))


@pytest.mark.parametrize(
    "bad, mean",
    [
        ([1.0, NAN, 2.0, 3.0], NAN),
        ([INF, 1.0, INF, 0.0], INF),
        ([-INF, 1.0, 2.0, 3.0], -INF),
        ([INF, -INF, 1.0, 2.0], NAN),
    ],
)
class TestNonFiniteTraining:
    def test_channel_is_nan_but_for_its_mean_and_dbeta(self, bad, mean):
        out = run([REGULAR, bad])
        assert same(out["batch_mean"][1], mean) and same(out["running_mean"][1], mean)
        for name in ("batch_var", "running_var", "dgamma"):
            assert np.isnan(out[name][1])
        assert np.isnan(out["y"][:, 1]).all() and np.isnan(out["dx"][:, 1]).all()
        assert out["dbeta"][1] == 10

    def test_other_channels_are_untouched(self, bad, mean):
        out, alone = run([REGULAR, bad]), run([REGULAR])
        for name, value in alone.items():
            assert same(out[name][..., 0], value[..., 0])


def test_inference_follows_ieee_at_its_own_position():
    out = run([[INF, -INF, NAN, 7.0]], "infer")
    assert same(out["y"][:, 0], [INF, -INF, NAN, 8.0])
    assert same(out["dx"][:, 0], [1.0, 2.0, 3.0, 4.0])
    assert same(out["dgamma"], [NAN])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bad", [NAN, -NAN, INF, -INF])
def test_nan_has_one_bit_pattern(dtype, bad):
    x = np.array([[bad], [1.0], [-2.0]])
    for mode in ("train", "infer"):
        (out,) = oracle.evaluate(
            [{"mode": mode, "x": x, "dy": -x}],
            gamma=np.ones(1), beta=np.ones(1), running_mean=np.zeros(1), running_var=np.ones(1),
            eps=0.0, decay=0.9, running_ddof=0, channel_axes=(1,),
        )  # fmt: skip
        for exact in out.values():
            got = exact.round(dtype)
            assert not np.signbit(got[np.isnan(got)]).any()


def test_inference_with_gamma_zero_meets_infinity_as_nan():
    out = run([[INF, 1.0]], "infer", gamma=np.zeros(1))
    assert same(out["y"][:, 0], [NAN, 1.0])
    assert same(out["dgamma"], [INF])


@pytest.mark.parametrize("mode, dx", [("train", [-INF, NAN, NAN, NAN]), ("infer", [1.0, INF, 1.0, 1.0])])
def test_infinite_dy_reaches_what_sums_it(mode, dx):
    """In training dx_i = gamma r (dy_i - (inf - x_hat_i inf) / m): x_hat is negative at positions 0 and 1, positive at
    2 and 3."""
    out = run([REGULAR], mode, dy=np.array([[1.0], [INF], [1.0], [1.0]]))
    assert np.isfinite(out["y"]).all()
    assert out["dbeta"][0] == INF
    assert out["dgamma"][0] == (-INF if mode == "train" else INF)
    assert same(out["dx"][:, 0], dx)


def test_infinite_gamma_and_beta_follow_ieee():
    assert same(run([REGULAR], gamma=np.array([INF]))["y"][:, 0], [-INF, -INF, INF, INF])
    assert same(run([REGULAR], beta=np.array([-INF]))["y"][:, 0], [-INF] * 4)


@pytest.mark.parametrize("var, y", [(INF, 1.0), (NAN, NAN), (-5.0, NAN)])
def test_running_variance_outside_the_positive_numbers(var, y):
    assert same(run([[5.0]], "infer", running_var=np.array([var]))["y"], [[y]])


def test_masked_infinity_leaves_the_statistics_alone():
    mask = np.array([[True], [True], [False], [True]])
    out = run([[1.0, 2.0, INF, 3.0]], mask=mask)
    assert out["batch_mean"][0] == 2.0
    assert out["y"][2, 0] == INF and np.isfinite(out["y"][[0, 1, 3], 0]).all()


def test_eps_zero_and_constant_channel_is_nan_and_no_other():
    out = run([[2.0] * 4, REGULAR], eps=0.0)
    for name in ("y", "dx"):
        assert np.isnan(out[name][:, 0]).all() and np.isfinite(out[name][:, 1]).all()
    assert np.isnan(out["dgamma"][0]) and out["dbeta"][0] == 10 and out["batch_var"][0] == 0


def test_eps_zero_and_running_variance_zero_is_ieee():
    out = run([[1.0, -1.0, 0.0]], "infer", eps=0.0, running_var=np.zeros(1))
    assert same(out["y"][:, 0], [INF, -INF, NAN])


def test_constant_channel_gives_beta_and_no_gradient_for_a_constant_dy():
    out = run([[0.1] * 4], dy=np.full((4, 1), 0.3))
    assert same(out["y"], np.ones((4, 1)))
    assert same(out["dx"], np.zeros((4, 1)))
    assert same(out["dgamma"], [0.0])


@pytest.mark.parametrize("ddof, var", [(0, 1.5), (1, 3.0)])
def test_one_value_has_no_variance_to_blend_with_ddof_1(ddof, var):
    out = run([[5.0]], running_ddof=ddof)
    assert same(out["y"], [[1.0]]) and same(out["dx"], [[0.0]]) and same(out["dgamma"], [0.0])
    assert out["running_mean"][0] == 2.5 and out["running_var"][0] == var


def test_empty_batch_leaves_the_state_alone():
    out = run(np.zeros((2, 0)))
    assert out["y"].shape == out["dx"].shape == (0, 2)
    assert same(out["dgamma"], [0.0, 0.0]) and same(out["dbeta"], [0.0, 0.0])
    assert np.isnan(out["batch_mean"]).all() and np.isnan(out["batch_var"]).all()
    assert same(out["running_mean"], [0.0, 0.0]) and same(out["running_var"], [3.0, 3.0])


def test_mask_that_counts_nothing_is_an_empty_batch():
    out = run([REGULAR, REGULAR], mask=np.array([[True, False]] * 4))
    assert np.isnan(out["batch_mean"][1]) and np.isnan(out["y"][:, 1]).all()
    assert out["running_mean"][1] == 0.0 and out["running_var"][1] == 3.0
    assert np.isfinite(out["y"][:, 0]).all()


@pytest.mark.parametrize("shape", [(4, 0), (0, 0)])
def test_no_channels_give_empty_outputs(shape):
    x = np.zeros(shape)
    (out,) = oracle.evaluate(
        [{"mode": "train", "x": x, "dy": x}],
        **dict.fromkeys(("gamma", "beta", "running_mean", "running_var"), np.zeros(0)),
        eps=1.0,
        decay=0.9,
        running_ddof=0,
        channel_axes=(1,),
    )
    assert {name: exact.round("float32").shape for name, exact in out.items()} == {
        name: shape if name in ("y", "dx") else (0,) for name in out
    }
    assert "dgamma" in out


def test_exact_zeros_are_positive_in_sums():
    out = run([[-0.0] * 3], gamma=np.array([-1.0]), beta=np.array([-0.0]), dy=np.full((3, 1), -0.0))
    for name in ("y", "dx", "dgamma", "dbeta", "batch_mean"):
        assert not np.signbit(out[name]).any()


@pytest.mark.parametrize("gamma", [2.0, -2.0, 0.0, -0.0])
def test_zero_of_dx_in_inference_has_the_sign_of_the_product(gamma):
    dy = np.array([[0.0], [-0.0], [1.0], [-1.0]])
    out = run([REGULAR], "frozen", gamma=np.array([gamma]), dy=dy)
    assert same(out["dx"], gamma * dy / 2)


def test_zero_of_a_folded_weight_has_the_sign_of_the_product():
    weight = np.array([[0.0, -0.0], [0.0, -0.0]])
    folded, _ = oracle.fold(weight, None, np.array([1.0, -1.0]), None, np.zeros(2), np.ones(2), 0.0, 0)
    assert same(folded.round("float32"), [[0.0, -0.0], [-0.0, 0.0]])


def test_inputs_are_not_changed():
    x = np.array([[1.0, INF], [2.0, 3.0]], np.float32)
    before, mean = x.tobytes(), np.zeros(2, np.float32)
    out = oracle.evaluate(
        [{"mode": "train", "x": x, "dy": x}],
        gamma=None, beta=None, running_mean=mean, running_var=None,
        eps=0.1, decay=0.9, running_ddof=0, channel_axes=(1,),
    )  # fmt: skip
    assert x.tobytes() == before and mean.tolist() == [0, 0]
    assert "running_var" not in out[0] and "dgamma" not in out[0]


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(eps=-1.0), r"eps is -1.0.*BN-2.4"),
        (dict(eps=INF), r"eps is inf.*BN-2.4"),
        (dict(decay=1.5), r"decay is 1.5.*BN-3.1"),
        (dict(running_ddof=2), r"running_ddof is 2.*BN-3.3"),
        (dict(gamma=np.ones(3)), r"gamma has shape \(3,\), expected \(1,\) \[BN-1.5\]"),
        (dict(mask=np.ones((4, 1))), r"mask has dtype float64.*BN-6.1"),
        (dict(mode="test"), r"mode is 'test'"),
        (dict(mode="infer", running_var=None), r"'infer' without.*BN-4.1"),
        (dict(mode="renorm", renorm={"r_max": 0.5, "d_max": 1.0}), r"r_max is 0.5.*BN-6.4"),
        (dict(mode="renorm"), r"renorm has \[\], expected d_max and r_max"),
        (dict(dy=np.ones((4, 1), np.int64)), r"dy has dtype int64, expected one of .* \[BN-8.2\]"),
        (dict(dy=np.ones((3, 1))), r"dy has shape \(3, 1\), expected \(4, 1\)"),
    ],
)
def test_what_is_outside_the_domain_raises(change, message):
    with pytest.raises(ValueError, match=message):
        run([REGULAR], **change)


@pytest.mark.parametrize("axes", [(2,), (0, 0), (0, 1), ()])
def test_channel_axes_outside_the_domain_raise(axes):
    with pytest.raises(ValueError, match="BN-1.1"):
        oracle.evaluate(
            [{"mode": "train", "x": np.ones((2, 2))}],
            gamma=None, beta=None, running_mean=None, running_var=None,
            eps=0.1, decay=None, running_ddof=0, channel_axes=axes,
        )  # fmt: skip


def test_population_refuses_a_batch_of_one():
    with pytest.raises(ValueError, match="m = 1.*BN-3.4"):
        oracle.population([np.ones((1, 2))], channel_axes=(1,))


def test_oracle_runs_without_the_reference():
    """Loaded by its path under another name, with the package itself barred, it still answers."""
    package = Path(oracle.__file__)
    code = f"""
import importlib.util, sys
sys.modules["bnconform"] = None
search = [{str(package.parent)!r}]
spec = importlib.util.spec_from_file_location("alone", {str(package)!r}, submodule_search_locations=search)
alone = importlib.util.module_from_spec(spec)
sys.modules["alone"] = alone
spec.loader.exec_module(alone)
state = alone.population([[[1.0], [3.0]]], channel_axes=(1,))
assert state["running_var"].round("float32").tolist() == [2.0]
strangers = {{name.partition(".")[0] for name in sys.modules}} & {{"torch", "jax", "keras", "tensorflow"}}
assert not strangers, strangers
print("answered")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "answered\n", done.stderr
