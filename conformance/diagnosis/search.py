"""From failed verdicts to names: the simplest mistakes that predict everything that was observed.

A mistake explains a case if its prediction fits every output there; it must also fit where nothing failed. Single
mistakes come first, then several that do not touch the same cases, then pairs in one. What fits nothing is
"unexplained": a wrong name is worse than none.
"""

import time
from functools import cached_property
from itertools import chain

from ..mistakes.hypotheses import singles
from . import precision, structure
from .explanation import Explanation, combined, unexplained
from .fit import fitted
from .question import Question, questions

PARTNERS = 8  # mistakes that explain at least an output, tried together with every other
LARGE = 4096  # values of the smallest failing case beyond which pairs are not tried
BARELY = 2.0  # a score that a mistake too small to be seen may leave
SUPPORT = 2  # plain failing cases that a mistake must predict before cases aside are forgiven
SCREEN = 4  # failing cases that are asked what a mistake explains before it is paired
BUDGET = 30.0  # processor seconds of a search; the slowest search that finds a name takes a few


class Exhausted(Exception):
    """The budget is used up."""


def explain(
    implementation: str, failed, observations, golden, conventions, budget: float = BUDGET
) -> list[Explanation]:
    """What is wrong with an implementation, in as few mistakes as explain all failed verdicts.

    failed: its `Verdict`s that are no pass. observations: case id -> `Observation`, of passed cases too (the more, the
    safer the name). golden, conventions: what it was judged by. budget: processor seconds after which the search is
    broken off. A last explanation named "unexplained" holds what no hypothesis predicts. An implementation that failed
    nowhere gives an empty list.
    """
    asked = questions([v for v in failed if v.implementation == implementation], observations, golden, conventions)
    found, left = structure.attributes(asked)
    if left:
        answered = [q for q in asked if q.case.raises is None and (q in left or not q.failed)]
        found += Search(answered, left, conventions, budget).names()
    return structure.without_consequences(found + structure.silent_errors(asked, found))


class Search:
    """Attempts to name what is wrong in `failing`, from the simplest on; what is computed for one serves the next.

    asked: questions, those that passed too. failing: those of them whose failures are to be explained.
    """

    def __init__(self, asked, failing, conventions, budget):
        self.failing = failing
        self.ordered = _order(failing)
        self.passing = [q for q in asked if not q.failed]
        self.asked, self.conventions = asked, conventions
        self.budget, self.until = budget, time.process_time() + budget
        self.tried = 0

    def names(self) -> list[Explanation]:
        """The first attempt's that succeeds; "unexplained" where none does, or the budget ends before."""
        try:
            attempts = (attempt() for attempt in (self.single, self.local, self.several, self.pair, self.partly))
            return next((names for names in attempts if names), None) or [unexplained(self.failing, self.effort)]
        except Exhausted:
            return [unexplained(self.failing, f"{self.effort}, then the budget of {self.budget:g} s was used up")]

    @property
    def effort(self) -> str:
        return f"{self.tried} mistakes and pairs of mistakes were tried"

    @cached_property
    def candidates(self):
        everything = chain(singles(self.conventions.running_ddof), fitted(self.failing))
        return [h for h in everything if any(h.touches(q.case) for q in self.failing)]

    def _try(self, hypotheses):
        """The same hypotheses, counted, as long as the budget lasts. Errors: Exhausted."""
        for hypothesis in hypotheses:
            if time.process_time() > self.until:
                raise Exhausted
            self.tried += 1
            yield hypothesis

    def single(self):
        """One mistake that explains every failing case and contradicts none."""
        found = self._unrefuted(self._try(self.candidates))
        bounds = [] if found else precision.explaining(self.asked, self.ordered)
        if bounds:
            return bounds
        return [_chosen(found, self.failing)] if found else None

    def _unrefuted(self, hypotheses):
        """(mistake, cases aside that it does not predict) for those that nothing refutes."""
        everything = self.ordered + self.passing
        judged = ((hypothesis, misfits(hypothesis, everything)) for hypothesis in hypotheses)
        return [
            (hypothesis, aside) for hypothesis, aside in judged if aside is not None and self._shown(hypothesis, aside)
        ]

    def _shown(self, hypothesis, aside=()):
        """Whether a failing case that it explains has numbers: many mistakes make a layer raise, and nothing tells
        them apart."""
        return any(q.got for q in self.failing if q not in aside and hypothesis.touches(q.case))

    def local(self):
        """One mistake that is told by where things fail."""
        for place in structure.places():
            if all(place.holds(question) for question in self.failing):
                return [combined(place, self.failing)]
        return None

    @cached_property
    def options(self):
        """(mistake, failing cases it explains), for all that contradict nothing."""
        found = []
        for hypothesis in self._try(self.candidates):
            explained = consistent(hypothesis, self.ordered, self.passing)
            if any(question.got for question in explained):
                found.append((hypothesis, explained))
        found += precision.partial(self.asked, self.ordered)
        return found + [
            (place, held) for place in structure.places() if (held := [q for q in self.failing if place.holds(q)])
        ]

    def several(self):
        """Mistakes in different cases: each explains all that it touches, together they explain everything."""
        chosen, left = self._greedy()
        return None if left else chosen

    def partly(self):
        """What can be named, and the rest unexplained."""
        chosen, left = self._greedy()
        if any(question.raised for question in left):  # it raises elsewhere too: not because of what is special there
            chosen = [explanation for explanation in chosen if explanation.name != "DEGENERATE_RAISES"]
        if any(
            not q.aside for q in left
        ):  # what is wrong everywhere may be what is wrong there: no name for a special case
            plain = {q.case.id for q in self.failing if not q.aside}
            chosen = [explanation for explanation in chosen if plain & set(explanation.cases)]
        left = [q for q in self.failing if not any(q.case.id in explanation.cases for explanation in chosen)]
        return chosen + [unexplained(left, self.effort)] if chosen and left else chosen or None

    def _greedy(self):
        """(explanations, what they leave): the mistake that explains most first."""
        chosen, left = [], list(self.failing)
        while self.options and left:
            gains = [(sum(q in left for q in explained), h) for h, explained in self.options]
            gain, hypothesis = max(gains, key=lambda pair: (pair[0], -pair[1].complexity[0], -pair[1].complexity[1]))
            if not gain:
                break
            explained = next(e for h, e in self.options if h is hypothesis)
            chosen.append(combined(hypothesis, [q for q in explained if q in left]))
            left = [q for q in left if q not in explained]
        return chosen, left

    def pair(self):
        """Two mistakes that touch the same cases: one of them explains at least an output."""
        if self.ordered[0].size > LARGE:  # thousands of evaluations would take minutes
            return None
        for first in self._partners()[:PARTNERS]:
            pairs = (both for second in self.candidates if (both := first.with_(second)))
            found = self._unrefuted(self._try(pairs))
            if found:
                return [_chosen(found, self.failing)]
        return None

    def _partners(self):
        """Mistakes that explain a failed output of a case, the ones that explain most first."""
        gains = []
        for hypothesis in self.candidates:
            gain = sum(_gain(question, hypothesis) for question in self.ordered[:SCREEN])
            if gain:
                gains.append((gain, hypothesis))
        return [hypothesis for _, hypothesis in sorted(gains, key=lambda pair: -pair[0])]


