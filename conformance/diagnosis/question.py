"""A case as diagnosis sees it: inputs, what was expected, what was given; and how well a prediction fits."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from bnconform.dtypes import smallest, unit_roundoff

from ..golden.store import Golden
from ..judge.allowances import allowances
from ..records import FAILED, Case, Observation
from .layer import evaluate
from .moments import Raised
from .rules import DEFINITION

# An observation may miss a prediction by its own error and by that of a prediction that is off in a rounding or two.
SLACK = 8.0
# Rules that no array can follow (an axis of another length) make a layer raise, as they would in life.
FLIPPED = 0.1
CANCELLED = 512
ASIDE = ("renorm", "folding", "population", "degenerate", "conditioning", "nonfinite")
KEPT = 256  # predictions of cases up to this size are kept for the next implementation
RAISING = (Raised, ValueError, IndexError)


def rounding(values, name: str):
    """What one rounding into a type may change: u |value| and the smallest number."""
    return unit_roundoff(name) * np.abs(values) + smallest(name)


class Facts:
    """What is known of a case before anything is observed; shared by all implementations of the same conventions."""

    def __init__(self, case: Case, golden: Golden, conventions):
        self.case, self.conventions = case, conventions
        self.inputs = golden.inputs(case)
        self.wanted = golden.wanted(case, conventions.running_ddof)
        self.exact = {name: np.asarray(wide, np.float64) for name, (_, wide) in self.wanted.items()}

    @cached_property
    def allowed(self):
        found = allowances(self.case, self.inputs, self.conventions, self.wanted)
        return {name: np.broadcast_to(value.element, self.exact[name].shape) for name, value in found.items()}

    @cached_property
    def base(self):
        return evaluate(self.case, self.inputs, DEFINITION, self.conventions.running_ddof)

    @cached_property
    def predictions(self):
        """hypothesis -> its `Prediction` here."""
        return {}


_FACTS: dict = {}


def facts(case, golden, conventions) -> Facts:
    """The facts of a case, computed once a process."""
    key = (str(golden.folder), case.id, repr(conventions))
    if key not in _FACTS:
        _FACTS[key] = Facts(case, golden, conventions)
    return _FACTS[key]


@dataclass
class Prediction:
    """What a layer with some mistake gives, None if it raises; silent: whether that is what a right one gives, once
    asked."""

    outputs: dict | None
    silent: bool | None = None


def _plain(hypothesis):
    """Whether another implementation will ask for the same prediction."""
    return hypothesis.freedom == 0 and not hypothesis.parts


@dataclass(eq=False)
class Question:
    """One case with its observation. failed: output name -> kind of the verdict, empty if all passed."""

    facts: Facts
    observation: Observation
    failed: dict[str, str] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)

    def __post_init__(self):
        self.case, self.conventions = self.facts.case, self.facts.conventions
        self.inputs, self.wanted, self.exact = self.facts.inputs, self.facts.wanted, self.facts.exact
        self._last = None, None

    @property
    def allowed(self):
        return self.facts.allowed

    @property
    def base(self):
        return self.facts.base

    @cached_property
    def got(self):
        """Outputs that can be compared, float64."""
        return {
            name: value.astype(np.float64)
            for name, value in self.observation.outputs.items()
            if name in self.exact and value.shape == self.exact[name].shape
        }

    @cached_property
    def edge(self):
        """Whether some step has at most one value a channel."""
        kept = self.case.channel_axes
        shapes = [a.shape for name, a in self.inputs.items() if name.endswith(".x")]
        return any(np.prod([n for axis, n in enumerate(s) if axis not in kept]) <= 1 for s in shapes)

    @cached_property
    def higher(self):
        """Whether tangents or second derivatives are asked for."""
        return any("u_x" in step.inputs or "x_dot" in step.inputs for step in self.case.steps)

    @cached_property
    def aside(self):
        """Whether the definition is used here from elsewhere, a statistic may not exist, or all is badly conditioned
        or stored."""
        special = {"mask"} & {name for step in self.case.steps for name in step.inputs}
        options = any("sizes" in step.options for step in self.case.steps)
        return bool(
            self.edge
            or self.higher
            or special
            or options
            or self.case.family in ASIDE
            or self._close()
            or self._coarse()
        )

    def _close(self):
        """Whether the values of some channel are much closer to one another than to zero."""
        for name, array in self.inputs.items():
            if name.endswith(".x") and array.size:
                x = np.asarray(array, np.float64)
                axes = tuple(k for k in range(x.ndim) if k not in self.case.channel_axes)
                if np.any(np.abs(x).max(axis=axes) > 1e3 * x.std(axis=axes)):
                    return True
        return False

    @np.errstate(over="ignore")
    def _coarse(self):
        """Whether the state cannot hold what x has: its type is narrower, or the squares of x vanish in it."""
        x_type, kind = self.case.x_dtype, self.case.state_dtype
        largest = (
            np.max(np.abs(np.asarray(a, np.float64)), initial=0.0)
            for name, a in self.inputs.items()
            if name.endswith(".x")
        )
        return unit_roundoff(x_type) < unit_roundoff(kind) or any(0 < x**2 < smallest(kind) for x in largest)

    @property
    def size(self):
        """How much there is to compute."""
        return int(np.prod(self.case.shape)) * len(self.case.steps)

    @property
    def raised(self):
        failure = self.observation.failure
        return failure is not None and failure.kind == "raised"

    @property
    def values_failed(self):
        """Failed outputs whose values, not attributes, are wrong."""
        return [name for name, kind in self.failed.items() if kind in ("value", "nan", "inf")]

    def predict(self, hypothesis):
        """Outputs of a layer with this mistake, or None if it would raise."""
        return self._known(hypothesis).outputs

    def silent(self, hypothesis) -> bool:
        """Whether a layer with this mistake cannot be told from a right one in this case."""
        known = self._known(hypothesis)
        if known.silent is None:
            known.silent = self._unseen(known.outputs)
            if known.silent and _plain(hypothesis):
                self.facts.predictions[hypothesis] = Prediction(
                    self.base, True
                )  # of what equals the definition, only that is kept
        return known.silent

    def _known(self, hypothesis):
        """What was predicted before: the last prediction, and of single mistakes in small cases all."""
        found = self.facts.predictions.get(hypothesis)
        if found is None and self._last[0] is hypothesis:
            found = self._last[1]
        if found is None:
            try:
                found = Prediction(evaluate(self.case, self.inputs, hypothesis.rules, self.conventions.running_ddof))
            except RAISING:
                found = Prediction(None, False)
            self._last = hypothesis, found
            if _plain(hypothesis) and self.size <= KEPT:
                self.facts.predictions[hypothesis] = found
        return found

    def misfit(self, name, predicted) -> float:
        """Largest |got - predicted| / allowance of one output."""
        return self._distance(name, self.got[name], predicted, SLACK)

    @np.errstate(all="ignore")
    def _equal(self, name, predicted):
        """Whether a prediction is the definition's value as far as this case can tell."""
        base = self.base[name]
        if np.shape(predicted) != base.shape:
            return False
        same = (
            (base == predicted)
            | np.isnan(base) & np.isnan(predicted)
            | (np.abs(base - predicted) <= 0.5 * self.allowed[name])
        )
        return bool(np.all(same))

    @np.errstate(all="ignore")
    def _distance(self, name, got, predicted, slack):
        exact = self.exact[name]
        if np.shape(predicted) != got.shape:
            return np.inf
        if got.size == 0:
            return 0.0
        kind = self.wanted[name][0].dtype
        stored = np.asarray(predicted).astype(kind).astype(np.float64)
        same = (got == stored) | (np.isnan(got) & np.isnan(predicted))
        error = np.abs(got - predicted)
        if np.all(error <= slack * self.allowed[name]):
            return float(np.max(error / (slack * self.allowed[name])))
        growth = np.maximum(_size(predicted) / _size(exact), 1.0)
        growth = growth if np.isfinite(growth) else 1.0
        # a wrong formula may cancel where the right one does not: some roundings of the largest value are granted
        cancelled = (
            CANCELLED * unit_roundoff(self.conventions.compute[self.case.x_dtype]) * max(_size(predicted), _size(exact))
        )
        tolerance = slack * (self.allowed[name] * growth + rounding(predicted, kind.name)) + cancelled
        score = np.where(same, 0.0, error / tolerance)
        return float(np.max(np.where(np.isnan(score), np.inf, score)))

    def fits(self, predicted) -> float:
        """Score of a prediction over all outputs that were observed; infinite where it cannot be right."""
        if predicted is None:
            return 0.0 if self.raised else np.inf
        if self.raised:
            return np.inf
        scores = [self.misfit(name, predicted[name]) for name in self.got if name in predicted]
        return max(scores, default=np.inf)

    def fits_early(self, predicted, grain=0.0) -> bool:
        """Whether `fits` is at most 1, asking the failed outputs first.

        grain: unit roundoff of a narrow type that the mistake rounds to. A value next to a rounding boundary may then
        come out one step off: a few values may, as long as most fit exactly.
        """
        if grain and predicted is not None and not self.raised:
            return self._fits_grained(predicted, grain)
        if predicted is None or self.raised:
            return predicted is None and self.raised
        names = sorted((name for name in self.got if name in predicted), key=lambda name: name not in self.failed)
        return bool(names) and all(self.misfit(name, predicted[name]) <= 1 for name in names)

    @np.errstate(all="ignore")
    def _fits_grained(self, predicted, grain):
        off, count = 0, 0
        for name in self.got:
            if name not in predicted or np.shape(predicted[name]) != self.got[name].shape:
                continue
            if name in self.failed and self._equal(name, predicted[name]) and self.misfit(name, predicted[name]) > 1:
                return (
                    False  # what is granted next to rounding boundaries explains nothing that the mistake leaves alone
                )
            got, want = self.got[name], predicted[name]
            fine = SLACK * (self.allowed[name] + rounding(want, self.wanted[name][0].dtype.name))
            error = np.where((got == want) | np.isnan(got) & np.isnan(want), 0.0, np.abs(got - want))
            if not np.all(error <= fine + 4 * grain * _size(want)):
                return False
            off, count = off + int(np.sum(error > fine)), count + got.size
        return off <= max(FLIPPED * count, 1)

    def _unseen(self, predicted):
        if predicted is None:
            return False
        return all(
            np.array_equal(self.base[name], value) or self._equal(name, value)
            for name, value in predicted.items()
            if name in self.exact
        )


@np.errstate(all="ignore")
def _size(values):
    finite = np.abs(values[np.isfinite(values)])
    return float(np.max(finite, initial=0.0)) + 1e-300


def questions(verdicts, observations, golden, conventions) -> list[Question]:
    """All cases that were observed, the small ones first; a case that is unsupported says nothing.

    Laws and large cases say nothing more about the formula, and have no golden values at hand.
    """
    failed, scores = {}, {}
    for verdict in verdicts:
        if verdict.status in (*FAILED, "deviates"):
            failed.setdefault(verdict.case, {})[verdict.output] = verdict.kind
            scores.setdefault(verdict.case, {})[verdict.output] = verdict.score
    found = []
    for case_id, observation in observations.items():
        unsupported = observation.failure is not None and observation.failure.kind == "unsupported"
        known = golden.cases.get(case_id)
        if known and not known.law and not known.large and not (unsupported and case_id not in failed):
            found.append(
                Question(
                    facts(known, golden, conventions), observation, failed.get(case_id, {}), scores.get(case_id, {})
                )
            )
    return sorted(found, key=lambda question: question.size)
