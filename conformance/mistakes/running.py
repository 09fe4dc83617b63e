"""Wrong running statistics: decay and cumulative average."""

import numpy as np

from .estimator import KnowsBatchSize
from .extended import Base
from .record import mutant


class Decays(Base):
    """A mutant of the exponential average only; the cumulative one stays right."""

    def old_weight(self, which, steps):
        return super().old_weight(which, steps) if self.decay is None else self.weight(which, steps)


@mutant("DECAY_COMPLEMENT", "BN-3.1")
class DecayComplement(Decays):
    """decay weighs the new batch, 1 - decay the old state."""

    def weight(self, which, steps):
        return 1 - self.decay


@mutant("DECAY_COMPLEMENT", "BN-3.1", "running_var")
class DecayComplementOfVariance(Decays):
    """The mean is blended rightly, the variance with the weights exchanged."""

    def weight(self, which, steps):
        return self.decay if which == "mean" else 1 - self.decay


@mutant("DECAY_DIFFERS", "BN-3.1", "0.9")
class DecayAlwaysDefault(Decays):
    """decay is 0.9 whatever the layer was given."""

    def weight(self, which, steps):
        return 0.9


@mutant("DECAY_DIFFERS", "BN-3.1", "0.99")
class DecayOtherDefault(Decays):
    """decay is 0.99, another library's default, whatever the layer was given."""

    def weight(self, which, steps):
        return 0.99


@mutant("DECAY_DIFFERS", "BN-3.1", "0")
class StateReplaced(Decays):
    """Each training step replaces the state by its own statistics."""

    def weight(self, which, steps):
        return 0.0


@mutant("DECAY_SHRINKS", "BN-3.1", "(1 - decay)/t")
class DecayOverStep(Decays):
    """The weight of the new batch is (1 - decay) divided by the number of the step."""

    def weight(self, which, steps):
        return 1 - (1 - self.decay) / np.maximum(steps, 1)


@mutant("DECAY_SHRINKS", "BN-3.1", "min(decay, (1 + t)/(10 + t))")
class DecayWarmsUp(Decays):
    """decay is limited to (1 + t)/(10 + t), an averager's warm-up that nobody asked for."""

    def weight(self, which, steps):
        return np.minimum(self.decay, (1 + steps) / (10 + steps)).astype(self.type)


@mutant("FIRST_STEP_REPLACES", "BN-3.1")
class FirstStepReplaces(Decays):
    """The first batch replaces the state whole, later ones are blended."""

    def weight(self, which, steps):
        return np.where(steps == 1, 0, self.decay).astype(self.type)


@mutant("STATE_DEBIASED", "BN-3.1")
class StateDebiased(Decays):
    """The average starts from zero and is divided by 1 - decay^t, as an optimizer's moments are."""

    def blend(self, which, old, new, steps):
        if self.decay is None:
            return super().blend(which, old, new, steps)
        last, now = 1 - self.decay ** (steps - 1.0), 1 - self.decay**steps
        return ((old * last * self.decay + new * (1 - self.decay)) / now).astype(self.type)


@mutant("STATE_RESCALED", "BN-3.1")
class StateRescaled(KnowsBatchSize):
    """The old state is multiplied by the ratio of this batch's size to the last one's before the blend."""

    def update(self, mean, var, count):
        ratio = self.n / max(getattr(self, "last", self.n), 1)
        self.running = {which: value * self.type.type(ratio) for which, value in self.running.items()}
        self.last = self.n
        super().update(mean, var, count)


class Accumulates(Base):
    """A mutant of the cumulative average only."""

    def old_weight(self, which, steps):
        return self.share(which, steps) if self.decay is None else self.decay


@mutant("CUMULATIVE_IGNORED", "BN-3.2", "decay 0.9")
class CumulativeAsExponential(Accumulates):
    """decay = None means 0.9, not the arithmetic mean of the steps."""

    def share(self, which, steps):
        return 0.9


@mutant("CUMULATIVE_IGNORED", "BN-3.2", "last step only")
class CumulativeForgets(Accumulates):
    """decay = None keeps the last step's statistics only."""

    def share(self, which, steps):
        return 0.0


@mutant("INITIAL_STATE_COUNTED", "BN-3.2")
class CumulativeCountsInitial(Accumulates):
    """The cumulative average counts the initial state as one more step."""

    def share(self, which, steps):
        return (steps / (steps + 1)).astype(self.type)


@mutant("CUMULATIVE_IGNORED", "BN-3.2", "weighted by m")
class CumulativeWeighted(Accumulates):
    """The cumulative average weighs each step by the size of its batch."""

    def update(self, mean, var, count):
        self.now, self.seen = count, getattr(self, "seen", 0) + count
        super().update(mean, var, count)

    def share(self, which, steps):
        return 1 - self.now / np.maximum(self.seen, 1)
