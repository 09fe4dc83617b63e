"""Wrong history: what is kept from an earlier step, counted too narrowly, or wrong from the start."""

import numpy as np

from ..point import Point as P
from ..point import When
from ..record import mutant as M
from ..whats import constant, formula, narrow
from ..whens import INFERENCE, TRAINING

AS_BUILT = When("only of a layer as built", lambda at: at.config.as_built)
ONE_SAMPLE = When("only where N = 1", lambda at: at.arrays["x"].shape[0] == 1)
MARKED = When("only where a mask is true everywhere", lambda at: bool(np.all(at.arrays.get("mask", False))))


def unasked(which):
    """The running value of when the state was last asked for."""
    return formula("as when it was last asked for", lambda v, at: at.memory.setdefault(("seen", which), v))


def ask(state, at):
    at.memory |= {("seen", which): value for which, value in state.items()}
    return state


def kept_fold(which):
    return formula("of the first inference since a gradient", lambda v, at: at.memory.setdefault(("fold", which), v))


def drop_fold(outputs, at):
    if "dx" in outputs:
        for which in ("mean", "var"):
            at.memory.pop(("fold", which), None)
    return outputs


def by_content(outputs, at):
    key = "y" in outputs and (at.asked, at.arrays["x"].tobytes(), "dx" in outputs)
    return at.memory.setdefault(key, outputs) if key else outputs


def counted(kind):
    return formula(f"counted in {kind}", lambda v, at: narrow(np.asarray(v, np.float32), kind))


# fmt: off
M("state-lazy", "STATE_NOT_UPDATED", "BN-3.6", "A training step takes effect on the state when it is asked for; of several steps in between the last alone does.",
  P("old_mean", unasked("mean")), P("old_var", unasked("var")), P("given_state", formula("asked for", ask)))
M("fold-kept-until-gradient", "STALE", "BN-4.1", "Inference keeps its scale and shift until a gradient is computed, through training steps without one.",
  P("mean_used", kept_fold("mean"), INFERENCE), P("var_used", kept_fold("var"), INFERENCE), P("outputs", formula("after which folds are dropped", drop_fold), TRAINING))
M("outputs-by-content", "STALE", "BN-4.1", "The same input in the same mode is answered from memory, though the state has moved.",
  P("outputs", formula("those of the same input before", by_content), INFERENCE))
M("steps-in-half", "LOW_PRECISION_ACCUMULATION", "BN-3.2", "The steps of a cumulative average are counted in float16, which ends at 2,048.",
  P("steps", counted("float16")), at_size=True)
M("cumulative-never-moves", "CUMULATIVE_IGNORED", "BN-3.2", "decay = None is passed on as the weight 0 of a new batch.",
  P("decay", constant(1.0), When("only with decay = None", lambda at: at.config.decay is None)))
M("one-sample-is-one-value", "DEGENERATE_OUTPUT", "BN-7.3", "A batch of one sample is taken for one value a channel: its variance is 0, whatever its plane.",
  P("variance", constant(0), ONE_SAMPLE))
M("built-with-variance-zero", "STATE_NOT_LOADED", "BN-3.7", "A new layer starts from a running variance of 0.",
  P("initial_var", constant(0), AS_BUILT))
M("mask-all-true-is-none", "MASK_INVERTED", "BN-6.1", "A mask that is true everywhere is taken for one that marks nothing.",
  P("mask", formula("marks nothing", lambda v, at: np.zeros_like(v)), MARKED))
