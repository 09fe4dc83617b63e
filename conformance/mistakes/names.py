"""The names of mistakes: name -> (meaning, clause). One vocabulary for the mutants and for whoever explains a failure.

A name says what is wrong in the implementation, not what is seen in its output. `m` is the number of values that share
one statistic, `decay` the weight of the old state.
"""

ESTIMATOR = {
    "RUNNING_VAR_DDOF": (
        "running_var blends a variance of the other ddof than declared: off by m/(m-1) or (m-1)/m",
        "BN-3.3",
    ),
    "RUNNING_MEAN_DDOF": ("the factor m/(m-1) of the variance was applied to the running mean too", "BN-3.3"),
    "NORMALIZER_DDOF": ("the batch is normalized by the variance with ddof 1", "BN-2.2"),
    "DDOF_OVER_BATCH_ONLY": ("ddof counts the batch axis, N/(N-1), where m/(m-1) is meant", "BN-3.3"),
    "POPULATION_NOT_UNBIASED": ("population statistics average the variances with ddof 0", "BN-3.4"),
    "POPULATION_WEIGHTED": ("population statistics weigh each batch by its size", "BN-3.4"),
    "STATS_NOT_BATCH_VARIANCE": (
        "the variance is no second central moment: divided once more, a range, a mean deviation",
        "BN-2.2",
    ),
    "MEAN_NOT_SUBTRACTED": ("the variance or the output is taken about 0 instead of the mean", "BN-2.2"),
    "ROOT_MISSING": ("variance + eps divides, where its root should", "BN-2.3"),
}

DECAY = {
    "DECAY_COMPLEMENT": ("decay and 1 - decay are exchanged", "BN-3.1"),
    "DECAY_DIFFERS": ("another decay than the one given is used", "BN-3.1"),
    "DECAY_SHRINKS": ("the weight of a new batch depends on the number of steps where it should not", "BN-3.1"),
    "FIRST_STEP_REPLACES": ("the first training step replaces the state instead of blending into it", "BN-3.1"),
    "CUMULATIVE_IGNORED": ("decay = None is not the arithmetic mean of all steps", "BN-3.2"),
    "INITIAL_STATE_COUNTED": ("the cumulative average counts the initial state as a step", "BN-3.2"),
}

STATE = {
    "STATE_NOT_UPDATED": ("a training step leaves the state, or one part of it, as it was", "BN-3.6"),
    "STATE_UPDATED_TWICE": ("a training step blends its statistics in twice", "BN-3.6"),
    "STATE_UPDATED_IN_INFERENCE": ("inference or frozen training changes the state", "BN-4.4"),
    "STATE_BEFORE_STEP": ("the state given out is the one from before the step", "BN-3.6"),
    "STATE_KIND_STD": ("running_var holds a standard deviation", "BN-3.1"),
    "STATE_KIND_INVERSE_STD": ("running_var holds an inverse standard deviation", "BN-3.1"),
    "STATE_SWAPPED": ("running_mean and running_var are exchanged", "BN-3.1"),
    "STATE_NOT_LOADED": ("the layer starts from mean 0 and variance 1, not from the state given", "BN-4.1"),
    "STATE_DEBIASED": ("the state is divided by 1 - decay^t", "BN-3.1"),
    "STATE_RESCALED": ("running values are rescaled by the ratio of batch sizes", "BN-3.1"),
    "EPS_STORED": ("running_var contains eps", "BN-3.1"),
}

HISTORY = {
    "STALE": ("what an earlier step left is used again", "BN-3.6"),
    "STATELESS_IGNORED": ("a layer without running statistics does not normalize by the batch in inference", "BN-4.5"),
}

EPS = {
    "EPS_DIFFERS": ("another eps than the one given is used", "BN-2.4"),
    "EPS_OUTSIDE_ROOT": ("eps is added to the standard deviation, not to the variance", "BN-2.3"),
    "EPS_CLAMPED": ("max(variance, eps) stands for variance + eps", "BN-2.3"),
    "EPS_MISSING": ("eps is not used", "BN-2.3"),
    "EPS_GRADIENT_DIFFERS": ("the gradient uses another eps than the output", "BN-5.1"),
}

