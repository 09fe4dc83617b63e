"""Mistakes in the batch statistics, in the axes, and in what is read from where [BN-1, BN-2, BN-8.3]."""

import numpy as np

from .record import Hypothesis


def hypotheses(running_ddof):
    yield from _estimators()
    yield from _axes()
    yield from _lost()


def _estimators():
    for reported in (0, 1):
        for stored in (False, True):
            yield Hypothesis(
                "NORMALIZER_DDOF",
                "the batch is normalized by the variance with ddof 1, expected 0 [BN-2.2]",
                {"normalizer_ddof": 1, "reported_ddof": reported, "state_from_normalizer": stored},
                {"got": 1, "expected": 0},
            )
    yield Hypothesis("NORMALIZER_DDOF", "the batch is normalized by the variance with ddof 1, its gradient is not [BN-2.2]", {"normalizer_ddof": 1, "gradient_stats": {"train": "batch"}}, {"got": 1, "expected": 0})
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
        ("mean of squares", "the variance is E[x**2] - E[x], the mean not squared"),
    ):
        name = "MEAN_NOT_SUBTRACTED" if kind == "about zero" else "STATS_NOT_BATCH_VARIANCE"
        for gradient in ("train", "infer"):
            yield Hypothesis(name, f"{text} [BN-2.2]", {"spread": kind, "train_gradient": gradient}, {"got": kind, "expected": "variance"})
    for changes in ({"centred": False}, {"centred": False, "eps_gradient": "right"}):
        yield Hypothesis("MEAN_NOT_SUBTRACTED", "the mean is not subtracted in y [BN-2.3]", changes, {"got": "x r", "expected": "(x - mean) r"})
    yield Hypothesis("MEAN_NOT_SUBTRACTED", "the mean is taken as 0 throughout [BN-2.1]", {"mean_scale": 0.0}, {"got": 0})


POOLS = (
    ("all", "over all values, channels included"),
    ("sample", "over each sample by itself"),
    ("activation", "over the batch axis alone, each activation by itself"),
    ("row", "over the channels of each position"),
    ("sample and channels", "over each whole sample"),
)


def _axes():
    for pool, text in POOLS:
        name = "SPATIAL_NOT_SHARED" if pool == "activation" else "WRONG_AXIS"
        for state in ("same", "whole"):
            yield Hypothesis(name, f"statistics run {text} [BN-1.1, BN-1.3]", {"pool": pool, "pool_state": state}, {"got": pool, "expected": "all but the channel axes"})
    for axis in range(6):
        yield Hypothesis("WRONG_AXIS", f"axis {axis} is taken for the channel axis [BN-1.1]", {"read": f"axis:{axis}"}, {"got": axis, "expected": "channel_axes"}, lambda case, axis=axis: len(case.channel_axes) == 1 and axis < len(case.shape) and case.channel_axes != (axis,))
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
        yield Hypothesis("WRONG_AXIS", f"axis {text} is taken for the channel axis [BN-1.1]", {"axes": choose}, {"got": text, "expected": "channel_axes"})
    yield Hypothesis("WRONG_AXIS", "several channel axes are taken in ascending order, expected the order given [BN-1.4]", {"axes": lambda shape, axes: tuple(sorted(axes))}, {"got": "ascending"}, lambda case: len(case.channel_axes) > 1)
    for read, text in (("memory", "a strided array is read as if it were contiguous"), ("last", "x is read as if its channels lay last"), ("first", "x is read as if its channels lay first"), ("plane", "the two inner axes are exchanged in reading")):
        for write in ("as read", "axes"):
            for gradient in (True, False):
                yield Hypothesis("LAYOUT_CORRUPTION", f"{text} [BN-8.3]", {"read": read, "write": write, "read_gradient": gradient}, {"read": read, "write": write})


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
        return np.broadcast_to(rule(row, sample, place, samples, inner), row.shape)[:, None] & np.ones((1, channels), bool)

    return kept


LOST = [
    ("the last value", lambda row, s, p, n, i: row < n * i - 1),
    ("the first value", lambda row, s, p, n, i: row > 0),
    ("the last sample", lambda row, s, p, n, i: s < max(n - 1, 1)),
    ("the first sample", lambda row, s, p, n, i: (s > 0) | (n == 1)),
    ("the last place of each sample", lambda row, s, p, n, i: (p < i - 1) | (i == 1)),
    *(
        (f"what a width of {w} leaves over", lambda row, s, p, n, i, w=w: row < (n * i // w * w if n * i >= w else n * i))
        for w in (2, 4, 8, 16, 32, 64, 128, 256)
    ),
    *(
        (f"what a width of {w} leaves over of each sample", lambda row, s, p, n, i, w=w: p < (i // w * w if i >= w else i))
        for w in (2, 4, 8, 16, 32)
    ),
    *((f"all beyond the first {k}", lambda row, s, p, n, i, k=k: row < k) for k in (16, 32, 64, 128, 256, 512, 1024)),
]


def _lost():
    for text, rule in LOST:
        for counted in (True, False):
            for gradient in ("derived", "formula"):
                yield Hypothesis("VALUES_LOST", f"the sums leave out {text} [BN-1.2]", {"lost": _keep(rule), "lost_counted": counted, "lost_grad": gradient}, {"lost": text, "counted": counted})
