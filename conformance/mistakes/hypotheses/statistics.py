"""Mistakes in the batch statistics, in the axes, and in what is read from where [BN-1, BN-2, BN-8.3]."""

from itertools import product

import numpy as np

from .record import Hypothesis


def hypotheses(running_ddof):
    yield from _estimators()
    yield from _axes()
    yield from _lost()
    yield from _channels()
    yield from _counts()


def _estimators():
    for reported in (0, 1):
        for stored in (False, True):
            yield Hypothesis(
                "NORMALIZER_DDOF",
                "the batch is normalized by the variance with ddof 1, expected 0 [BN-2.2]",
                {"normalizer_ddof": 1, "reported_ddof": reported, "state_from_normalizer": stored},
                {"got": 1, "expected": 0},
            )
    yield Hypothesis(
        "NORMALIZER_DDOF",
        "inference multiplies running_var by m/(m-1) of the batch it sees [BN-4.1]",
        {"inference_ddof": 1},
        {"got": 1, "expected": 0, "mode": "infer"},
    )
    yield Hypothesis(
        "NORMALIZER_DDOF",
        "the batch is normalized by the variance with ddof 1, its gradient is not [BN-2.2]",
        {"normalizer_ddof": 1, "gradient_stats": {"train": "batch"}},
        {"got": 1, "expected": 0},
    )
    for kind, text in (
        ("about zero", "the variance is mean(x**2), about 0 and not about the mean"),
        ("divided twice", "the variance is divided by m once more"),
        ("sum", "the sum of squared deviations stands for the variance"),
        ("std", "the standard deviation stands for the variance"),
        ("mean deviation", "the mean absolute deviation stands for the variance"),
        ("mean deviation squared", "the mean absolute deviation stands for the standard deviation"),
        ("range", "max - min stands for the variance"),
        ("range squared", "max - min stands for the standard deviation"),
        ("square", "the variance is squared"),
        ("mean deviation of a bell", "the mean absolute deviation times sqrt(pi/2) stands for the standard deviation"),
        ("divided by N", "the variance is divided by the batch size once more"),
        ("mean of squares", "the variance is E[x**2] - E[x], the mean not squared"),
    ):
        name = "MEAN_NOT_SUBTRACTED" if kind == "about zero" else "STATS_NOT_BATCH_VARIANCE"
        for gradient in ("train", "infer"):
            yield Hypothesis(
                name,
                f"{text} [BN-2.2]",
                {"spread": kind, "train_gradient": gradient},
                {"got": kind, "expected": "variance"},
            )
    for changes in ({"centred": False}, {"centred": False, "eps_gradient": "right"}):
        yield Hypothesis(
            "MEAN_NOT_SUBTRACTED",
            "the mean is not subtracted in y [BN-2.3]",
            changes,
            {"got": "x r", "expected": "(x - mean) r"},
        )
    for mode in ("train", "infer"):
        for gradient in ("right", "derived"):
            yield Hypothesis(
                "MEAN_NOT_SUBTRACTED",
                f"the mean is not subtracted in y in {mode} [BN-2.3, BN-4.1]",
                {"centred": False, "centred_modes": mode, "eps_gradient": gradient},
                {"got": "x r", "mode": mode},
            )
    yield Hypothesis(
        "MEAN_NOT_SUBTRACTED", "the mean is taken as 0 throughout [BN-2.1]", {"mean_scale": 0.0}, {"got": 0}
    )


POOLS = (
    ("all", "over all values, channels included"),
    ("sample", "over each sample by itself"),
    ("activation", "over the batch axis alone, each activation by itself"),
    ("row", "over the channels of each position"),
    ("sample and channels", "over each whole sample"),
    ("last axis", "over the last axis alone"),
    ("three axes", "over three axes at most"),
    ("several", "over all channel axes where there are several"),
)


def _axes():
    for pool, text in POOLS:
        name = "WRONG_AXIS"
        for state, m, gradient in product(("same", "whole"), ("pool", "channel"), ("pool", "channel")):
            yield Hypothesis(
                name,
                f"statistics run {text} [BN-1.1, BN-1.3]",
                {"pool": pool, "pool_state": state, "pool_m": m, "pool_gradient": gradient},
                {"got": pool, "expected": "all but the channel axes"},
            )
    for axis in range(6):
        yield Hypothesis(
            "WRONG_AXIS",
            f"axis {axis} is taken for the channel axis [BN-1.1]",
            {"read": f"axis:{axis}"},
            {"got": axis, "expected": "channel_axes"},
            lambda case, axis=axis: (
                len(case.channel_axes) == 1 and axis < len(case.shape) and case.channel_axes != (axis,)
            ),
        )
    for text, choose in (
        ("1", lambda shape, axes: (1,)),
        ("the last", lambda shape, axes: (len(shape) - 1,)),
        ("the first axis as long as gamma", lambda shape, axes: (_first(shape, axes, 0),)),
        ("the first axis as long as gamma, the batch apart", lambda shape, axes: (_first(shape, axes, 1),)),
        ("the last axis as long as gamma", lambda shape, axes: (_last(shape, axes),)),
        ("0", lambda shape, axes: (0,)),
        ("2", lambda shape, axes: (2,)),
        ("the one but last", lambda shape, axes: (len(shape) - 2,)),
    ):
        yield Hypothesis(
            "WRONG_AXIS",
            f"axis {text} is taken for the channel axis [BN-1.1]",
            {"axes": choose},
            {"got": text, "expected": "channel_axes"},
            lambda case: len(case.channel_axes) == 1,
        )
    yield Hypothesis(
        "WRONG_AXIS",
        "several channel axes are taken in ascending order, expected the order given [BN-1.4]",
        {"axes": lambda shape, axes: tuple(sorted(axes))},
        {"got": "ascending"},
        lambda case: len(case.channel_axes) > 1,
    )
    for read, text in (
        ("memory", "a strided array is read as if it were contiguous"),
        ("last", "x is read as if its channels lay last"),
        ("first", "x is read as if its channels lay first"),
        ("blocks", "x is cut into channels by reshaping it"),
        ("buffer", "x is read from the start of the buffer it lies in"),
        ("plane", "the two inner axes are exchanged in reading"),
    ):
        for write, dy in product(("as read", "axes"), ("same", "axes")):
            yield Hypothesis(
                "LAYOUT_CORRUPTION",
                f"{text} [BN-8.3]",
                {"read": read, "write": write, "read_dy": dy},
                {"read": read, "write": write},
            )
    for read, text in (
        ("memory", "dy is read as if it were contiguous"),
        ("buffer", "dy is read from the start of its buffer"),
    ):
        yield Hypothesis("LAYOUT_CORRUPTION", f"{text} [BN-8.3]", {"read_dy": read}, {"read": read, "tensor": "dy"})
    for write in ("table", "blocks"):
        for dy in ("same", "axes"):
            yield Hypothesis(
                "LAYOUT_CORRUPTION",
                "the results come out in the order of the inner matrix, not that of x [BN-8.3]",
                {"write": write, "read_dy": dy},
                {"write": write},
            )


