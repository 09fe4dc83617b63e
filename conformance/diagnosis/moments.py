"""Statistics of one training step under some rules [BN-2.1, BN-2.2, BN-6.1, BN-6.3]."""

from dataclasses import dataclass

import numpy as np

from bnconform.dtypes import dtype

from .rules import Rules
from .view import View


def narrowed(values, kind):
    """`values` after rounding to a type called `kind`; None is no rounding."""
    if kind is None:
        return values
    with np.errstate(all="ignore"):
        return np.asarray(values).astype(dtype(kind)).astype(np.float64)


class Raised(Exception):
    """The layer would raise here."""


@dataclass
class Moments:
    """mean, var: broadcast against (m, channels). m: values a statistic. average: table -> mean over those that share
    one."""

    mean: np.ndarray
    var: np.ndarray
    m: np.ndarray
    average: object
    state_mean: np.ndarray = None
    state_var: np.ndarray = None
    factor_m: np.ndarray = None  # what m / (m - ddof) counts, where that is not m
    parts: tuple = ()  # one for each shard, where the state takes one after the other


def groups(view: View, rules: Rules):
    """(table -> mean over the values that share a statistic, broadcast against the table), by the pool of the rules."""
    c, kept = view.count, view.reduced
    rank = len(kept)
    everything = tuple(range(rank))
    channels = tuple(range(rank, len(view.shape)))
    sizes = (*kept, *(view.shape[axis] for axis in view.axes))
    order = [axis for axis in range(len(view.shape)) if axis not in view.axes] + list(view.axes)
    axes = {
        "channel": everything,
        "all": (*everything, *channels),
        "several": (*everything, *channels) if len(view.axes) > 1 else everything,
        "sample": everything if 0 in view.axes else everything[1:],
        "activation": channels[:1] if 0 in view.axes else everything[:1],
        "row": channels,
        "sample and channels": (*everything[1:], *channels),
        "last axis": (order.index(len(view.shape) - 1),),
        "three axes": everything[:3],
    }[rules.pool]

    def average(table):
        cube = np.broadcast_to(table, (view.m, c)).reshape(sizes)
        mean = np.sum(cube, axis=axes, keepdims=True) / np.prod([cube.shape[axis] for axis in axes], dtype=float)
        return mean.reshape(1, c) if axes == everything else np.broadcast_to(mean, cube.shape).reshape(-1, c)

    average.size = float(np.prod([sizes[axis] for axis in axes]))
    return average


def weighted(weights, counted):
    """Average of the marked values, divided by `counted`."""
    return lambda table: np.sum(np.where(weights, table, 0.0), axis=0, keepdims=True) / counted


def mask_count(weights, rules, samples, given):
    """What masked sums are divided by."""
    marked = weights.sum(axis=0, keepdims=True).astype(np.float64)
    return {
        "marked": marked,
        "all": np.full_like(marked, len(weights)),
        "channel 0": np.broadcast_to(marked[:, :1], marked.shape),
        "every channel": np.full_like(marked, marked.sum()),
        "channels": marked * marked.size,
        "mean": np.full_like(marked, marked.mean()),
        "samples": np.full_like(marked, samples),
        "shrunk": marked / max(marked.sum() / max(given or 1, 1) / marked.size, 1.0),
        "as given": np.full_like(marked, given or 1),
        "plus epsilon": marked + 1e-7,
    }[rules.mask_count]


