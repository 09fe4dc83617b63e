"""From failed verdicts to names: the simplest mistakes that predict everything that was observed.

A mistake explains a case if its prediction fits every output there; it must also fit where nothing failed. Single
mistakes come first, then several that do not touch the same cases, then pairs in one. What fits nothing is
"unexplained": a wrong name is worse than none.
"""

from itertools import chain

import numpy as np

from . import precision, structure
from .explanation import Explanation, combined, unexplained
from .fit import fitted
from .hypotheses import singles
from .question import Question, questions

PARTNERS = 8  # mistakes that explain at least an output, tried together with every other
LARGE = 4096  # values of the smallest failing case beyond which pairs are not tried
BARELY = 2.0  # a score that a mistake too small to be seen may leave
SUPPORT = 2  # plain failing cases that a mistake must predict before cases aside are forgiven
SCREEN = 4  # cases that a mistake must fit before all are asked


def explain(implementation: str, failed, observations, golden, conventions) -> list[Explanation]:
    """What is wrong with an implementation, in as few mistakes as explain all failed verdicts.

    failed: its `Verdict`s that are no pass. observations: case id -> `Observation`, of passed cases too (the more, the
    safer the name). golden, conventions: what it was judged by. A last explanation named "unexplained" holds what no
    hypothesis predicts. An implementation that failed nowhere gives an empty list.
    """
    asked = questions([v for v in failed if v.implementation == implementation], observations, golden, conventions)
    found, left = structure.attributes(asked)
    if left:
        answered = [q for q in asked if q.case.raises is None and (q in left or not q.failed)]
        attempts = (attempt(answered, left, conventions) for attempt in (_single, _local, _several, _pair, _partly))
        found += next((names for names in attempts if names), [unexplained(left)])
    return structure.without_consequences(found + structure.silent_errors(asked, found))


def _local(asked, failing, conventions):
    """One mistake that is told by where things fail."""
    for place in structure.places():
        if all(place.holds(question) for question in failing):
            return [combined(place, failing)]
    return None


def _candidates(failing, conventions):
    everything = chain(singles(conventions.running_ddof), fitted(failing))
    return [h for h in everything if any(h.touches(q.case) for q in failing)]


def fits(hypothesis, question: Question) -> bool:
    """Whether what was observed is what this mistake gives."""
    if not hypothesis.touches(question.case):
        return not question.failed
    if question.silent(hypothesis):  # no explanation of a failure, but for one that is hardly one
        return all(score is not None and score <= BARELY for score in question.scores.values())
    return question.fits_early(question.predict(hypothesis), hypothesis.grain)


def misfits(hypothesis, asked):
    """The cases aside that a mistake does not predict, or None if it is refuted.

    Every plain case must fit. Where the definition is used from elsewhere (shards, masks, folding, higher derivatives) or
    a mistake may have no value at all (m <= 1), how it gets there is a matter of construction: such a case refutes only a
    mistake that few plain cases speak for.
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


def _single(asked, failing, conventions):
    """One mistake that explains every failing case and contradicts none."""
    ordered = _order(failing)
    passing = [q for q in asked if not q.failed]
    found = []
    for hypothesis in _candidates(failing, conventions):
        aside = misfits(hypothesis, ordered + passing)
        if aside is not None:
            found.append((hypothesis, aside))
    bounds = [] if found else precision.explaining(asked, ordered)
    if bounds:
        return bounds
    return [_chosen(found, failing)] if found else None


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


def _several(asked, failing, conventions, whole=True):
    """Mistakes in different cases: each explains all that it touches, together they explain everything."""
    ordered = _order(failing)
    rest = [q for q in asked if not q.failed]
    options = []
    for hypothesis in _candidates(failing, conventions):
        explained = consistent(hypothesis, ordered, rest)
        if explained:
            options.append((hypothesis, explained))
    options += precision.partial(asked, ordered)
    options += [(place, held) for place in structure.places() if (held := [q for q in failing if place.holds(q)])]
    chosen, left = [], list(failing)
    while options and left:
        gains = [(sum(q in left for q in explained), h) for h, explained in options]
        gain, hypothesis = max(gains, key=lambda pair: (pair[0], -pair[1].complexity[0], -pair[1].complexity[1]))
        if not gain:
            break
        explained = next(e for h, e in options if h is hypothesis)
        chosen.append(combined(hypothesis, [q for q in explained if q in left]))
        left = [q for q in left if q not in explained]
    if whole:
        return chosen if not left else None
    if any(not q.aside for q in left):  # what is wrong everywhere may be what is wrong there: no name for a special case
        plain = {q.case.id for q in failing if not q.aside}
        chosen = [explanation for explanation in chosen if plain & set(explanation.cases)]
        left = [q for q in failing if not any(q.case.id in explanation.cases for explanation in chosen)]
    return chosen + [unexplained(left)] if chosen and left else chosen or None


def _pair(asked, failing, conventions):
    """Two mistakes that touch the same cases: one of them explains at least an output."""
    ordered = _order(failing)
    if ordered[0].size > LARGE:  # thousands of evaluations would take minutes
        return None
    candidates = _candidates(failing, conventions)
    screen = ordered[:SCREEN]
    partners = _partners(candidates, screen)
    passing = [q for q in asked if not q.failed]
    found = []
    for first in partners[:PARTNERS]:
        for second in candidates:
            both = first.with_(second)
            aside = misfits(both, ordered + passing) if both else None
            if aside is not None:
                found.append((both, aside))
        if found:
            break
    return [_chosen(found, failing)] if found else None


def _partners(candidates, screen):
    """Mistakes that explain a failed output of a case, the ones that explain most first."""
    gains = []
    for hypothesis in candidates:
        gain = 0
        for question in screen:
            predicted = question.predict(hypothesis) if hypothesis.touches(question.case) else None
            if predicted:
                gain += sum(n in predicted and n in question.got and question.misfit(n, predicted[n]) <= 1 for n in question.failed)
        if gain:
            gains.append((gain, hypothesis))
    return [hypothesis for _, hypothesis in sorted(gains, key=lambda pair: -pair[0])]


def _partly(asked, failing, conventions):
    """What can be named, and the rest unexplained."""
    return _several(asked, failing, conventions, whole=False)
