"""Wrong running statistics: decay and cumulative average."""

import numpy as np

from ..point import Point as P
from ..record import mutant as M
from ..whats import COMPLEMENT, batch, constant, earlier, formula
from ..whens import CUMULATIVE, EXPONENTIAL, FIRST_UPDATE, OF_VARIANCE


def debiased(value, at):
    """The average as it is from zero, divided by 1 - decay^t."""
    decay, steps = at.config.decay, at.steps
    last, now = 1 - decay ** (steps - 1.0), 1 - decay**steps
    return (at.old * last * decay + at.new * (1 - decay)) / now


def by_counts(value, at):
    """The weight of the old state where each step counts as often as it has values."""
    seen = at.memory.setdefault("seen", {})
    seen[at.number] = at.m
    return 1 - at.m / np.maximum(sum(seen.values()), 1)


DEBIASED = formula("divided by 1 - decay^t", debiased)
BY_SIZES = formula(
    "times the ratio of batch sizes", lambda v, at: v * (batch(at) / max(earlier(at, "size", batch(at), batch(at)), 1))
)
BY_COUNTS = formula("weighted by m", by_counts)


# fmt: off
M("decay-complement", "DECAY_COMPLEMENT", "BN-3.1", "decay weighs the new batch, 1 - decay the old state.",
  P("decay", COMPLEMENT, EXPONENTIAL))
M("decay-complement-of-variance", "DECAY_COMPLEMENT", "BN-3.1", "The mean is blended rightly, the variance with the weights exchanged.",
  P("decay", COMPLEMENT, EXPONENTIAL & OF_VARIANCE))
M("decay-always-default", "DECAY_DIFFERS", "BN-3.1", "decay is 0.9 whatever the layer was given.",
  P("decay", constant(0.9), EXPONENTIAL))
M("decay-other-default", "DECAY_DIFFERS", "BN-3.1", "decay is 0.99, another library's default, whatever the layer was given.",
  P("decay", constant(0.99), EXPONENTIAL))
M("state-replaced", "DECAY_DIFFERS", "BN-3.1", "Each training step replaces the state by its own statistics.",
  P("decay", constant(0.0), EXPONENTIAL))
M("decay-over-step", "DECAY_SHRINKS", "BN-3.1", "The weight of the new batch is (1 - decay) divided by the number of the step.",
  P("new_weight", formula("divided by the number of the step", lambda v, at: v / np.maximum(at.steps, 1)), EXPONENTIAL))
M("decay-warms-up", "DECAY_SHRINKS", "BN-3.1", "decay is limited to (1 + t)/(10 + t), an averager's warm-up that nobody asked for.",
  P("decay", formula("at most (1 + t)/(10 + t)", lambda v, at: np.minimum(v, (1 + at.steps) / (10 + at.steps))), EXPONENTIAL))
M("first-step-replaces", "FIRST_STEP_REPLACES", "BN-3.1", "The first batch replaces the state whole, later ones are blended.",
  P("decay", constant(0.0), EXPONENTIAL & FIRST_UPDATE))
M("state-debiased", "STATE_DEBIASED", "BN-3.1", "The average starts from zero and is divided by 1 - decay^t, as an optimizer's moments are.",
  P("running_mean", DEBIASED, EXPONENTIAL), P("running_var", DEBIASED, EXPONENTIAL))
M("state-rescaled", "STATE_RESCALED", "BN-3.1", "The old state is multiplied by the ratio of this batch's size to the last one's before the blend.",
  P("old_mean", BY_SIZES), P("old_var", BY_SIZES))
M("cumulative-as-exponential", "CUMULATIVE_IGNORED", "BN-3.2", "decay = None means 0.9, not the arithmetic mean of the steps.",
  P("decay", constant(0.9), CUMULATIVE))
M("cumulative-forgets", "CUMULATIVE_IGNORED", "BN-3.2", "decay = None keeps the last step's statistics only.",
  P("decay", constant(0.0), CUMULATIVE))
M("cumulative-counts-initial", "INITIAL_STATE_COUNTED", "BN-3.2", "The cumulative average counts the initial state as one more step.",
  P("decay", formula("t/(t + 1)", lambda v, at: at.steps / (at.steps + 1)), CUMULATIVE))
M("cumulative-weighted", "CUMULATIVE_IGNORED", "BN-3.2", "The cumulative average weighs each step by the size of its batch.",
  P("decay", BY_COUNTS, CUMULATIVE))
