"""Wrong behaviour at the edges of the domain [BN-3.5, section 7]."""

import numpy as np

from ..point import Point as P
from ..record import mutant as M
from ..whats import LEFT_OUT, NO, RUNNING_MEAN, RUNNING_VAR, YES, constant, formula, over_terms, raising
from ..whens import CONSTANT, DECAY_ZERO, EMPTY, EPS_ZERO, INFERENCE, ONE_VALUE, TRAINING


def largest(rows, at):
    """Infinity read as the largest number of the arithmetic."""
    if rows.dtype == bool:
        return rows
    return np.where(np.isinf(rows), np.copysign(np.finfo(at.layer.type).max, rows), rows)


FINITE = formula("not where the statistics are not finite", lambda v, at: v & np.isfinite(at.mean + at.variance))


# fmt: off
M("empty-poisons", "DEGENERATE_POISONS_STATE", "BN-3.5", "An empty batch blends 0/0 into the state.",
  P("exists_mean", YES, EMPTY), P("exists_var", YES, EMPTY))
M("empty-blends-zeros", "DEGENERATE_POISONS_STATE", "BN-3.5", "An empty batch blends mean 0 and variance 0 into the state.",
  P("new_mean", LEFT_OUT, EMPTY), P("new_var", LEFT_OUT, EMPTY), P("exists_mean", YES, EMPTY), P("exists_var", YES, EMPTY))
M("one-value-poisons", "DEGENERATE_POISONS_STATE", "BN-3.5", "A batch with m = 1 blends 0/0 into running_var.",
  P("exists_var", YES, ONE_VALUE))
M("one-value-blends-zero", "DEGENERATE_POISONS_STATE", "BN-3.5", "With m = 1 the divisor m - 1 is raised to 1, and running_var blends in 0.",
  P("new_var", LEFT_OUT, ONE_VALUE), P("exists_var", YES, ONE_VALUE))
M("one-value-skips-mean", "DEGENERATE_SKIPPED", "BN-3.5", "A step with m = 1 updates nothing, not even the mean, which exists.",
  P("exists_mean", NO, ONE_VALUE))
M("empty-counted", "DEGENERATE_SKIPPED", "BN-3.5", "A cumulative average counts an empty batch as a step.",
  P("steps", formula("counts a step without statistics", lambda v, at: v + ~at.exists)))
M("constant-skips-state", "DEGENERATE_SKIPPED", "BN-7.4", "A channel with variance 0 leaves its running values as they were.",
  P("exists_mean", formula("not where the variance is 0", lambda v, at: v & (at.variance != 0))), P("exists_var", formula("not where the variance is 0", lambda v, at: v & (at.variance != 0))))
M("one-value-raises", "DEGENERATE_RAISES", "BN-7.3", "A training batch with m = 1 raises.",
  P("updates", raising("one value a channel"), ONE_VALUE))
M("empty-raises", "DEGENERATE_RAISES", "BN-7.2", "An empty training batch raises.",
  P("updates", raising("empty batch"), EMPTY))
M("eps-zero-raises", "DEGENERATE_RAISES", "BN-2.4", "eps = 0 raises.",
  P("loaded", raising("eps is 0"), EPS_ZERO))
M("empty-gradient-nan", "DEGENERATE_OUTPUT", "BN-7.2", "An empty batch gives NaN for dgamma and dbeta.",
  P("dgamma", constant(np.nan), EMPTY), P("dbeta", constant(np.nan), EMPTY))
M("one-value-passed-through", "DEGENERATE_OUTPUT", "BN-7.3", "With m = 1 there is nothing to normalize, and x_hat is x.",
  P("x_hat", formula("x itself", lambda v, at: at.x), TRAINING & ONE_VALUE))
M("one-value-uses-running", "WRONG_STATS_FOR_MODE", "BN-7.3", "A training batch with m = 1 is normalized by the running statistics.",
  P("mean_used", RUNNING_MEAN, TRAINING & ONE_VALUE), P("var_used", RUNNING_VAR, TRAINING & ONE_VALUE))
M("constant-gives-zero", "DEGENERATE_OUTPUT", "BN-7.4", "A channel with variance 0 gives y = 0, without its beta.",
  P("y", LEFT_OUT, TRAINING & CONSTANT))
M("constant-has-unit-std", "DEGENERATE_OUTPUT", "BN-7.4", "A variance of 0 is replaced by 1, which shows in dx.",
  P("root", constant(1.0), CONSTANT))
M("zero-by-zero-is-zero", "DEGENERATE_OUTPUT", "BN-7.4", "With eps = 0 a constant channel gives beta, where 0/0 is due.",
  P("x_hat", formula("0 where it is 0/0", lambda v, at: np.where(np.isinf(at.root), 0, v))))
M("nonfinite-spreads", "NONFINITE_LEAKS", "BN-7.1", "Channel sums go through a product with zeros and ones, where 0 times NaN reaches every channel.",
  P("sum", formula("plus 0 times the sum of all channels", lambda v, at: v + 0 * v.sum())))
M("nonfinite-spreads-in-inference", "NONFINITE_LEAKS", "BN-7.1", "In inference one NaN spoils its whole channel.",
  P("y", formula("plus 0 times the sum of its channel", lambda v, at: v + 0 * v.sum(axis=1, keepdims=True)), INFERENCE))
M("nan-read-as-zero", "NONFINITE_HIDDEN", "BN-7.1", "NaN and infinity in x are read as finite numbers.",
  P("rows", formula("NaN and infinity as finite numbers", lambda v, at: np.nan_to_num(v))))
M("nan-left-out", "NONFINITE_HIDDEN", "BN-7.1", "Mean and variance leave NaN and infinity out.",
  P("sum", over_terms("over finite values", lambda terms: np.where(np.isfinite(terms), terms, 0))))
M("nonfinite-skips-state", "NONFINITE_HIDDEN", "BN-7.1", "A channel whose statistics are not finite leaves its running values alone.",
  P("exists_mean", FINITE), P("exists_var", FINITE))
M("nan-output-replaced", "NONFINITE_HIDDEN", "BN-7.1", "NaN in y is replaced by zero.",
  P("y", formula("0 where it is NaN", lambda v, at: np.where(np.isnan(v), 0, v))))
M("infinity-clipped", "NONFINITE_HIDDEN", "BN-7.1", "Infinity in x is read as the largest finite number.",
  P("rows", formula("infinity as the largest number", largest)))
M("decay-zero-raises", "DEGENERATE_RAISES", "BN-3.1", "decay = 0, a state that each step replaces, raises.",
  P("loaded", raising("decay is 0"), DECAY_ZERO))
