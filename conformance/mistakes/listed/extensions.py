"""Wrong masks, synchronized statistics, batch renormalization."""

import numpy as np

from ..point import Point as P
from ..record import mutant as M
from ..whats import LEFT_OUT, NEGATED, NOT_MULTIPLIED, TRAINS, first_shard, formula, shifted, times
from ..whens import MASKED, RENORM, SHARDED

ALL = formula("of all values", lambda v, at: np.full_like(v, at.row.shape[1]))


def not_broadcast(m, at):
    """The count of the mask as given, not of the mask broadcast over space."""
    mask, x = at.arrays["mask"], at.arrays["x"]
    return m / max(np.sum(np.broadcast_to(mask, x.shape)) / max(np.sum(mask), 1) / len(m), 1)


def each_alone(value, at):
    """Each shard is a batch of its own; the state sees one after the other."""
    layer, sizes = at.layer, at.options["sizes"]
    parts = zip(*(np.split(at.arrays[name], np.cumsum(sizes)[:-1]) for name in ("x", "dy")))
    outs = [layer.train(x, dy) for x, dy in parts if len(x)]
    return outs[-1] | {name: np.concatenate([out[name] for out in outs]) for name in ("y", "dx")}


def of_largest(value, at):
    """m/(m - 1) of the largest shard."""
    m = at.m_all * (max(at.options["sizes"]) / sum(at.options["sizes"]))
    return m / (m - 1)


def first_part(at, rows):
    """The mean over the first shard."""
    sizes = at.options["sizes"]
    return rows[:, : round(rows.shape[1] * sizes[0] / sum(sizes))].mean(axis=1, keepdims=True)


# fmt: off
M("mask-ignored", "MASK_IGNORED", "BN-6.1", "The mask is accepted and not used.",
  P("mask", formula("true everywhere", lambda v, at: np.ones_like(v)), MASKED))
M("masked-sum-over-all", "MASK_COUNT", "BN-6.1", "Masked sums are divided by the number of all values.",
  P("m", ALL, MASKED))
M("mask-count-not-broadcast", "MASK_COUNT", "BN-6.1", "The count is that of the mask as given, not of the mask broadcast over space.",
  P("m", formula("of the mask as given", not_broadcast), MASKED))
M("mask-count-of-all-channels", "MASK_COUNT", "BN-6.1", "One count, the mean over the channels, serves a mask that differs from channel to channel.",
  P("m", formula("the mean over the channels", lambda v, at: np.full_like(v, v.mean())), MASKED))
M("mask-count-plus-epsilon", "MASK_COUNT", "BN-6.1", "Masked sums are divided by the count plus 1e-7: float64 shows it, and a mask that marks nothing gives mean and variance 0.",
  P("m", shifted(1e-7), MASKED))
M("masked-bessel-over-all", "MASK_COUNT", "BN-3.3", "The factor m/(m-1) of running_var counts the masked-out values too.",
  P("bessel", formula("of all values", lambda v, at: at.x.shape[1] / (at.x.shape[1] - 1.0)), MASKED))
M("mask-inverted", "MASK_INVERTED", "BN-6.1", "True marks padding.",
  P("mask", formula("true for false", lambda v, at: ~v), MASKED))
M("masked-mean-only", "MASK_IGNORED", "BN-6.1", "The mean is masked, the variance is not.",
  P("variance", formula("over all values", lambda v, at: ((at.row - at.mean) ** 2).mean(axis=1, keepdims=True)), MASKED))
M("masked-by-zeros", "MASK_IGNORED", "BN-6.1", "Masked values are set to zero and their deviations from the mean still enter the variance.",
  P("variance", formula("with 0 for what is masked out", lambda v, at: ((np.where(at.keep, at.row, 0) - at.mean) ** 2).sum(axis=1, keepdims=True) / at.m), MASKED))
M("masked-output-zero", "MASK_OUTPUT", "BN-6.1", "y is zero where the mask is false.",
  P("y", formula("0 where the mask is false", lambda v, at: np.where(at.mask, v, 0)), MASKED))
M("masked-output-passed-through", "MASK_OUTPUT", "BN-6.1", "y is x where the mask is false.",
  P("y", formula("x where the mask is false", lambda v, at: np.where(at.mask, v, at.x)), MASKED))
M("mask-gradient-everywhere", "MASK_GRADIENT", "BN-6.2", "The terms through the statistics enter dx where the mask is false too.",
  P("through_dy", formula("where the mask is false too", lambda v, at: at.mean_dy + at.slope_dy), MASKED))
M("mask-gradient-of-marked", "MASK_GRADIENT", "BN-6.2", "The means in dx leave out the positions that the mask leaves out, whose y depends on the statistics all the same.",
  P("mean_dy", formula("over marked positions", lambda v, at: at.layer.total(at.w, at.mask) / at.m_grad), MASKED), P("mean_dy_x_hat", formula("over marked positions", lambda v, at: at.layer.total(at.w * at.x_hat_grad, at.mask) / at.m_grad), MASKED))
M("mask-gradient-zero", "MASK_GRADIENT", "BN-6.2", "dx is zero where the mask is false.",
  P("dx", formula("0 where the mask is false", lambda v, at: np.where(at.mask, v, 0)), MASKED))