MODE = {
    "WRONG_STATS_FOR_MODE": ("training uses the running statistics, or inference those of the batch", "BN-4.1"),
    "BLENDED_STATS": ("training normalizes by the running statistics after their update", "BN-3.6"),
    "MODE_BY_GRADIENT": ("the mode follows from whether gradients are asked for", "BN-4.4"),
    "FROZEN_IGNORED": ("frozen statistics are treated as training", "BN-4.4"),
    "MODE_STICKY": ("once in training, inference stays in training", "BN-4.1"),
}

LAYOUT = {
    "LAYOUT_CORRUPTION": ("values are read in another order than x's axes say", "BN-8.3"),
    "WRONG_AXIS": ("statistics run over other axes than all but the channel axes", "BN-1.1"),
    "CHANNELS_REVERSED": ("an output comes in another order of the channels", "BN-1.1"),
    "CHANNELS_LOST": ("the last channels get no statistics of their own", "BN-1.1"),
    "SPATIAL_NOT_SHARED": ("m is not the product of all reduced sizes", "BN-1.2"),
    "VALUES_LOST": ("some values of the reduced axes are left out of the sums", "BN-1.2"),
}

PRECISION = {
    "VARIANCE_CANCELLATION": ("the variance is E[x^2] - E[x]^2, undeclared", "BN-2.2"),
    "LOW_PRECISION_ACCUMULATION": ("sums are kept in a narrower type than declared", "BN-2.1"),
    "LOW_PRECISION_INPUT": ("x or dy is rounded to a narrower type than its own before use", "BN-8.2"),
    "LOW_PRECISION_ARITHMETIC": ("a step between sums and result runs in a narrower type than declared", "BN-8.2"),
    "LOW_PRECISION_STATE": ("the state is kept in a narrower type than its own", "BN-8.2"),
    "LOW_PRECISION_RESULT": ("the result is rounded to a narrower type than its own", "BN-8.2"),
    "LOW_PRECISION_PARAMETERS": ("parameters or state are rounded to x's narrower type before use", "BN-8.2"),
    "FAST_INVERSE_SQRT": ("the inverse root is an approximation", "BN-2.3"),
    "OVERFLOW": ("a square or a sum leaves the range of the arithmetic, or vanishes in it", "BN-8.2"),
    "CLIPPED": ("values are clipped to a range that the definition does not know", "BN-2.3"),
    "DTYPE_CHANGED": ("an output has another type than its own", "BN-8.2"),
}

PARAMETER = {
    "GAMMA_IGNORED": ("gamma is not used", "BN-2.3"),
    "BETA_IGNORED": ("beta is not used", "BN-2.3"),
    "GAMMA_BETA_SWAPPED": ("gamma and beta are exchanged", "BN-2.3"),
    "GAMMA_PLUS_ONE": ("1 + gamma stands for gamma", "BN-2.3"),
    "GAMMA_ABSOLUTE": ("the absolute value of gamma is used", "BN-7.5"),
    "GAMMA_CLAMPED": ("gamma is kept away from zero", "BN-7.5"),
    "BETA_INSIDE": ("beta is added before gamma is multiplied, or scaled with it", "BN-2.3"),
    "PARAMETER_SHARED": ("one value of gamma or beta serves all channels", "BN-1.5"),
}

GRADIENT = {
    "GRAD_FORMULA_OF_OTHER_MODE": ("the gradient is that of inference in training, or the reverse", "BN-5.1"),
    "GRAD_TERM_DROPPED": ("a term of a gradient is missing; the detail says which", "BN-5.1"),
    "GRAD_SCALED": ("a gradient is off by a constant factor, such as m; the detail says which", "BN-5.1"),
    "GRAD_ACCUMULATED": ("a gradient contains that of an earlier step", "BN-5.1"),
    "GRAD_WRONG_STATS": ("the gradient uses the statistics of the other mode", "BN-5.2"),
    "GRAD_FROM_OUTPUT": ("x_hat in the gradient is recovered from y, which gamma = 0 forbids", "BN-7.5"),
    "JVP_TERM_DROPPED": ("a term of the forward-mode derivative is missing; the detail says which", "BN-5.3"),
    "SECOND_ORDER_TERM_DROPPED": ("a term of a second derivative is missing; the detail says which", "BN-5.4"),
}

