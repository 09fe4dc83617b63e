"""Population statistics [BN-3.4] and folding into the layer before [BN-4.3], exact."""

import math
from fractions import Fraction

import numpy as np

from .channel import batch_moments, plain_statistics
from .evaluate import channel_numbers, constant
from .exact import Exact, ExactRows
from .layout import ChannelSplit
from .reals import Real, total
from .step import StepValues, from_channels


def population(batches, *, channel_axes) -> dict[str, Exact]:
    """The paper's statistics for inference: running_mean and running_var, of the parameters' shape.

    Over the batches, each counting once, the mean of batch means and of m/(m-1) batch_var. `evaluate` takes both as
    its state.
    Errors: no batch, or m < 2 in one.

    >>> state = population([np.array([[0.0], [2.0]]), np.array([[4.0], [4.0]])], channel_axes=(1,))
    >>> state["running_mean"].round("float64").tolist(), state["running_var"].round("float64").tolist()
    ([2.5], [1.0])
    """
    means, variances = [], []
    for batch in batches:
        layout = ChannelSplit(np.shape(batch), channel_axes)
        m = layout.positions
        if m < 2:
            raise ValueError(f"a batch has m = {m} values a channel, expected at least 2 [BN-3.4]")
        step = StepValues({"x": batch}, None, "train", layout)
        moments = [batch_moments(step.vector("x", c), m) for c in range(layout.channels)]
        means.append([mean for mean, _ in moments])
        variances.append([var * Real.of(Fraction(m, m - 1)) for _, var in moments])
    if not means:
        raise ValueError("batches is empty, expected at least one batch [BN-3.4]")

    def average(rows) -> Exact:
        columns = zip(*rows, strict=True)
        return from_channels([total(column).over(len(rows)) for column in columns], layout.param_shape)

    return {"running_mean": average(means), "running_var": average(variances)}


def fold(
    weight, bias, gamma, beta, running_mean, running_var, eps, out_axis, *, groups=1, in_axis=None
) -> tuple[Exact, Exact]:
    """(folded weight of weight's shape, folded bias (channels,)) of a linear or convolution layer before inference BN.

    out_axis: the weight's axis of output channels. bias, gamma, beta: (channels,) or None; running_mean, running_var:
    (channels,).
    A transposed convolution with `groups` stores (inputs, outputs / groups, ...): then give in_axis too, and output
    channel g * size + o is index o of out_axis for the inputs of group g.

    >>> w, b = fold(np.array([[2.0, 4.0]]), None, None, None, np.ones(1), np.full(1, 3.0), 1.0, 0)
    >>> w.round("float32").tolist(), b.round("float32").tolist()
    ([[1.0, 2.0]], [-0.5])
    """
    weight = np.asarray(weight)
    layout = _weight_layout(weight.shape, out_axis, groups, in_axis)
    step = StepValues({"x": weight.reshape(layout.shape)}, None, "infer", layout)
    flat = ChannelSplit((layout.channels, 1), (0,))
    given = dict(bias=bias, gamma=gamma, beta=beta, running_mean=running_mean, running_var=running_var)
    values = {name: channel_numbers(flat, name, array) for name, array in given.items() if array is not None}
    eps = constant("eps", eps, 0, math.inf, "BN-2.4")

    rows, shifts = [], []
    for c in range(layout.channels):
        here = {name: column[c] for name, column in values.items()}
        statistics = plain_statistics(here["running_mean"], here["running_var"], eps)
        scale = here.get("gamma", Real.of(1)) * statistics.r
        rows.append(step.vector("x", c, scale.finite) * scale)
        shift = (here.get("bias", Real.of(0)) - statistics.mean) * scale
        shifts.append(shift + here.get("beta", Real.of(0)))
    negative = np.signbit(step.rows["x"])
    if gamma is not None:
        negative = negative ^ np.signbit(flat.parameter("gamma", gamma))[:, None]
    return ExactRows(rows, step.moments, layout, negative), from_channels(shifts, (layout.channels,))


def _weight_layout(shape, out_axis, groups, in_axis) -> ChannelSplit:
    """Output channels as rows; those of a grouped transposed convolution are a pair of axes once the inputs are
    split."""
    out_axis %= len(shape)
    if in_axis is None or groups == 1:
        return ChannelSplit(shape, (out_axis,))
    in_axis %= len(shape)
    if in_axis == out_axis:
        raise ValueError(f"in_axis is {in_axis}, expected another axis than out_axis [BN-4.3]")
    if shape[in_axis] % groups:
        raise ValueError(
            f"weight has {shape[in_axis]} inputs on axis {in_axis}, expected a multiple of {groups} groups [BN-4.3]"
        )
    split = shape[:in_axis] + (groups, shape[in_axis] // groups) + shape[in_axis + 1 :]
    return ChannelSplit(split, (in_axis, out_axis + (out_axis > in_axis)), output_shape=shape)
