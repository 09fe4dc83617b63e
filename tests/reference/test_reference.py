"""The reference against numbers worked out by hand, finite differences and the paper's own statements."""

import numpy as np
import pytest

import bnconform as bn
from bnconform.conformance.cases.bits import bell

LAYOUTS = [
    ((6, 3), (1,)),
    ((4, 3, 5), (1,)),
    ((4, 5, 3), (2,)),
    ((3, 6), (0,)),
    ((5, 3, 2), (1, 2)),
    ((5, 3, 2), (2, 1)),
]


def problem(shape, axes):
    x = bell(f"x{shape}{axes}", shape) * 1.5 + 0.5
    sizes = tuple(shape[a] for a in axes)
    return x, bell("gamma", sizes), bell("beta", sizes), bell("dy", shape) + x**3


def slope(f, array, step=1e-5):
    """Central differences of the scalar f with respect to every element of `array`."""
    out = np.empty_like(array)
    for index in np.ndindex(array.shape):
        up, down = array.copy(), array.copy()
        up[index] += step
        down[index] -= step
        out[index] = (f(up) - f(down)) / (2 * step)
    return out


def test_train_forward_matches_hand_computation():
    out = bn.train_forward(
        np.array([[1.0], [2.0], [6.0]]), np.array([2.0]), np.array([1.0]), eps=1.0 / 3.0, channel_axes=1
    )
    assert out.batch_mean == 3 and out.batch_var == pytest.approx(14 / 3)
    assert out.y.ravel() == pytest.approx([1 + 2 * d / 5**0.5 for d in (-2, -1, 3)])


@pytest.mark.parametrize("shape, axes", LAYOUTS)
def test_train_backward_matches_finite_differences(shape, axes):
    x, gamma, beta, dy = problem(shape, axes)
    loss = lambda x, gamma, beta: np.sum(dy * bn.train_forward(x, gamma, beta, eps=0.1, channel_axes=axes).y)
    got = bn.train_backward(dy, x, gamma, eps=0.1, channel_axes=axes)
    assert got.dx == pytest.approx(slope(lambda v: loss(v, gamma, beta), x), rel=1e-6, abs=1e-7)
    assert got.dgamma == pytest.approx(slope(lambda v: loss(x, v, beta), gamma), rel=1e-6, abs=1e-7)
    assert got.dbeta == pytest.approx(slope(lambda v: loss(x, gamma, v), beta), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("shape, axes", LAYOUTS)
def test_inference_backward_matches_finite_differences(shape, axes):
    x, gamma, beta, dy = problem(shape, axes)
    state = {"running_mean": beta, "running_var": gamma**2 + 0.5, "eps": 0.1, "channel_axes": axes}
    got = bn.inference_backward(dy, x, gamma, **state)
    loss = lambda x, gamma: np.sum(dy * bn.inference_forward(x, gamma, beta, **state))
    assert got.dx == pytest.approx(slope(lambda v: loss(v, gamma), x), rel=1e-6, abs=1e-7)
    assert got.dgamma == pytest.approx(slope(lambda v: loss(x, v), gamma), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape, axes", LAYOUTS)
def test_second_order_matches_finite_differences(shape, axes, training):
    x, gamma, beta, dy = problem(shape, axes)
    u_x, u_gamma, u_beta = bell("u", shape), bell("ug", gamma.shape), bell("ub", gamma.shape)
    common = {"eps": 0.1, "channel_axes": axes}
    state = {} if training else {"running_mean": beta, "running_var": gamma**2 + 0.5}
    backward = bn.train_backward if training else bn.inference_backward

    def inner(x, gamma, dy):
        dx, dgamma, dbeta = backward(dy, x, gamma, **state, **common)
        return np.sum(u_x * dx) + np.sum(u_gamma * dgamma) + np.sum(u_beta * dbeta)

    got = bn.second_order(x, dy, u_x, gamma, u_gamma, u_beta, **state, **common)
    assert got.d2x == pytest.approx(slope(lambda v: inner(v, gamma, dy), x), rel=2e-5, abs=1e-6)
    assert got.d2gamma == pytest.approx(slope(lambda v: inner(x, v, dy), gamma), rel=2e-5, abs=1e-6)
    assert got.d2dy == pytest.approx(slope(lambda v: inner(x, gamma, v), dy), rel=2e-5, abs=1e-6)


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "bfloat16"])
def test_inputs_of_every_type_are_computed_in_float64(kind):
    x = bell("half", (8, 3)).astype(bn.dtypes.dtype(kind))
    got = bn.train_forward(x, eps=1e-3, channel_axes=1)
    assert got.y.dtype == np.float64
    assert np.array_equal(got.y, bn.train_forward(x.astype(np.float64), eps=1e-3, channel_axes=1).y)


