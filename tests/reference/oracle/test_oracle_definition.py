"""The oracle's exact numbers are the definition's, and its gradients the definition's derivatives."""

import mpmath
import numpy as np
import pytest
from mpmath import mp, mpf
from oracle_checks import DIGITS, along, derivative, exact_value, gradients, normalized, numbers, second_order

from bnconform import oracle

EPS, DECAY = 1e-3, 0.9
LIMITS = [("unclipped", 50.0, 50.0), ("clipped", 1.01, 1e-3), ("factor clipped", 1.01, 50.0), ("identity", 1.0, 0.0)]
CASES = ["train", "masked", "infer", "frozen"] + [f"renorm {name}" for name, _, _ in LIMITS]


@pytest.fixture(autouse=True)
def digits():
    with mp.workdps(DIGITS):
        yield


def problem(seed, n=5):
    """One channel's data by name, float32 and float64 mixed; x offset so that the mean matters."""
    rng = np.random.default_rng(seed)
    data = {name: rng.standard_normal((n, 1)).astype(np.float32) for name in ("x", "dy", "x_dot", "u_x")}
    data["x"] += np.float32(3)
    scalars = ("gamma", "beta", "gamma_dot", "beta_dot", "u_gamma", "u_beta", "running_mean")
    data |= {name: rng.standard_normal(1) for name in scalars}
    return data | {"running_var": rng.random(1) + 0.5, "mask": np.arange(n)[:, None] != 2}


def run(case, data):
    """The oracle's outputs in one step, and the keywords that make `normalized` the same function."""
    mode = case.split()[0].replace("masked", "train")
    step = {"mode": mode} | {k: v for k, v in data.items() if k.endswith("_dot") or k[:2] == "u_" or k in ("x", "dy")}
    eps = mpf(EPS)
    state = numbers(data["running_mean"])[0], numbers(data["running_var"])[0]
    kw = {"eps": eps}
    if case == "masked":
        step["mask"] = data["mask"]
        kw["counted"] = data["mask"].ravel()
    elif mode in ("infer", "frozen"):
        kw["frozen"] = state
    elif mode == "renorm":
        r_max, d_max = next((r, d) for name, r, d in LIMITS if case == f"renorm {name}")
        step["renorm"] = {"r_max": r_max, "d_max": d_max}
        x = numbers(data["x"]).ravel()
        mean = sum(x) / len(x)
        std = mpmath.sqrt(sum((v - mean) ** 2 for v in x) / len(x) + eps)
        running_std = mpmath.sqrt(state[1] + eps)
        factor = min(max(std / running_std, 1 / mpf(r_max)), mpf(r_max))
        kw["renorm"] = factor, min(max((mean - state[0]) / running_std, -mpf(d_max)), mpf(d_max))
    (out,) = oracle.evaluate(
        [step],
        **{name: data[name] for name in ("gamma", "beta", "running_mean", "running_var")},
        eps=EPS,
        decay=DECAY,
        running_ddof=1,
        channel_axes=(1,),
    )
    return out, kw


def assert_same(exact, expected):
    """Equal to 1e-80, relative to the largest."""
    expected = [expected] if isinstance(expected, mpf) else list(expected)
    got = [exact_value(exact.value(*index)) for index in np.ndindex(exact.shape)]
    scale = max(abs(v) for v in expected)
    assert len(got) == len(expected)
    assert max(abs(g - e) for g, e in zip(got, expected, strict=True)) <= scale * mpf(10) ** -80


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", [1, 2])
class TestChannel:
    def data(self, seed):
        data = problem(seed)
        return data, {name: numbers(v).ravel() for name, v in data.items() if name != "mask"}

    def point(self, n):
        return n["x"], n["gamma"][0], n["beta"][0]

    def test_y_is_the_definition(self, case, seed):
        data, n = self.data(seed)
        out, kw = run(case, data)
        assert_same(out["y"], normalized(*self.point(n), **kw))

    def test_gradients_are_derivatives(self, case, seed):
        data, n = self.data(seed)
        out, kw = run(case, data)
        for name, expected in gradients(*self.point(n), n["dy"], **kw).items():
            assert_same(out[name], expected)

    def test_y_dot_is_the_directional_derivative(self, case, seed):
        data, n = self.data(seed)
        out, kw = run(case, data)
        tangent = n["x_dot"], n["gamma_dot"][0], n["beta_dot"][0]
        assert_same(out["y_dot"], derivative(lambda t: normalized(*along(self.point(n), tangent, t), **kw)))

    def test_second_order_is_the_gradient_of_the_backward_pass(self, case, seed):
        data, n = self.data(seed)
        out, kw = run(case, data)
        u = n["u_x"], n["u_gamma"][0], n["u_beta"][0]
        for name, expected in second_order(*self.point(n), n["dy"], u, **kw).items():
            assert_same(out[name], expected)