M("mask-parameter-gradients", "MASK_GRADIENT", "BN-6.2", "dgamma and dbeta sum over the marked positions only.",
  P("dgamma", formula("over marked positions", lambda v, at: at.layer.total(at.dy * at.x_hat_grad, at.mask)), MASKED), P("dbeta", formula("over marked positions", lambda v, at: at.layer.total(at.dy, at.mask)), MASKED))
M("shards-weigh-equally", "SYNC_NOT_COUNT_WEIGHTED", "BN-6.3", "Each shard has the same weight, whatever its size.",
  P("shard_weights", formula("equal", lambda v, at: [1 / len(v)] * len(v))))
M("mean-of-local-variances", "SYNC_MEAN_OF_LOCAL_VAR", "BN-6.3", "The variance is the weighted mean of the shards' own; the spread of their means is left out.",
  P("shard_offset", LEFT_OUT))
M("shards-alone", "SYNC_LOCAL_ONLY", "BN-6.3", "Each shard is a batch of its own; the state sees one after the other.",
  P("shards", formula("each by itself", each_alone)))
M("state-of-first-shard", "SYNC_STATE_LOCAL", "BN-6.3", "The output is synchronized, the state takes the statistics of the first shard.",
  P("new_mean", formula("of the first shard", lambda v, at: first_shard(at)[0]), SHARDED), P("new_var", formula("of the first shard", lambda v, at: first_shard(at)[1] * first_shard(at)[2] / (first_shard(at)[2] - 1)), SHARDED))
M("bessel-of-first-shard", "SYNC_STATE_LOCAL", "BN-3.3", "The factor m/(m-1) of running_var is that of the largest shard, not of the whole batch.",
  P("bessel", formula("of the largest shard", of_largest), SHARDED))
M("gradients-reduced-twice", "SYNC_GRADIENT", "BN-6.3", "dgamma and dbeta are summed over the shards twice.",
  P("dgamma", times("the number of shards"), SHARDED), P("dbeta", times("the number of shards"), SHARDED))
M("gradient-means-local", "SYNC_GRADIENT", "BN-6.3", "The statistics are synchronized, the means in dx are those of the first shard.",
  P("mean_dy", formula("over the first shard", lambda v, at: first_part(at, at.w)), SHARDED), P("mean_dy_x_hat", formula("over the first shard", lambda v, at: first_part(at, at.w * at.x_hat_grad)), SHARDED))
M("empty-shard-poisons", "DEGENERATE_POISONS_STATE", "BN-6.3", "The NaN of an empty shard enters the merged statistics.",
  P("shard_weights", formula("NaN where a shard is empty", lambda v, at: [w * np.nan if 0 in at.options["sizes"] else w for w in v])))
M("renorm-factor-not-clipped", "RENORM_NOT_CLIPPED", "BN-6.4", "r is not limited.",
  P("renorm_r", formula("not limited", lambda v, at: at.ratio)))
M("renorm-factor-clipped-above-only", "RENORM_NOT_CLIPPED", "BN-6.4", "r is limited from above only.",
  P("renorm_r", formula("limited from above only", lambda v, at: np.minimum(at.ratio, at.limits[0]))))
M("renorm-shift-not-clipped", "RENORM_NOT_CLIPPED", "BN-6.4", "d is not limited.",
  P("renorm_d", formula("not limited", lambda v, at: at.gap * at.running_root)))
M("renorm-factor-inverted", "RENORM_FACTOR_INVERTED", "BN-6.4", "r is the running deviation over that of the batch.",
  P("renorm_r", formula("turned over", lambda v, at: np.clip(1 / at.ratio, 1 / at.limits[0], at.limits[0]))))
M("renorm-after-update", "RENORM_STATE_AFTER", "BN-6.4", "r and d come from the running values after the step.",
  P("renorm_from", formula("after the step", lambda v, at: at.layer.running)))
M("renorm-gradient-without-factor", "RENORM_DIFFERENTIATED", "BN-6.4", "dx lacks the factor r.",
  P("renorm_factor", NOT_MULTIPLIED))
M("renorm-gamma-gradient-plain", "RENORM_DIFFERENTIATED", "BN-6.4", "dgamma sums dy x_hat, without r and d.",
  P("renorm_x_hat", formula("x_hat alone", lambda v, at: at.x_hat_grad)))
M("renorm-ignored", "RENORM_IGNORED", "BN-6.4", "Batch renormalization is plain training.",
  P("mode", TRAINS, RENORM))
M("renorm-shift-negated", "RENORM_SHIFT_DROPPED", "BN-6.4", "d has the other sign.",
  P("renorm_d", NEGATED))
M("renorm-shift-missing", "RENORM_SHIFT_DROPPED", "BN-6.4", "Only the deviation is corrected, not the mean.",
  P("renorm_d", LEFT_OUT))
M("renorm-shift-by-batch-std", "RENORM_SHIFT_DROPPED", "BN-6.4", "d is divided by the deviation of the batch, not by the running one.",
  P("renorm_d", formula("by the batch's deviation", lambda v, at: np.clip(at.gap * at.root, -at.limits[1], at.limits[1]))))
