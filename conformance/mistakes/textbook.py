"""Layers as tutorials write them: two mistakes at once, each a mutant of its own elsewhere."""

from .eps import EpsOutsideRoot
from .estimator import RunningVarBiased
from .layouts import StatisticsOverLastAxis
from .record import mutant
from .running import DecayComplement
from .state import ModeByGradient


@mutant("EPS_OUTSIDE_ROOT + WRONG_AXIS", "BN-2.3", "statistics over the last axis")
class FourLines(StatisticsOverLastAxis, EpsOutsideRoot):
    """Four lines of a tutorial: mean and variance of the last axis, and eps beside the standard deviation."""


@mutant("MODE_BY_GRADIENT + RUNNING_VAR_DDOF", "BN-4.4")
class FromScratch(ModeByGradient, RunningVarBiased):
    """A course's layer from scratch: training is when gradients are on, and running_var has ddof 0."""


@mutant("DECAY_COMPLEMENT + RUNNING_VAR_DDOF", "BN-3.1")
class OtherLibrarysConventions(DecayComplement, RunningVarBiased):
    """Another library's layer behind this one's name: decay means its complement and running_var has ddof 0."""