@pytest.mark.parametrize("absent", ["u_x", "u_gamma", "u_beta"])
def test_second_order_takes_an_absent_cotangent_as_zero(absent):
    data = problem(3)
    without, _ = run("train", {k: v for k, v in data.items() if k != absent})
    zero, _ = run("train", data | {absent: np.zeros_like(data[absent])})
    for name in ("d2x", "d2gamma", "d2dy"):
        assert without[name].round("float64").tobytes() == zero[name].round("float64").tobytes()


@pytest.mark.parametrize("absent", ["x_dot", "gamma_dot", "beta_dot"])
def test_y_dot_takes_an_absent_tangent_as_zero(absent):
    data = problem(4)
    without, _ = run("train", {k: v for k, v in data.items() if k != absent})
    zero, _ = run("train", data | {absent: np.zeros_like(data[absent])})
    assert without["y_dot"].round("float64").tobytes() == zero["y_dot"].round("float64").tobytes()


def random_steps(shape, sizes):
    rng = np.random.default_rng(5)
    return [{"mode": "train", "x": rng.standard_normal((n, *shape)).astype(np.float32)} for n in sizes]


@pytest.mark.parametrize("running_ddof", [0, 1])
@pytest.mark.parametrize("decay", [0.9, 0.0, 1.0, None])
def test_running_statistics_are_chained_without_rounding(decay, running_ddof):
    steps = random_steps((2,), [4, 1, 3, 6])
    mean0, var0 = np.array([0.3, -0.1]), np.array([1.5, 0.7])
    results = oracle.evaluate(
        [*steps, {"mode": "infer", "x": steps[0]["x"]}],
        gamma=None,
        beta=None,
        running_mean=mean0,
        running_var=var0,
        eps=EPS,
        decay=decay,
        running_ddof=running_ddof,
        channel_axes=(1,),
    )
    state, history = [numbers(mean0), numbers(var0)], [[], []]
    for step, out in zip(steps, results):
        x = numbers(step["x"])
        m = len(x)
        mean = x.sum(axis=0) / m
        new = [mean, ((x - mean) ** 2).sum(axis=0) / max(m - running_ddof, 1) if m > running_ddof else None]
        for i, value in enumerate(new):
            if value is not None:
                history[i].append(value)
                weight = mpf(decay) if decay is not None else None
                state[i] = (
                    sum(history[i]) / len(history[i]) if decay is None else weight * state[i] + (1 - weight) * value
                )
        assert_same(out["running_mean"], state[0])
        assert_same(out["running_var"], state[1])
    y = (numbers(steps[0]["x"]) - state[0]) / np.array([mpmath.sqrt(v + mpf(EPS)) for v in state[1]], object)
    assert_same(results[-1]["y"], y.ravel())
    assert (
        results[-1]["running_mean"].round("float64").tolist() == results[-2]["running_mean"].round("float64").tolist()
    )


