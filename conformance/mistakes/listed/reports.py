"""Mistakes out of bug reports, and those that inputs of their own are for: memory orders apart, history, small types."""

import numpy as np

from ..point import Point as P
from ..point import When
from ..record import mutant as M
from ..whats import (
    INVERTED,
    LEFT_OUT,
    NONE,
    ONCE,
    RELU,
    REVERSED,
    TWICE,
    bits,
    earlier,
    flushed,
    formula,
    narrow,
    overflowing,
    rounded,
)
from ..whens import INFERENCE, READS_DY, TRAINING, WITH_GRADIENT, of_type

EVERY_SECOND = When("only in every second training step", lambda at: at.trained % 2 == 0)
AFTER_EVALUATION = When("only after an evaluation", lambda at: at.last_mode == "infer")
PAST_256 = When("only where m > 256", lambda at: at.x is not None and at.x.shape[1] > 256)
IMAGES = When("only in rank 4 and more", lambda at: at.config.rank >= 4)
STATELESS = When("only without running statistics", lambda at: at.layer.stateless)


def in_order_of_x(dy, at):
    """The elements of dy as they lie in memory, taken for those of an array that lies as x does."""
    x = at.arrays["x"]
    inner = lambda array: tuple(np.argsort([-abs(stride) for stride in array.strides], kind="stable"))
    lying, order = dy.transpose(inner(dy)), inner(x)
    return np.ascontiguousarray(lying).reshape([dy.shape[axis] for axis in order]).transpose(np.argsort(order))


def by_address(rows, at):
    """What was read when an array lay at this address before."""
    seen = at.memory.setdefault("addresses", {})
    return seen.setdefault((at.array.__array_interface__["data"][0], at.array.shape, at.reading), rows)


def same_again(updates, at):
    """No update where x is that of the step before."""
    x = at.arrays["x"].tobytes()
    return 0 if earlier(at, "bytes", x, b"") == x else updates


def divided_by_gamma(bias, at):
    """The bias of a quantization-aware fold, which divides by gamma and multiplies again."""
    return bias * at.fold_gamma.ravel() / at.fold_gamma.ravel()


# fmt: off
M("gradient-in-order-of-x", "LAYOUT_CORRUPTION", "BN-8.3", "dy is read as if it lay in memory as x does.",
  P("rows", formula("in the memory order of x", lambda v, at: at.layer.read_rows(in_order_of_x(at.array, at)), "other layout"), READS_DY))
M("remembered-by-address", "STALE", "BN-8.3", "What was read from an address once is taken for what lies there now.",
  P("rows", formula("what lay at its address before", by_address)))
M("same-input-skipped", "STATE_NOT_UPDATED", "BN-3.6", "A training step on the x of the step before leaves the state alone.",
  P("updates", formula("none where x is that of the step before", same_again), TRAINING))
M("stateless-inference-plain", "STATELESS_IGNORED", "BN-4.5", "Without running statistics inference takes mean 0 and variance 1.",
  P("mean_used", LEFT_OUT, INFERENCE & STATELESS), P("var_used", formula("1", lambda v, at: np.ones_like(v)), INFERENCE & STATELESS))
M("eps-in-half", "EPS_DIFFERS", "BN-2.4", "eps is held in float16, which has no 1e-8 and a coarse 1e-5.",
  P("eps", rounded("float16")))
M("eps-stored-twice", "EPS_STORED", "BN-3.1", "running_var blends batch_var + 2 eps.",
  P("new_var", formula("plus 2 eps", lambda v, at: v + 2 * at.config.eps, "shifted")))
M("root-of12-bits", "FAST_INVERSE_SQRT", "BN-2.3", "1/sqrt comes from an instruction that is right to 12 bits.",
  P("root", bits(12)))
M("dgamma-reversed", "CHANNELS_REVERSED", "BN-5.1", "dgamma comes in reversed order of the channels.",
  P("dgamma", REVERSED))
M("relu-left-on", "CLIPPED", "BN-2.3", "A ReLU that was fused to the layer stays on.",
  P("y", RELU))
M("gradient-from-half-x-hat", "LOW_PRECISION_ARITHMETIC", "BN-5.1", "dx uses an x_hat that was saved in float16.",
  P("x_hat_dx", rounded("float16")))
M("updated-twice-every-second", "STATE_UPDATED_TWICE", "BN-3.6", "Every second training step blends its statistics in twice.",
  P("updates", TWICE, TRAINING & EVERY_SECOND))
M("first-update-after-evaluation-skipped", "STATE_NOT_UPDATED", "BN-3.6", "The first update after an evaluation is lost.",
  P("updates", NONE, TRAINING & AFTER_EVALUATION))
M("mean-stored-in8-bits", "LOW_PRECISION_STATE", "BN-8.2", "running_mean is kept with 8 bits.",
  P("running_mean", bits(8)))
M("decay-in-half", "DECAY_DIFFERS", "BN-3.1", "decay is rounded to float16.",
  P("decay", formula("rounded to float16", lambda v, at: narrow(v, "float16"), "rounded")))
M("squares-overflow", "OVERFLOW", "BN-8.2", "Squared deviations of float16 values are held in float16 and overflow.",
  P("squares", overflowing("float16"), of_type("float16")))
M("merge-count-past256", "SPATIAL_NOT_SHARED", "BN-1.2", "Past 256 values the last partial block counts as a whole one.",
  P("m", formula("rounded up to whole blocks of 256", lambda v, at: np.ceil(v / 256) * 256), PAST_256))
M("gradient-flushed", "OVERFLOW", "BN-8.2", "dy below 1e-20 in size is taken for zero.",
  P("dy", flushed(1e-20)))
M("saved-root-inverted-again", "GRAD_SCALED", "BN-5.1", "The backward pass inverts the saved 1/sqrt(var + eps) once more.",
  P("root_grad", INVERTED))
M("images-update-in-inference", "STATE_UPDATED_IN_INFERENCE", "BN-4.4", "Inference with a gradient moves the state, for images alone.",
  P("updates", ONCE, INFERENCE & WITH_GRADIENT & IMAGES))
M("running-var-as-root", "STATE_KIND_INVERSE_STD", "BN-4.1", "Inference takes running_var for the inverse deviation.",
  P("root", formula("the variance itself", lambda v, at: at.under), INFERENCE))
M("bessel-in-half", "LOW_PRECISION_ARITHMETIC", "BN-3.3", "m/(m-1) is rounded to float16.",
  P("bessel", rounded("float16")))
M("fold-divides-by-gamma", "FOLD_GAMMA_IGNORED", "BN-4.3", "A fold divides by gamma and multiplies again: 0/0 where it is 0.",
  P("fold_bias", formula("divided by gamma and multiplied again", divided_by_gamma)))
M("fold-in-half", "FOLD_LOW_PRECISION", "BN-4.3", "The factor gamma/sqrt(var + eps) of a fold is rounded to float16.",
  P("fold_root", rounded("float16")))
M("fold-without-bias-loses-mean", "FOLD_MEAN_DROPPED", "BN-4.3", "Where the layer before has no bias, the fold loses mean and beta.",
  P("fold_bias", LEFT_OUT, When("only without a bias", lambda at: not np.any(at.c))))
M("count-of-steps-in-bfloat16", "CUMULATIVE_IGNORED", "BN-3.2", "The number of steps is held in bfloat16, which has no odd one past 256.",
  P("steps", formula("rounded to bfloat16", lambda v, at: narrow(v, "bfloat16"), "rounded")))