EDGE = {
    "DEGENERATE_POISONS_STATE": ("a statistic that does not exist (m = 0; m = 1) enters the state", "BN-3.5"),
    "DEGENERATE_RAISES": ("a batch of one value or none, eps = 0 or decay = 0 raises", "BN-7.3"),
    "DEGENERATE_SKIPPED": ("a step with m = 1 or a constant channel leaves out what it should do", "BN-7.3"),
    "DEGENERATE_OUTPUT": ("y or dx is wrong where m = 1, m = 0, or a channel is constant", "BN-7.3"),
    "NONFINITE_LEAKS": ("NaN or infinity of one channel reaches another, or its own neighbours in inference", "BN-7.1"),
    "NONFINITE_HIDDEN": ("NaN or infinity in x leaves no trace", "BN-7.1"),
}

EXTENSION = {
    "MASK_IGNORED": ("the mask is not used", "BN-6.1"),
    "MASK_COUNT": ("sums are masked, the count is not that of the masked values of the channel", "BN-6.1"),
    "MASK_INVERTED": ("true marks the values that are left out", "BN-6.1"),
    "MASK_OUTPUT": ("y is zero, or passed through, where the mask is false", "BN-6.1"),
    "MASK_GRADIENT": ("the gradient does not run over all positions, or not through the masked statistics", "BN-6.2"),
    "SYNC_NOT_COUNT_WEIGHTED": ("shards weigh the same whatever their size", "BN-6.3"),
    "SYNC_MEAN_OF_LOCAL_VAR": ("the variance is the mean of the shards' own variances", "BN-6.3"),
    "SYNC_LOCAL_ONLY": ("each shard uses its own statistics", "BN-6.3"),
    "SYNC_STATE_LOCAL": ("the state takes the statistics of one shard", "BN-6.3"),
    "SYNC_GRADIENT": (
        "parameter gradients, or the sums in dx, are those of a shard, or count the shards twice",
        "BN-6.3",
    ),
    "RENORM_NOT_CLIPPED": ("r or d is not limited", "BN-6.4"),
    "RENORM_FACTOR_INVERTED": ("r is the ratio turned over", "BN-6.4"),
    "RENORM_STATE_AFTER": ("r and d come from the running values after the step", "BN-6.4"),
    "RENORM_DIFFERENTIATED": ("the gradient leaves out r or d, or does not hold them constant", "BN-6.4"),
    "RENORM_IGNORED": ("the step is plain training", "BN-6.4"),
    "RENORM_SHIFT_DROPPED": ("d is missing, or has the other sign", "BN-6.4"),
    "FOLD_WRONG_AXIS": ("the weight is scaled along another axis than that of the outputs", "BN-4.3"),
    "FOLD_LOW_PRECISION": ("the fold is computed in a narrower type than the weight's", "BN-4.3"),
    "FOLD_EPS": ("eps is missing, outside the root, or another in the folded weight", "BN-4.3"),
    "FOLD_BIAS_DROPPED": ("the bias of the preceding layer, or its scaling, is lost", "BN-4.3"),
    "FOLD_GAMMA_IGNORED": ("gamma or beta is not used in the folded weight and bias", "BN-4.3"),
    "FOLD_MEAN_DROPPED": ("the running mean does not enter the folded bias", "BN-4.3"),
}

CONDUCT = {
    "INPUT_CHANGED": ("a tensor that was lent is written to", "BN-8.3"),
    "BUFFER_SHARED": ("parameters and running values share a buffer that the layer writes to", "BN-8.3"),
    "REFUSED": ("what lies within the domain is refused", "BN-8.2"),
    "OUTPUT_ALIASES": ("an output or the state shares memory with what was lent", "BN-8.3"),
    "ERROR_NOT_RAISED": ("what is out of the domain is accepted", "BN-8.1"),
    "OUTPUT_SHAPE": ("an output has another shape than its own", "BN-1.5"),
    "OUTPUT_MISSING": ("an output is not given", "BN-5.1"),
}

NAMES = {
    **ESTIMATOR,
    **DECAY,
    **STATE,
    **HISTORY,
    **EPS,
    **MODE,
    **LAYOUT,
    **PRECISION,
    **PARAMETER,
    **GRADIENT,
    **EDGE,
    **EXTENSION,
    **CONDUCT,
}
"""All names; a mutant carries one of these, or two joined by " + "."""
