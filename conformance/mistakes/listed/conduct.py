"""Wrong conduct: memory of others, errors that are not raised [section 8]."""

import numpy as np

from ..point import Point as P
from ..record import mutant as M
from ..whats import SKIPPED, formula, writing
from ..whens import BEFORE_TRAINING, EVALUATION, HAS_GAMMA, INFERENCE, TRAINING, WITH_GRADIENT, checking


def centre_x(at):
    x = at.arrays["x"]
    x -= x.mean(tuple(axis for axis in range(x.ndim) if axis not in at.config.channel_axes), keepdims=True)


def dx_into_dy(at):
    at.arrays["dy"][...] = at.out["dx"]


def y_into_x(outputs, at):
    if "y" not in outputs:
        return outputs
    x = at.arrays["x"]
    x[...] = outputs["y"]
    return outputs | {"y": x}


def state_into_lent(at):
    for array, value in zip(at.layer.lent[2:], at.layer.running.values()):
        if array is not None:
            array[...] = value.reshape(array.shape)


def gamma_in_place(at):
    gamma = at.layer.lent[0]
    gamma *= (1 / np.sqrt(at.layer.running["var"] + at.eps)).reshape(gamma.shape).astype(gamma.dtype)


def lent_state(outputs, at):
    mean, var = at.layer.lent[2:]
    return outputs if "y" in outputs or mean is None else {"running_mean": mean, "running_var": var}


# fmt: off
M("centres-in-place", "INPUT_CHANGED", "BN-8.3", "Training takes the mean off x itself.",
  P("done", writing("the mean is taken off x itself", centre_x), TRAINING))
M("gradient-in-place", "INPUT_CHANGED", "BN-8.3", "dx is written into dy's memory.",
  P("done", writing("dx is written into dy", dx_into_dy), WITH_GRADIENT))
M("inference-in-place", "INPUT_CHANGED", "BN-8.3", "Inference writes y into x's memory and gives that out.",
  P("outputs", formula("y is written into x", y_into_x, "writes"), INFERENCE))
M("state-written-in-place", "INPUT_CHANGED", "BN-8.3", "Training writes the new running values into the arrays that the state was set from.",
  P("done", writing("the state is written into what it was set from", state_into_lent), TRAINING))
M("gamma-folded-in-place", "INPUT_CHANGED", "BN-8.3", "Inference folds gamma / sqrt(var + eps) into the memory that gamma came from.",
  P("done", writing("gamma is multiplied in place", gamma_in_place), EVALUATION & HAS_GAMMA))
M("state-aliases-given", "OUTPUT_ALIASES", "BN-8.3", "Before the first update the state is given out as the very arrays it was set from.",
  P("outputs", formula("the arrays that the state was set from", lent_state, "aliases"), BEFORE_TRAINING))
M("long-parameter-cut", "ERROR_NOT_RAISED", "BN-1.5", "A parameter with too many values is cut to length.",
  P("checks", SKIPPED, checking("parameter")))
M("one-parameter-broadcast", "ERROR_NOT_RAISED", "BN-1.5", "A parameter of one value is broadcast over the channels.",
  P("checks", SKIPPED, checking("parameter of one value")))
M("long-gradient-cut", "ERROR_NOT_RAISED", "BN-1.5", "A dy with more rows than x is cut to length.",
  P("checks", SKIPPED, checking("dy")))
M("axis-wrapped", "ERROR_NOT_RAISED", "BN-1.1", "A channel axis past the last is wrapped around.",
  P("checks", SKIPPED, checking("axis", "parameter")))
M("negative-eps-accepted", "ERROR_NOT_RAISED", "BN-2.4", "A negative eps is accepted, and y is NaN where the variance is smaller.",
  P("checks", SKIPPED, checking("eps")))
M("decay-not-checked", "ERROR_NOT_RAISED", "BN-3.1", "A decay above 1 is accepted, and the state runs away.",
  P("checks", SKIPPED, checking("decay")))
M("integers-accepted", "ERROR_NOT_RAISED", "BN-8.2", "Integers are converted without a word.",
  P("checks", SKIPPED, checking("type")))
M("float-mask-accepted", "ERROR_NOT_RAISED", "BN-6.1", "A mask of floats is accepted: whatever is not zero counts.",
  P("checks", SKIPPED, checking("mask")))
M("renorm-limits-not-checked", "ERROR_NOT_RAISED", "BN-6.4", "r_max below 1 is accepted.",
  P("checks", SKIPPED, checking("limits")))
M("population-of-one-accepted", "ERROR_NOT_RAISED", "BN-3.4", "A batch of one value is accepted, its unbiased variance taken as 0.",
  P("checks", SKIPPED, checking("population")), P("population_var", formula("0 where m = 1", lambda v, at: np.where(at.m > 1, v, 0))))
M("fold-length-not-checked", "ERROR_NOT_RAISED", "BN-4.3", "Statistics of another length than the layer's outputs are cut to length.",
  P("checks", SKIPPED, checking("outputs")))
