"""Population statistics [BN-3.4] and folding into the layer before [BN-4.3], exact."""

from fractions import Fraction

import numpy as np

from .channel import batch_moments, field_of, inverse_root
from .evaluate import _constant, _numbers
from .exact import Exact
from .layout import Layout
from .reals import Real, total


def population(batches, *, channel_axes) -> dict[str, Exact]:
    """The paper's statistics for inference: running_mean and running_var, of the parameters' shape.

    Over the batches, each counting once, the mean of batch means and of m/(m-1) batch_var. `evaluate` takes both as its state.
    Errors: no batch, or m < 2 in one.

    >>> state = population([np.array([[0.0], [2.0]]), np.array([[4.0], [4.0]])], channel_axes=(1,))
    >>> state["running_mean"].round("float64").tolist(), state["running_var"].round("float64").tolist()
    ([2.5], [1.0])
    """
    means, variances = [], []
    for batch in batches:
        layout = Layout(np.shape(batch), channel_axes)
        m = layout.positions
        if m < 2:
            raise ValueError(f"a batch has m = {m} values a channel, expected at least 2 [BN-3.4]")
        rows = layout.like_x("batch", batch)
        moments = [batch_moments([Real.of(v) for v in row], [True] * m) for row in rows]
        means.append([mean for mean, _ in moments])
        variances.append([var * Real.of(Fraction(m, m - 1)) for _, var in moments])
    if not means:
        raise ValueError("batches is empty, expected at least one batch [BN-3.4]")

    def average(rows) -> Exact:
        array = np.empty(layout.channels, object)
        array[:] = [total(column).over(len(rows)) for column in zip(*rows, strict=True)]
        return Exact(array.reshape(layout.param_shape))

    return {"running_mean": average(means), "running_var": average(variances)}


def fold(
    weight, bias, gamma, beta, running_mean, running_var, eps, out_axis, *, groups=1, in_axis=None
) -> tuple[Exact, Exact]:
    """(folded weight of weight's shape, folded bias (channels,)) of a linear or convolution layer before inference BN.

    out_axis: the weight's axis of output channels. bias, gamma, beta: (channels,) or None. A transposed convolution with
    `groups` stores (inputs, outputs / groups, ...): then give in_axis too, and output channel g * size + o is index o of
    out_axis for the inputs of group g.

    >>> w, b = fold(np.array([[2.0, 4.0]]), None, None, None, np.ones(1), np.full(1, 3.0), 1.0, 0)
    >>> w.round("float32").tolist(), b.round("float32").tolist()
    ([[1.0, 2.0]], [-0.5])
    """
    weight = np.asarray(weight)
    size, inputs = weight.shape[out_axis], 0 if in_axis is None else weight.shape[in_axis]
    per_group = in_axis is not None and groups > 1
    channels = size * groups if per_group else size
    layout = Layout((channels, 1), (0,))
    values = {
        name: _numbers(layout, name, array)
        for name, array in dict(
            bias=bias, gamma=gamma, beta=beta, running_mean=running_mean, running_var=running_var
        ).items()
    }
    eps = _constant("eps", eps, 0, np.inf, "BN-2.4")
    scales, shifts = _affine(values, eps, channels)

    folded = np.empty(weight.shape, object)
    for index in np.ndindex(weight.shape):
        c = index[out_axis]
        if per_group:
            c += size * (index[in_axis] // (inputs // groups))
        folded[index] = Real.of(weight[index]) * scales[c]
    zero_sign = None if per_group or gamma is None else _product_sign(weight, np.asarray(gamma), out_axis)
    return Exact(folded, zero_sign), Exact(shifts)


def _affine(values, eps: Fraction, channels: int) -> tuple[list, np.ndarray]:
    """a = gamma r and (bias - mean) a + beta for each channel [BN-4.2, BN-4.3]."""
    scales, shifts = [], np.empty(channels, object)
    for c in range(channels):
        mean, var = values["running_mean"][c], values["running_var"][c]
        scale = inverse_root(var, eps, field_of(var, eps=eps))
        if values["gamma"]:
            scale = values["gamma"][c] * scale
        bias = values["bias"][c] if values["bias"] else Real.of(0)
        shifts[c] = (bias - mean) * scale
        if values["beta"]:
            shifts[c] = shifts[c] + values["beta"][c]
        scales.append(scale)
    return scales, shifts


def _product_sign(weight, gamma, out_axis) -> np.ndarray:
    shape = [1] * weight.ndim
    shape[out_axis] = -1
    return np.signbit(weight) ^ np.signbit(gamma).reshape(shape)
