"""Statistics of one training step under some rules [BN-2.1, BN-2.2, BN-6.1, BN-6.3]."""

from dataclasses import dataclass

import numpy as np

from .rules import Rules
from .view import View


class Raised(Exception):
    """The layer would raise here."""


@dataclass
class Moments:
    """mean, var: broadcast against (m, channels). m: values a statistic. average: table -> mean over those that share one."""

    mean: np.ndarray
    var: np.ndarray
    m: np.ndarray
    average: object
    state_mean: np.ndarray = None
    state_var: np.ndarray = None
    parts: tuple = ()  # one for each shard, where the state takes one after the other


def groups(view: View, rules: Rules):
    """(table -> mean over the values that share a statistic, broadcast against the table), by the pool of the rules."""
    n, c = view.samples, view.count
    inner = view.m // max(n, 1)
    axes = {"channel": (0, 1), "all": (0, 1, 2), "sample": (1,), "activation": (0,), "row": (2,), "sample and channels": (1, 2)}[rules.pool]

    def average(table):
        cube = np.broadcast_to(table, (n * inner, c)).reshape(n, inner, c)
        mean = np.sum(cube, axis=axes, keepdims=True) / np.prod([cube.shape[axis] for axis in axes], dtype=float)
        return np.broadcast_to(mean, (n, inner, c)).reshape(-1, c) if axes != (0, 1) else mean.reshape(1, c)

    return average


def weighted(weights, counted):
    """Average of the marked values, divided by `counted`."""
    return lambda table: np.sum(np.where(weights, table, 0.0), axis=0, keepdims=True) / counted


def mask_count(weights, rules):
    """What masked sums are divided by."""
    marked = weights.sum(axis=0, keepdims=True).astype(np.float64)
    return {
        "marked": marked,
        "all": np.full_like(marked, len(weights)),
        "channel 0": np.broadcast_to(marked[:, :1], marked.shape),
        "every channel": np.full_like(marked, marked.sum()),
        "channels": marked * marked.size,
    }[rules.mask_count]


def batch_moments(x, view: View, rules: Rules, mask=None, sizes=None) -> Moments:
    """Mean and variance that a step would use, and what it would hand to the state."""
    if sizes is not None and rules.shards != "merged":
        return _shards(x, view, rules, sizes)
    weights = np.ones(x.shape, bool)
    if mask is not None and rules.mask != "ignored":
        weights = ~mask if rules.mask == "inverted" else mask
    if rules.lost is not None:
        n = view.samples
        weights = weights & rules.lost(n, view.m // max(n, 1), view.count)
    if rules.nonfinite == "skipped":
        weights = weights & np.isfinite(x)
    m = weights.sum(axis=0, keepdims=True).astype(np.float64)
    average = groups(view, rules)
    if not weights.all():
        counted = mask_count(weights, rules) if mask is not None else m
        if rules.lost is not None and rules.lost_counted:
            counted = np.full_like(m, view.m)
        average = weighted(weights, counted)
        m = counted
    if rules.pool in ("all", "sample", "activation", "row", "sample and channels"):
        m = np.full_like(m, {"all": x.size, "sample": view.m // max(view.samples, 1), "activation": view.samples}.get(rules.pool, view.m))
    mean = average(x) * rules.mean_scale
    var = spread(x, mean, average, m, weights, rules)
    found = Moments(mean, var, m, average)
    found.state_mean, found.state_var = pooled(mean), pooled(var)
    if rules.pool in ("sample", "activation", "row") and rules.pool_state == "whole":
        whole = batch_moments(x, view, Rules(), mask)
        found.state_mean, found.state_var, found.m = whole.state_mean, whole.state_var, whole.m
    if sizes is not None and rules.shard_state != "merged":
        _shard_state(found, x, rules, sizes)
    return found


def pooled(values):
    """One value a channel, whatever the pool."""
    return np.sum(values, axis=0) / np.float64(len(values))


def spread(x, mean, average, m, weights, rules):
    """The number that stands for the variance."""
    deviation = x - mean
    square = average(deviation * deviation)
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
    if rules.shards == "local":
        return _local_only(x, pieces, means, variances, counts, rules)
    weight = even if rules.shards.startswith("equal") else share
    mean = (weight * means).sum(axis=0, keepdims=True)
    around = variances + (means - mean) ** 2
    kind = variances if "local var" in rules.shards else around
    var_weight = share if rules.shards == "equal var weighted" else even if rules.shards == "mean of local var" else weight
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


def _shard_state(found, x, rules, sizes, local=None):
    """What one shard, or the mean of all, hands to the state."""
    if rules.shard_state == "merged":
        return
    _, means, variances, counts = local or _local(x, sizes)
    pick = {"first": 0, "last": -1}.get(rules.shard_state)
    if pick is not None:
        found.state_mean, found.state_var = means[pick], variances[pick]
        found.m = np.full((1, x.shape[1]), counts[pick])
    elif rules.shard_state == "mean":
        found.state_mean, found.state_var = means.mean(axis=0), variances.mean(axis=0)
    elif rules.shard_state == "mean unbiased":
        factor = (counts / (counts - 1))[:, None]
        total = found.m.max()
        found.state_mean = means.mean(axis=0)
        found.state_var = (variances * factor).mean(axis=0) * (total - 1) / total
    elif rules.shard_state == "sequential":
        found.parts = tuple(
            Moments(None, None, np.full((1, x.shape[1]), n), None, mean, var) for mean, var, n in zip(means, variances, counts)
        )
    elif rules.shard_state == "local count":
        found.m = np.full((1, x.shape[1]), counts.max())
    elif rules.shard_state == "count":
        found.m = np.full((1, x.shape[1]), counts[0])