def _first(shape, axes, start):
    size = shape[axes[0]]
    return next((axis for axis in range(start, len(shape)) if shape[axis] == size), axes[0])


def _last(shape, axes):
    size = shape[axes[0]]
    return max(axis for axis in range(len(shape)) if shape[axis] == size)


def _keep(rule):
    """(samples, inner, channels) -> which rows count, from rule(row, sample, place, samples, inner)."""

    def kept(samples, inner, channels):
        row = np.arange(samples * inner)
        sample, place = row // max(inner, 1), row % max(inner, 1)
        return np.broadcast_to(rule(row, sample, place, samples, inner), row.shape)[:, None] & np.ones(
            (1, channels), bool
        )

    return kept


LOST = [
    ("the last value", lambda row, s, p, n, i: row < n * i - 1),
    ("the first value", lambda row, s, p, n, i: row > 0),
    ("the last sample", lambda row, s, p, n, i: s < max(n - 1, 1)),
    ("the first sample", lambda row, s, p, n, i: (s > 0) | (n == 1)),
    ("the last place of each sample", lambda row, s, p, n, i: (p < i - 1) | (i == 1)),
    *(
        (
            f"what a width of {w} leaves over",
            lambda row, s, p, n, i, w=w: row < (n * i // w * w if n * i >= w else n * i),
        )
        for w in (2, 4, 8, 16, 32, 64, 128, 256)
    ),
    *(
        (
            f"what a width of {w} leaves over of each sample",
            lambda row, s, p, n, i, w=w: p < (i // w * w if i >= w else i),
        )
        for w in (2, 4, 8, 16, 32)
    ),
    *(
        (f"all beyond the first {k}", lambda row, s, p, n, i, k=k: row < k)
        for k in (256, 1024, 4096, 32767, 65535, 65536)
    ),
]


def _channels():
    def past(limit, value):
        def changed(statistic):
            statistic = np.array(np.broadcast_to(statistic, (len(statistic), statistic.shape[-1])))
            statistic[..., limit(statistic.shape[-1]) :] = value
            return statistic

        return changed

    def repeats(statistic):
        statistic = np.array(statistic)
        if statistic.shape[-1] > 1:
            statistic[..., -1] = statistic[..., -2]
        return statistic

    limits = [(f"past {k}", lambda c, k=k: k) for k in (4, 8, 16, 32, 64, 128, 256, 512)]
    limits.append(("past the last power of two", lambda c: 2 ** int(np.log2(c))))
    limits.append(("past the last whole group of 4", lambda c: c // 4 * 4 or c))
    for text, limit in limits:
        for value, inference in product((0.0, 1.0), (True, False)):
            yield Hypothesis(
                "CHANNELS_LOST",
                f"channels {text} get statistics of {value:g} [BN-1.1]",
                {"channels": past(limit, value), "channels_inference": inference},
                {"channels": text},
            )
    for inference in (True, False):
        yield Hypothesis(
            "CHANNELS_LOST",
            "the last channel gets the statistics of the one before [BN-1.1]",
            {"channels": repeats, "channels_inference": inference},
            {"channels": "last"},
        )


def _counts():
    for gradient, m in product(("m", "batch", "all"), ("pool", "channel")):
        yield Hypothesis(
            "SPATIAL_NOT_SHARED",
            "sums over all positions are divided by the batch size [BN-1.2]",
            {"mean_count": "batch", "gradient_count": gradient, "pool_m": m},
            {"got": "N", "expected": "m"},
        )
    yield Hypothesis(
        "SPATIAL_NOT_SHARED",
        "the means in dx are divided by the batch size [BN-1.2, BN-5.1]",
        {"gradient_count": "batch"},
        {"got": "N", "expected": "m", "output": "dx"},
    )


def _lost():
    for text, rule in LOST:
        for counted in (True, False):
            for gradient in ("derived", "formula", "kept"):
                yield Hypothesis(
                    "VALUES_LOST",
                    f"the sums leave out {text} [BN-1.2]",
                    {"lost": _keep(rule), "lost_counted": counted, "lost_grad": gradient},
                    {"lost": text, "counted": counted},
                )
