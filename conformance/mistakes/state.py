"""Wrong state: what running values hold, and when they move; wrong mode."""

import numpy as np

from .extended import Base
from .record import mutant


@mutant("STATE_NOT_UPDATED", "BN-3.6")
class StateNotUpdated(Base):
    """Training steps leave the running values as they were."""

    def update(self, mean, var, count):
        pass


@mutant("STATE_NOT_UPDATED", "BN-3.6", "running_mean")
class MeanNotUpdated(Base):
    """Only the running variance moves."""

    def advance(self, which, new, exists):
        if which == "var":
            super().advance(which, new, exists)


@mutant("STATE_NOT_UPDATED", "BN-3.6", "running_var")
class VarianceNotUpdated(Base):
    """Only the running mean moves."""

    def advance(self, which, new, exists):
        if which == "mean":
            super().advance(which, new, exists)


@mutant("STATE_NOT_UPDATED", "BN-3.6", "after the first step")
class StateUpdatedOnce(Base):
    """The first training step updates the state, later ones do not."""

    def advance(self, which, new, exists):
        if np.all(self.steps[which] == 0):
            super().advance(which, new, exists)


@mutant("STATE_NOT_UPDATED", "BN-3.6", "where no gradient is asked for")
class UpdatedInBackward(Base):
    """The state is updated in the backward pass, so a forward pass alone leaves it."""

    def train(self, x, dy, **given):
        before = self.running.copy()
        out = super().train(x, dy, **given)
        if dy is None:
            self.running = before
        return out


@mutant("STATE_UPDATED_TWICE", "BN-3.6")
class StateUpdatedTwice(Base):
    """Each training step blends its statistics in twice, as a recomputed forward pass does."""

    def update(self, mean, var, count):
        super().update(mean, var, count)
        super().update(mean, var, count)


@mutant("STATE_UPDATED_TWICE", "BN-3.6", "in the backward pass")
class UpdatedAgainInBackward(Base):
    """The backward pass runs the forward again, state update and all."""

    def gradients(self, dy, at, x):
        if at.training:
            self.update(at.mean, at.var, at.count)
        return super().gradients(dy, at, x)


@mutant("STATE_UPDATED_IN_INFERENCE", "BN-4.4")
class InferenceUpdates(Base):
    """Inference normalizes rightly and then blends its batch into the state."""

    def infer(self, x, dy):
        out = super().infer(x, dy)
        self.update(*self.moments(self.rows(x)))
        return out


@mutant("STATE_UPDATED_IN_INFERENCE", "BN-4.4", "frozen")
class FrozenUpdates(Base):
    """Frozen statistics are used, but updated all the same."""

    def frozen(self, x, dy):
        out = self.infer(x, dy)
        self.update(*self.moments(self.rows(x)))
        return out


@mutant("STATE_BEFORE_STEP", "BN-3.6")
class StateBeforeStep(Base):
    """The state given out after a training step is the one from before it."""

    def update(self, mean, var, count):
        self.before = self.running.copy()
        super().update(mean, var, count)

    def state(self):
        now, self.running = self.running, getattr(self, "before", self.running)
        try:
            return super().state()
        finally:
            self.running = now


@mutant("STATE_KIND_STD", "BN-3.1")
class StateIsStd(Base):
    """running_var blends and gives out standard deviations; inference squares them."""

    def load_state(self, mean, var):
        mean, var = super().load_state(mean, var)
        return mean, np.sqrt(var)

    def estimate(self, var, count):
        return np.sqrt(super().estimate(var, count))

    def inference_statistics(self, rows):
        return self.running["mean"], self.running["var"] ** 2


@mutant("STATE_KIND_STD", "BN-3.1", "given out only")
class StateGivenAsStd(Base):
    """running_var is given out as its root."""

    def state(self):
        return {name: value if name == "running_mean" else np.sqrt(value) for name, value in super().state().items()}