def _gain(question, hypothesis) -> int:
    """How many failed outputs of a case a mistake predicts."""
    predicted = question.predict(hypothesis) if hypothesis.touches(question.case) else None
    if not predicted:
        return 0
    return sum(n in predicted and n in question.got and question.misfit(n, predicted[n]) <= 1 for n in question.failed)


def fits(hypothesis, question: Question) -> bool:
    """Whether what was observed is what this mistake gives."""
    if not hypothesis.touches(question.case):
        return not question.failed
    fitting = question.fits_early(question.predict(hypothesis), hypothesis.grain)
    hardly = all(score is not None and score <= BARELY for score in question.scores.values())
    if fitting is hardly:  # whether the mistake can be seen here would not change this
        return fitting
    return (
        hardly if question.silent(hypothesis) else fitting
    )  # what is not seen explains no failure, but for one that hardly is one


def misfits(hypothesis, asked):
    """The cases aside that a mistake does not predict, or None if it is refuted.

    Every plain case must fit. Where the definition is used from elsewhere (shards, masks, folding, higher derivatives)
    or a mistake may have no value at all (m <= 1), how it gets there is a matter of construction: such a case refutes
    only a mistake that few plain cases speak for.
    """
    aside, supported = [], 0
    for question in asked:
        fitting = fits(hypothesis, question)
        if fitting and question.failed and not question.aside and not question.silent(hypothesis):
            supported += 1
        if not fitting:
            if not question.aside or supported < SUPPORT:
                return None
            aside.append(question)
    return aside


def _order(failing):
    """Small cases of different families first: the cheapest way to refute."""
    seen, first, rest = set(), [], []
    for question in sorted(failing, key=lambda q: (q.aside, q.size)):
        (rest if question.case.family in seen else first).append(question)
        seen.add(question.case.family)
    return sorted(first + rest, key=lambda q: q.aside)


def _chosen(found, failing):
    """The one that leaves least aside, the simplest among those; others that fit as well are told."""
    cost = lambda pair: (len(pair[1]), pair[0].complexity)
    best, aside = min(found, key=cost)
    others = {h.name for h, left in found if cost((h, left)) == (len(aside), best.complexity)} - {best.name}
    return combined(best, [q for q in failing if q not in aside], tuple(sorted(others)), [q for q in aside if q.failed])


def consistent(hypothesis, failing, passing):
    """Failing cases that this mistake explains; none if it predicts a change that was not seen, there or elsewhere."""
    explained = []
    for question in failing:
        if hypothesis.touches(question.case) and not question.silent(hypothesis):
            if not question.fits_early(question.predict(hypothesis), hypothesis.grain):
                return []
            explained.append(question)
    if explained and all(fits(hypothesis, question) for question in passing):
        return explained
    return []
