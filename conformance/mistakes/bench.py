"""Mutants through the way of every case: observed, judged, and scored."""

import numpy as np

from ..golden.store import Golden
from ..judge.compare import expectation, judge
from ..records import FAILED, Case
from ..run.observe import observe
from .kills import INFINITE
from .record import Mutant

# the mistakes that large cases are for: sums too long for their type, and indices past a limit
SIZE_SHOWS = {"LOW_PRECISION_ACCUMULATION", "VARIANCE_CANCELLATION", "CHANNELS_LOST", "STALE"}
# those that a long life is for: what gathers, step by step
LIFE_SHOWS = {"CUMULATIVE_IGNORED", "INITIAL_STATE_COUNTED", "LOW_PRECISION_STATE", "DECAY_COMPLEMENT", "DECAY_DIFFERS"}
LONG = 400  # calls of a layer from which a case is about its life


def score_of(verdicts) -> float:
    """How clearly the verdicts of one case kill: the largest score, infinity for what no number says, 0 for no kill.

    Shape, type, missing output, an exception, a silent error and a changed input count as infinite.
    """
    lost = [verdict for verdict in verdicts if verdict.status in FAILED]
    return max((INFINITE if verdict.score is None else verdict.score for verdict in lost), default=0.0)


class Bench:
    """The cases, with what judging them needs computed once."""

    def __init__(self, golden: Golden | None = None):
        self.golden = golden or Golden()
        self.cases = self.golden.cases
        self.inputs, self.expected = {}, {}

    def score(self, backend: type, case: Case) -> float:
        """Killing score of one case for a backend."""
        if case.id not in self.inputs:
            self.inputs[case.id] = self.golden.inputs(case)
        inputs = {name: array.copy() for name, array in self.inputs[case.id].items()}
        observation = observe(case, backend, inputs)
        return score_of(
            judge("mutant", observation, case, self.golden, backend.conventions, self._expected(case, backend))
        )

    def _expected(self, case, backend):
        if case.raises:
            return None
        key = case.id, repr(backend.conventions)
        if key not in self.expected:
            self.expected[key] = expectation(case, self.golden, backend.conventions)
        return self.expected[key]

    def scores(self, mutant: Mutant, cases) -> dict[str, float]:
        """Killing scores of cases; large and long ones are held against what size or length alone shows."""
        names = set(mutant.diagnosis.split(" + "))
        calls = lambda case: sum(step.options.get("repeat", 1) for step in case.steps)
        shows = lambda case: (
            (mutant.at_size or bool(SIZE_SHOWS & names) or case.law or not case.large)
            and (mutant.at_size or bool(LIFE_SHOWS & names) or calls(case) <= LONG)
        )
        with np.errstate(all="ignore"):
            return {case.id: self.score(mutant.backend, case) for case in cases if shows(case)}