def batch_moments(x, view: View, rules: Rules, mask=None, sizes=None, given_mask=None, x_dtype="float64") -> Moments:
    """Mean and variance that a step would use, and what it would hand to the state."""
    if sizes is not None and rules.shards != "merged":
        return _shards(x, view, rules, sizes)
    kinds = {name: x_dtype if kind == "x" else kind for name, kind in (rules.types or {}).items()}
    weights = np.ones(x.shape, bool)
    if mask is not None and rules.mask != "ignored":
        weights = ~mask if rules.mask == "inverted" else mask
    if rules.lost is not None:
        n = view.samples
        weights = weights & rules.lost(n, view.m // max(n, 1), view.count)
    if rules.nonfinite.startswith("skipped"):
        weights = weights & np.isfinite(x)
    m = weights.sum(axis=0, keepdims=True).astype(np.float64)
    average = groups(view, rules)
    shared = average.size
    if not weights.all():
        counted = mask_count(weights, rules, view.samples, given_mask) if mask is not None else m
        if rules.lost is not None and rules.lost_counted or rules.nonfinite == "skipped, counted":
            counted = np.full_like(m, view.m)
        average = weighted(weights, counted)
        m = counted
    if rules.pool != "channel" and rules.pool_m == "pool":
        m = np.full_like(m, shared)
    if rules.mean_count == "batch":
        share, average = average, lambda table: share(table) * view.m / max(view.shape[0], 1)
        m = np.full_like(m, view.shape[0]) if rules.pool_m == "pool" else m
    if "count" in kinds:
        counted_share, held = average, narrowed(m, kinds["count"])
        average = lambda table: counted_share(table) * m / held
    mean = average(x) * rules.mean_scale
    exact_mean = mean
    mean = narrowed(mean, kinds.get("mean"))
    square_type = None if kinds.get("half only", x_dtype) != x_dtype else kinds.get("square")
    var = spread(x, mean, average, m, weights, rules, max(view.shape[0], 1), square_type)
    if rules.channels:
        mean, var = rules.channels(mean), rules.channels(var)
    if mask is not None:
        var = _masked_spread(x, mean, var, mask, m, rules)
    found = Moments(mean, var, m, average if rules.pool_gradient == "pool" else groups(view, Rules()))
    found.state_mean, found.state_var = (
        pooled(mean if kinds.get("reported") else exact_mean if "mean" in kinds else mean),
        pooled(var),
    )
    if rules.pool != "channel" and rules.pool_state == "whole":
        whole = batch_moments(x, view, Rules(), mask)
        found.state_mean, found.state_var, found.m = whole.state_mean, whole.state_var, whole.m
    if sizes is not None and rules.shard_state != "merged":
        _shard_state(found, x, rules, sizes)
    return found


def _masked_spread(x, mean, var, mask, m, rules):
    """The variance of a layer that masks only the mean [BN-6.1]."""
    if rules.mask_spread == "all":
        return np.mean((x - mean) ** 2, axis=0, keepdims=True)
    if rules.mask_spread == "zeros":
        return np.sum((np.where(mask, x, 0.0) - mean) ** 2, axis=0, keepdims=True) / m
    return var


def pooled(values):
    """One value a channel, whatever the pool."""
    return np.sum(values, axis=0) / np.float64(len(values))


def spread(x, mean, average, m, weights, rules, samples, square_type):
    """The number that stands for the variance."""
    deviation = x - mean
    square = average(narrowed(deviation * deviation, square_type))
    if rules.spread == "variance":
        return square
    kept = np.where(weights, x, np.nan)
    return {
        "about zero": lambda: average(x * x),
        "divided twice": lambda: square / m,
        "sum": lambda: square * m,
        "std": lambda: np.sqrt(square),
        "mean deviation": lambda: average(np.abs(deviation)),
        "mean deviation squared": lambda: average(np.abs(deviation)) ** 2,
        "range": lambda: np.nanmax(kept, axis=0, keepdims=True) - np.nanmin(kept, axis=0, keepdims=True),
        "range squared": lambda: (np.nanmax(kept, axis=0, keepdims=True) - np.nanmin(kept, axis=0, keepdims=True)) ** 2,
        "square": lambda: square * square,
        "mean deviation of a bell": lambda: average(np.abs(deviation)) ** 2 * np.pi / 2,
        "divided by N": lambda: square / samples,
        "mean of squares": lambda: average(x * x) - mean,
    }[rules.spread]()


def _pieces(x, sizes, m_rows):
    """Rows of each shard; a shard is a run of samples."""
    per_sample = m_rows // max(sum(sizes), 1)
    ends = np.cumsum([0, *sizes]) * per_sample
    return [slice(a, b) for a, b in zip(ends, ends[1:])]


def _local(x, sizes):
    pieces = [piece for piece in _pieces(x, sizes, len(x)) if piece.stop > piece.start]
    means = np.stack([x[piece].mean(axis=0) for piece in pieces])
    variances = np.stack([x[piece].var(axis=0) for piece in pieces])
    counts = np.array([piece.stop - piece.start for piece in pieces], np.float64)
    return pieces, means, variances, counts


def _shards(x, view, rules, sizes):
    """Shards merged wrongly: of the same weight, without the spread of their means, or not at all [BN-6.3]."""
    pieces, means, variances, counts = _local(x, sizes)
    share = counts[:, None] / counts.sum()
    even = np.full_like(share, 1 / len(sizes) if "over all" in rules.shards else 1 / len(pieces))
    m = np.full((1, view.count), counts.sum())
    average = lambda table: np.mean(np.broadcast_to(table, x.shape), axis=0, keepdims=True)
    if rules.shards == "poisoned":
        nan = np.full((1, view.count), np.nan if 0 in sizes else 0.0)
        return Moments(
            mean_of(x) + nan,
            np.var(x, axis=0, keepdims=True) + nan,
            m,
            average,
            mean_of(x)[0] + nan[0],
            x.var(axis=0) + nan[0],
        )
    if rules.shards == "local":
        return _local_only(x, pieces, means, variances, counts, rules)
    weight = even if rules.shards.startswith("equal") else share
    mean = (weight * means).sum(axis=0, keepdims=True)
    around = variances + (means - mean) ** 2
    kind = variances if "local var" in rules.shards else around
    var_weight = (
        share if rules.shards == "equal var weighted" else even if rules.shards == "mean of local var" else weight
    )
    var = (var_weight * kind).sum(axis=0, keepdims=True)
    if rules.shards == "equal mean":  # the mean alone is weighed wrongly, the variance is taken about it
        var = average((x - mean) ** 2)
    if rules.shards == "equal var":
        mean = x.mean(axis=0, keepdims=True)
        var = (even * (variances + (means - mean) ** 2)).sum(axis=0, keepdims=True)
    found = Moments(mean, var, m, average, mean[0], var[0])
    _shard_state(found, x, rules, sizes)
    return found


def _local_only(x, pieces, means, variances, counts, rules):
    row = np.repeat(np.arange(len(pieces)), counts.astype(int))

    def average(table):
        table = np.broadcast_to(table, x.shape)
        return np.stack([table[piece].mean(axis=0) for piece in pieces])[row]

    m = np.full((1, x.shape[1]), counts.sum())
    found = Moments(means[row], variances[row], m, average, x.mean(axis=0), x.var(axis=0))
    _shard_state(found, x, rules, None, (pieces, means, variances, counts))
    return found


def mean_of(x):
    return x.mean(axis=0, keepdims=True)


def _shard_state(found, x, rules, sizes, local=None):
    """What one shard, or the mean of all, hands to the state."""
    if rules.shard_state == "merged":
        return
    _, means, variances, counts = local or _local(x, sizes)
    pick = {"first": 0, "last": -1}.get(rules.shard_state)
    one = lambda k: Moments(None, None, np.full((1, x.shape[1]), counts[k]), None, means[k], variances[k])
    if pick is not None:
        found.parts = (one(pick),)
    elif rules.shard_state == "mean":
        found.state_mean, found.state_var = means.mean(axis=0), variances.mean(axis=0)
    elif rules.shard_state == "mean unbiased":
        factor = (counts / (counts - 1))[:, None]
        total = found.m.max()
        found.state_mean = means.mean(axis=0)
        found.state_var = (variances * factor).mean(axis=0) * (total - 1) / total
    elif rules.shard_state == "sequential":
        found.parts = tuple(one(k) for k in range(len(counts)))
        if rules.shards == "local":  # what is given out is the last one's
            found.state_mean, found.state_var = means[-1], variances[-1]
    elif rules.shard_state == "local count":
        found.factor_m = np.full((1, x.shape[1]), counts.max())
    elif rules.shard_state == "count":
        found.factor_m = np.full((1, x.shape[1]), counts[0])