def test_masked_statistics_equal_those_of_the_kept_rows():
    x, _, _, dy = problem((6, 3), (1,))
    mask = np.array([1, 1, 0, 1, 0, 1], bool)[:, None]
    masked = bn.train_forward(x, eps=0.1, channel_axes=1, mask=mask)
    kept = bn.train_forward(x[mask[:, 0]], eps=0.1, channel_axes=1)
    assert np.array_equal(masked.batch_mean, kept.batch_mean)
    assert masked.batch_var == pytest.approx(kept.batch_var)
    got = bn.train_backward(dy, x, eps=0.1, channel_axes=1, mask=mask)
    loss = lambda v: np.sum(dy * bn.train_forward(v, eps=0.1, channel_axes=1, mask=mask).y)
    assert got.dx == pytest.approx(slope(loss, x), rel=1e-6, abs=1e-7)


def test_merged_moments_equal_those_of_the_whole_batch():
    x = bell("shards", (9, 4)) + np.arange(9)[:, None]
    parts = [bn.batch_statistics(part, channel_axes=1) for part in np.split(x, [1, 6])]
    mean, var, m = bn.merge_moments(*zip(*[(p[0], p[1], int(p[2][0])) for p in parts]))
    whole = bn.batch_statistics(x, channel_axes=1)
    assert m == 9 and mean == pytest.approx(whole[0]) and var == pytest.approx(whole[1])


@pytest.mark.parametrize("groups, shape, out_axis", [(1, (3, 7), 0), (1, (7, 3), 1), (2, (4, 3), 1)])
def test_folded_layer_equals_layer_then_inference(groups, shape, out_axis):
    weight, outputs = bell("w", shape), shape[out_axis] * groups
    gamma, beta, mean, bias = (bell(name, (outputs,)) for name in ("g", "b", "m", "c"))
    state = {"running_mean": mean, "running_var": gamma**2 + 0.5, "eps": 0.1}
    inputs = shape[1 - out_axis]
    z = bell("z", (5, inputs))

    def layer(weight, bias):
        if groups == 1:
            return z @ (weight if out_axis else weight.T) + bias
        halves = zip(np.split(z, groups, 1), np.split(weight, groups, 0))
        return np.concatenate([part @ block for part, block in halves], 1) + bias

    expected = bn.inference_forward(layer(weight, bias), gamma, beta, channel_axes=1, **state)
    folded = bn.fold(weight, bias, gamma, beta, out_axis=out_axis, groups=groups, **state)
    assert layer(*folded) == pytest.approx(expected)


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda x: bn.train_forward(x, np.ones(4), eps=0.1, channel_axes=1),
            "gamma has shape (4,), expected (3,) = size of x axis 1 [BN-1.5]",
        ),
        (
            lambda x: bn.train_forward(x, eps=-1.0, channel_axes=1),
            "eps is -1.0, expected a finite number >= 0 [BN-2.4]",
        ),
        (
            lambda x: bn.train_forward(x, eps=0.1, channel_axes=(0, 1)),
            "at least one axis of x (rank 2) left to reduce [BN-1.1]",
        ),
        (lambda x: bn.train_forward(x, eps=0.1, channel_axes=(1, -1)), "expected distinct axes [BN-1.1]"),
        (
            lambda x: bn.train_forward(x.astype(int), eps=0.1, channel_axes=1),
            "x has dtype int64, expected a real floating type",
        ),
        (
            lambda x: bn.train_forward(x, eps=0.1, channel_axes=1, mask=np.ones(5, bool)),
            "mask has shape (5,), expected one that broadcasts",
        ),
        (
            lambda x: bn.train_backward(x[:2], x, eps=0.1, channel_axes=1),
            "dy has shape (2, 3), expected (6, 3) = shape of x",
        ),
        (lambda x: bn.RunningState.initial(3).update(x[0], x[0], 6, decay=1.5, running_ddof=0), "decay is 1.5"),
        (lambda x: bn.RunningState.initial(3).update(x[0], x[0], 6, decay=0.5, running_ddof=2), "running_ddof is 2"),
        (lambda x: bn.population_statistics([], channel_axes=1), "batches is empty"),
        (lambda x: bn.population_statistics([x, x[:1]], channel_axes=1), "m = 1 values a channel, expected at least 2"),
        (lambda x: bn.merge_moments([x[0]], [x[0]], [0]), "counts is [0]"),
        (
            lambda x: bn.fold(x, None, running_mean=x[0], running_var=x[0], eps=0.1),
            "expected (6,) = outputs of the layer",
        ),
    ],
)
def test_out_of_domain_says_got_expected_and_clause(call, message):
    with pytest.raises(bn.DomainError) as caught:
        call(np.abs(bell("errors", (6, 3))))
    assert message in str(caught.value) and caught.value.clause in str(caught.value)