@pytest.mark.parametrize("axes", [(1,), (-1,), (0,), (1, 2), (2, 1), (0, 3)])
def test_layout_matches_the_channel_taken_by_itself(axes):
    rng = np.random.default_rng(6)
    x, dy = rng.standard_normal((2, 2, 3, 4, 2)).astype(np.float32)
    shape = tuple(x.shape[a] for a in axes)
    gamma, beta = rng.standard_normal((2, *shape))
    options = dict(running_mean=None, running_var=None, eps=EPS, decay=0.9, running_ddof=1)
    (out,) = oracle.evaluate(
        [{"mode": "train", "x": x, "dy": dy}], gamma=gamma, beta=beta, channel_axes=axes, **options
    )
    first = tuple(axes)
    for index in np.ndindex(shape):
        pick = [slice(None)] * 4
        for axis, i in zip(first, index):
            pick[axis] = i
        pick = tuple(pick)
        single = {"mode": "train", "x": x[pick].reshape(-1, 1), "dy": dy[pick].reshape(-1, 1)}
        scale = {"gamma": gamma[index].reshape(1), "beta": beta[index].reshape(1)}
        (alone,) = oracle.evaluate([single], **scale, channel_axes=(1,), **options)
        for name in ("y", "dx"):
            assert (out[name].round("float64")[pick].ravel() == alone[name].round("float64").ravel()).all()
        for name in ("dgamma", "dbeta", "batch_mean", "batch_var"):
            assert out[name].round("float64")[index] == alone[name].round("float64")[0]


def test_shards_change_nothing():
    step = random_steps((2,), [5])[0] | {"dy": np.ones((5, 2), np.float32)}
    options = dict(gamma=None, beta=None, running_mean=None, running_var=None, eps=EPS, decay=None, running_ddof=0)
    whole, sharded = (oracle.evaluate([s], channel_axes=(1,), **options)[0] for s in (step, step | {"shards": [1, 4]}))
    assert {k: v.round("float64").tobytes() for k, v in whole.items()} == {
        k: v.round("float64").tobytes() for k, v in sharded.items()
    }


def test_population_is_the_mean_of_unbiased_batch_statistics():
    batches = [step["x"] for step in random_steps((2, 3), [2, 5, 3])]
    state = oracle.population(batches, channel_axes=(1,))
    means, variances = [], []
    for batch in batches:
        rows = numbers(np.moveaxis(batch, 1, 0).reshape(2, -1))
        mean = rows.sum(axis=1) / rows.shape[1]
        means.append(mean)
        variances.append(((rows - mean[:, None]) ** 2).sum(axis=1) / (rows.shape[1] - 1))
    assert_same(state["running_mean"], sum(means) / 3)
    assert_same(state["running_var"], sum(variances) / 3)
    (out,) = oracle.evaluate(
        [{"mode": "infer", "x": batches[0]}],
        gamma=None,
        beta=None,
        **state,
        eps=EPS,
        decay=0.9,
        running_ddof=1,
        channel_axes=(1,),
    )
    root = np.array([mpmath.sqrt(v + mpf(EPS)) for v in sum(variances) / 3], object)
    y = (numbers(batches[0]) - (sum(means) / 3)[:, None]) / root[:, None]
    assert_same(out["y"], y.ravel())


@pytest.mark.parametrize("layout", ["linear", "convolution", "transposed", "grouped transposed"])
def test_fold_gives_the_affine_form_of_every_output_channel(layout):
    rng = np.random.default_rng(7)
    channels, groups = 4, 2 if layout.startswith("grouped") else 1
    shape = {"linear": (4, 3), "convolution": (4, 2, 3), "transposed": (3, 4, 2), "grouped transposed": (6, 2, 2)}[
        layout
    ]
    weight = rng.standard_normal(shape).astype(np.float32)
    bias, gamma, beta, mean = rng.standard_normal((4, channels))
    var = rng.random(channels) + 0.1
    where = {"out_axis": 1, "in_axis": 0, "groups": groups} if "transposed" in layout else {"out_axis": 0}
    folded, shift = oracle.fold(weight, bias, gamma, beta, mean, var, EPS, **where)
    a = [numbers(gamma)[c] / mpmath.sqrt(numbers(var)[c] + mpf(EPS)) for c in range(channels)]
    expected = []
    for index in np.ndindex(shape):
        if groups > 1:
            c = index[0] // 3 * 2 + index[1]
        else:
            c = index[where["out_axis"]]
        expected.append(a[c] * mpf(float(weight[index])))
    assert folded.shape == shape
    assert_same(folded, expected)
    assert_same(shift, [(numbers(bias)[c] - numbers(mean)[c]) * a[c] + numbers(beta)[c] for c in range(channels)])
    got = folded.round("float64").ravel()
    assert all(abs(mpf(g) - e) <= abs(e) * mpf(2) ** -53 for g, e in zip(got, expected))
