"""The conditions of the grammar: when a mistake happens. Each asks `at`, where the layer stands (`point.Scope`)."""

import numpy as np

from .point import When


def modes(words, *asked) -> When:
    return When(words, lambda at: at.asked in asked)


TRAINING = modes("only in training", "train", "renorm")
INFERENCE = modes("only in inference", "infer", "frozen", "fold")
EVALUATION = modes("only in evaluation", "infer")
FROZEN = modes("only with frozen statistics", "frozen")
RENORM = modes("only in batch renormalization", "renorm")

EXPONENTIAL = When("only with a decay", lambda at: at.config.decay is not None)
CUMULATIVE = When("only with decay = None", lambda at: at.config.decay is None)
OF_VARIANCE = When("only for running_var", lambda at: at.which == "var")
LATER_STEPS = When("only after the first training step", lambda at: at.trained > 1)
FIRST_UPDATE = When("only in the first update", lambda at: at.steps == 1)
AFTER_EVALUATION = When("only after an evaluation", lambda at: at.last_mode == "infer")
AFTER_TRAINING = When("only after a training step", lambda at: at.past[1] > 0)

WITH_GRADIENT = When("only where a gradient is asked for", lambda at: "dy" in at.arrays)
WITHOUT_GRADIENT = When("only where no gradient is asked for", lambda at: "dy" not in at.arrays)
MASKED = When("only under a mask", lambda at: "mask" in at.arrays)
SHARDED = When("only over shards", lambda at: "sizes" in at.options)
HAS_GAMMA = When("only with gamma", lambda at: at.layer.gamma is not None)
NO_GAMMA = When("only without gamma", lambda at: at.layer.gamma is None)
NO_BETA = When("only without beta", lambda at: at.layer.beta is None)
ONE_AXIS = When("only with one channel axis", lambda at: len(at.config.channel_axes) == 1)
SEVERAL_AXES = When("only with several channel axes", lambda at: len(at.config.channel_axes) > 1)
READS_X = When("only for x", lambda at: at.reading == "x")
READS_DY = When("only for dy", lambda at: at.reading == "dy")
EMPTY = When("only where m = 0", lambda at: values(at) == 0)
ONE_VALUE = When("only where m = 1", lambda at: values(at) == 1)
CONSTANT = When("only in channels of variance 0", lambda at: at.under == 0)
HAS_BETA = When("only with beta", lambda at: at.layer.beta is not None)
EPS_ZERO = When("only where eps = 0", lambda at: at.config.eps == 0)
DECAY_ZERO = When("only where decay = 0", lambda at: at.config.decay == 0)
BEFORE_TRAINING = When("only before the first training step", lambda at: at.past[1] == 0)
ARITHMETIC_WIDER = When(
    "only where x is narrower than the arithmetic", lambda at: at.config.x_dtype in ("float16", "bfloat16")
)


def of_type(kind) -> When:
    return When(f"only where x is {kind}", lambda at: at.config.x_dtype == kind)


def checking(*names) -> When:
    return When(f"only for {' and '.join(names)}", lambda at: at.check in names)


def values(at):
    """Values a channel of the step at hand."""
    x = at.arrays.get("x")
    return -1 if x is None else x.size // max(int(np.prod([x.shape[axis] for axis in at.config.channel_axes])), 1)
