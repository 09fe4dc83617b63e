"""Wrong state: what running values hold, and when they move; wrong mode."""

import numpy as np

from ..point import Point as P
from ..record import mutant as M
from ..whats import (
    BATCH_MEAN,
    BATCH_VAR,
    BLENDED_MEAN,
    BLENDED_VAR,
    NONE,
    ONCE,
    ROOTED,
    RUNNING_MEAN,
    RUNNING_VAR,
    SQUARED,
    TRAINS,
    TWICE,
    formula,
    with_state,
)
from ..whens import AFTER_TRAINING, FROZEN, INFERENCE, LATER_STEPS, TRAINING, WITH_GRADIENT, WITHOUT_GRADIENT

INVERSE_STD = formula("as 1/sqrt(· + eps)", lambda v, at: 1 / np.sqrt(v + at.config.eps))


# fmt: off
M("state-not-updated", "STATE_NOT_UPDATED", "BN-3.6", "Training steps leave the running values as they were.",
  P("updates", NONE))
M("mean-not-updated", "STATE_NOT_UPDATED", "BN-3.6", "Only the running variance moves.",
  P("running_mean", formula("as before the step", lambda v, at: at.old)))
M("variance-not-updated", "STATE_NOT_UPDATED", "BN-3.6", "Only the running mean moves.",
  P("running_var", formula("as before the step", lambda v, at: at.old)))
M("state-updated-once", "STATE_NOT_UPDATED", "BN-3.6", "The first training step updates the state, later ones do not.",
  P("updates", NONE, LATER_STEPS))
M("updated-in-backward", "STATE_NOT_UPDATED", "BN-3.6", "The state is updated in the backward pass, so a forward pass alone leaves it.",
  P("updates", NONE, WITHOUT_GRADIENT))
M("state-updated-twice", "STATE_UPDATED_TWICE", "BN-3.6", "Each training step blends its statistics in twice, as a recomputed forward pass does.",
  P("updates", TWICE, TRAINING))
M("updated-again-in-backward", "STATE_UPDATED_TWICE", "BN-3.6", "The backward pass runs the forward again, state update and all.",
  P("updates", TWICE, TRAINING & WITH_GRADIENT))
M("inference-updates", "STATE_UPDATED_IN_INFERENCE", "BN-4.4", "Inference normalizes rightly and then blends its batch into the state.",
  P("updates", ONCE, INFERENCE))
M("frozen-updates", "STATE_UPDATED_IN_INFERENCE", "BN-4.4", "Frozen statistics are used, but updated all the same.",
  P("updates", ONCE, FROZEN))
M("state-before-step", "STATE_BEFORE_STEP", "BN-3.6", "The state given out after a training step is the one from before it.",
  P("given_state", formula("from before the step", lambda v, at: at.before, "delayed")))
M("state-is-std", "STATE_KIND_STD", "BN-3.1", "running_var blends and gives out standard deviations; inference squares them.",
  P("initial_var", ROOTED), P("new_var", ROOTED), P("var_used", SQUARED, INFERENCE))
M("state-given-as-std", "STATE_KIND_STD", "BN-3.1", "running_var is given out as its root.",
  P("given_state", with_state("running_var as a standard deviation", lambda mean, var, at: (mean, np.sqrt(var)))))
M("state-given-as-inverse-std", "STATE_KIND_INVERSE_STD", "BN-3.1", "running_var is given out as 1/sqrt(var + eps), as a kernel saves it for its backward pass.",
  P("given_state", with_state("running_var as an inverse standard deviation", lambda mean, var, at: (mean, 1 / np.sqrt(var + at.config.eps)))))
M("state-is-inverse-std", "STATE_KIND_INVERSE_STD", "BN-3.1", "running_var blends inverse standard deviations.",
  P("initial_var", INVERSE_STD), P("new_var", INVERSE_STD), P("root", formula("running_var itself", lambda v, at: at.under), INFERENCE))
M("state-swapped", "STATE_SWAPPED", "BN-3.1", "running_mean and running_var are given out under each other's names.",
  P("given_state", with_state("running_mean and running_var exchanged", lambda mean, var, at: (var, mean))))
M("state-loaded-swapped", "STATE_SWAPPED", "BN-4.1", "The state is set in the order variance, mean.",
  P("loaded", formula("running_mean and running_var exchanged", lambda v, at: (*v[:2], v[3], v[2]))))
M("state-not-loaded", "STATE_NOT_LOADED", "BN-4.1", "The state given is dropped: the layer starts from mean 0 and variance 1.",
  P("loaded", formula("mean 0 and variance 1 for the state", lambda v, at: (*v[:2], None, None))))
M("training-uses-running", "WRONG_STATS_FOR_MODE", "BN-2.3", "Training normalizes by the running statistics of before the step.",
  P("mean_used", RUNNING_MEAN, TRAINING), P("var_used", RUNNING_VAR, TRAINING))
M("inference-uses-batch", "WRONG_STATS_FOR_MODE", "BN-4.1", "Inference normalizes by the statistics of the batch it sees.",
  P("mean_used", BATCH_MEAN, INFERENCE), P("var_used", BATCH_VAR, INFERENCE))
M("training-variance-running", "WRONG_STATS_FOR_MODE", "BN-2.3", "Training takes the mean of the batch and the variance of the state.",
  P("var_used", RUNNING_VAR, TRAINING))
M("inference-mean-of-batch", "WRONG_STATS_FOR_MODE", "BN-4.1", "Inference takes the mean of the batch and the variance of the state.",
  P("mean_used", BATCH_MEAN, INFERENCE))
M("training-uses-blended", "BLENDED_STATS", "BN-3.6", "Training normalizes by the running statistics after their update.",
  P("mean_used", BLENDED_MEAN, TRAINING), P("var_used", BLENDED_VAR, TRAINING))
M("mode-by-gradient", "MODE_BY_GRADIENT", "BN-4.4", "Whoever asks for gradients is training, whoever does not is in inference.",
  P("mode", formula("training where gradients are asked for, else inference", lambda v, at: v if v == "renorm" else "train" if "dy" in at.arrays else "infer")))
M("frozen-trains", "FROZEN_IGNORED", "BN-4.4", "Frozen statistics change nothing: the step trains.",
  P("mode", TRAINS, FROZEN))
M("frozen-uses-batch", "FROZEN_IGNORED", "BN-4.4", "A frozen layer keeps its state and still normalizes by the batch.",
  P("mode", TRAINS, FROZEN), P("updates", NONE, FROZEN))
M("mode-sticky", "MODE_STICKY", "BN-4.1", "After the first training step the switch to inference has no effect.",
  P("mode", TRAINS, INFERENCE & AFTER_TRAINING))