@mutant("STATE_KIND_INVERSE_STD", "BN-3.1")
class StateGivenAsInverseStd(Base):
    """running_var is given out as 1/sqrt(var + eps), as a kernel saves it for its backward pass."""

    def state(self):
        kept = self.running
        self.running = kept | {"var": self.inverse_std(kept["var"])}
        try:
            return super().state()
        finally:
            self.running = kept


@mutant("STATE_KIND_INVERSE_STD", "BN-3.1", "blended")
class StateIsInverseStd(Base):
    """running_var blends inverse standard deviations."""

    def load_state(self, mean, var):
        mean, var = super().load_state(mean, var)
        return mean, self.inverse_std(var)

    def estimate(self, var, count):
        return self.inverse_std(super().estimate(var, count))

    def inference_inverse_std(self, var):
        return var


@mutant("STATE_SWAPPED", "BN-3.1")
class StateSwapped(Base):
    """running_mean and running_var are given out under each other's names."""

    def state(self):
        mean, var = super().state().values()
        return {"running_mean": var, "running_var": mean}


@mutant("STATE_SWAPPED", "BN-4.1", "where it is set")
class StateLoadedSwapped(Base):
    """The state is set in the order variance, mean."""

    def load_state(self, mean, var):
        return super().load_state(var, mean)


@mutant("STATE_NOT_LOADED", "BN-4.1")
class StateNotLoaded(Base):
    """The state given is dropped: the layer starts from mean 0 and variance 1."""

    def load_state(self, mean, var):
        return super().load_state(None, None)


@mutant("WRONG_STATS_FOR_MODE", "BN-2.3", "training")
class TrainingUsesRunning(Base):
    """Training normalizes by the running statistics of before the step."""

    def training_statistics(self, at, before):
        return before["mean"], before["var"]


@mutant("WRONG_STATS_FOR_MODE", "BN-4.1", "inference")
class InferenceUsesBatch(Base):
    """Inference normalizes by the statistics of the batch it sees."""

    def inference_statistics(self, rows):
        return self.moments(rows)[:2]


@mutant("WRONG_STATS_FOR_MODE", "BN-2.3", "training variance")
class TrainingVarianceRunning(Base):
    """Training takes the mean of the batch and the variance of the state."""

    def training_statistics(self, at, before):
        return at.mean, before["var"]


@mutant("WRONG_STATS_FOR_MODE", "BN-4.1", "inference mean")
class InferenceMeanOfBatch(Base):
    """Inference takes the mean of the batch and the variance of the state."""

    def inference_statistics(self, rows):
        return self.moments(rows)[0], self.running["var"]


@mutant("BLENDED_STATS", "BN-3.6")
class TrainingUsesBlended(Base):
    """Training normalizes by the running statistics after their update."""

    def training_statistics(self, at, before):
        return self.running["mean"], self.running["var"]


@mutant("MODE_BY_GRADIENT", "BN-4.4")
class ModeByGradient(Base):
    """Whoever asks for gradients is training, whoever does not is in inference."""

    def train(self, x, dy, **given):
        return super().infer(x, dy) if dy is None else super().train(x, dy, **given)

    def infer(self, x, dy):
        return super().infer(x, dy) if dy is None else super().train(x, dy)


@mutant("FROZEN_IGNORED", "BN-4.4")
class FrozenTrains(Base):
    """Frozen statistics change nothing: the step trains."""

    def frozen(self, x, dy):
        return self.train(x, dy)


@mutant("FROZEN_IGNORED", "BN-4.4", "state kept")
class FrozenUsesBatch(Base):
    """A frozen layer keeps its state and still normalizes by the batch."""

    def frozen(self, x, dy):
        kept, self.update = self.update, lambda *moments: None
        try:
            return self.train(x, dy)
        finally:
            self.update = kept


@mutant("MODE_STICKY", "BN-4.1")
class ModeSticky(Base):
    """After the first training step the switch to inference has no effect."""

    trained = False

    def train(self, x, dy, **given):
        self.trained = True
        return super().train(x, dy, **given)

    def infer(self, x, dy):
        return self.train(x, dy) if self.trained else super().infer(x, dy)
