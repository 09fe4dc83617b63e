"""Wrong estimators of mean and variance."""

import numpy as np

from ..point import Point as P
from ..record import mutant as M
from ..whats import LEFT_OUT, NOT_ROOTED, batch, constant, formula, times
from ..whens import INFERENCE, TRAINING

BESSEL = formula("m/(m-1)", lambda v, at: np.where(at.m > 1, at.m / (at.m - 1), 1))
MEAN_DEVIATION = formula(
    "pi/2 times the squared mean deviation",
    lambda v, at: np.pi / 2 * (at.layer.total(np.abs(at.row - at.mean), at.keep) / at.m) ** 2,
)


# fmt: off
M("running-var-biased", "RUNNING_VAR_DDOF", "BN-3.3", "running_var blends the variance with ddof 0 where ddof 1 is declared.",
  P("bessel", constant(1.0, "left out")))
M("running-var-unbiased", "RUNNING_VAR_DDOF", "BN-3.3", "running_var blends the variance with ddof 1 where ddof 0 is declared.",
  P("bessel", BESSEL), running_ddof=0)
M("running-mean-scaled", "RUNNING_MEAN_DDOF", "BN-3.3", "The factor m/(m-1) is applied to the running mean as well.",
  P("new_mean", times("m/(m-1)")))
M("normalizer-unbiased", "NORMALIZER_DDOF", "BN-2.2", "The output is normalized by the variance that goes into running_var, ddof 1.",
  P("var_used", times("m/(m-1)"), TRAINING))
M("variance-unbiased", "NORMALIZER_DDOF", "BN-2.2", "One variance with ddof 1 serves the output, batch_var and running_var alike.",
  P("variance", times("m/(m-1)")), P("bessel", constant(1.0, "left out")))
M("inference-variance-scaled", "NORMALIZER_DDOF", "BN-4.1", "Inference multiplies running_var by m/(m-1) of the batch it sees.",
  P("var_used", formula("times m/(m-1) of the batch at hand", lambda v, at: v * (at.x.shape[1] / max(at.x.shape[1] - 1, 1)), "times"), INFERENCE))
M("bessel-over-batch", "DDOF_OVER_BATCH_ONLY", "BN-3.3", "running_var is corrected by N/(N-1) of the batch axis, where m counts the spatial axes too.",
  P("bessel", formula("N/(N-1)", lambda v, at: batch(at) / max(batch(at) - 1, 1))))
M("variance-divided-twice", "STATS_NOT_BATCH_VARIANCE", "BN-2.2", "The mean of squares is divided by the batch size once more.",
  P("variance", times("1/N")))
M("mean-deviation", "STATS_NOT_BATCH_VARIANCE", "BN-2.2", "The spread is the mean absolute deviation times sqrt(pi/2), right for normal data only.",
  P("variance", MEAN_DEVIATION))
M("variance-not-divided", "STATS_NOT_BATCH_VARIANCE", "BN-2.2", "The variance is the sum of squared deviations, not their mean.",
  P("variance", times("m")))
M("variance-about-zero", "MEAN_NOT_SUBTRACTED", "BN-2.2", "The variance is the mean of squares, with no mean taken off.",
  P("deviation", formula("x, the mean not taken off", lambda v, at: at.row)))
M("output-not-centred", "MEAN_NOT_SUBTRACTED", "BN-2.3", "x is divided by the standard deviation, its mean stays in.",
  P("centred", formula("x, the mean not taken off", lambda v, at: at.x)))
M("inference-not-centred", "MEAN_NOT_SUBTRACTED", "BN-4.1", "Inference scales by the running deviation and leaves out the running mean.",
  P("mean_used", LEFT_OUT, INFERENCE))
M("divided-by-variance", "ROOT_MISSING", "BN-2.3", "x - mean is divided by var + eps, the root is forgotten.",
  P("root", NOT_ROOTED), P("running_root", NOT_ROOTED))
M("population-biased", "POPULATION_NOT_UNBIASED", "BN-3.4", "The population variance averages variances with ddof 0.",
  P("population_var", formula("ddof 0", lambda v, at: at.variance)))
M("population-weighted", "POPULATION_WEIGHTED", "BN-3.4", "The population statistics weigh every batch by its size.",
  P("population_weights", formula("by size", lambda v, at: [count / sum(at.counts) for count in at.counts])))
