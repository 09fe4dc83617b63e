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

PARTNERS = 24  # mistakes that explain at least an output, tried together with every other
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
    return found + structure.silent_errors(asked, found)


def _local(asked, failing, conventions):
    """One mistake that is told by where things fail."""
    for place in structure.places():
        if all(place.holds(question) for question in failing):
            return [combined(place, failing)]
    return None


def _candidates(failing, conventions):
    everything = chain(singles(conventions.running_ddof), fitted(failing))
    return [h for h in everything if any(h.touches(q.case) for q in failing)]


# Mistakes that divide by m - 1 or the like have no value of their own at m <= 1: what they give there is not predicted.
NO_EDGE = {
    "RUNNING_VAR_DDOF", "RUNNING_MEAN_DDOF", "NORMALIZER_DDOF", "DDOF_OVER_BATCH_ONLY", "STATS_NOT_BATCH_VARIANCE",
    "SPATIAL_NOT_SHARED", "GRAD_SCALED", "MASK_COUNT", "VALUES_LOST", "WRONG_AXIS", "STATE_RESCALED",
}  # fmt: skip


def fits(hypothesis, question: Question) -> bool:
    """Whether what was observed is what this mistake gives."""
    if question.edge and hypothesis.name in NO_EDGE:
        return True
    if not hypothesis.touches(question.case) or question.silent(hypothesis):
        return not question.failed
    return question.fits_early(question.predict(hypothesis))


def fits_all(hypothesis, asked):
    """The hypothesis if it fits everywhere, perhaps with the right higher derivatives; else None."""
    for question in asked:
        if not fits(hypothesis, question):
            if not question.higher or "higher" in hypothesis.changes:
                return None
            other = hypothesis.elsewhere()
            if not fits(other, question):
                return None
            return fits_all(other, asked)
    return hypothesis


def _order(failing):
    """Small cases of different families first: the cheapest way to refute."""
    seen, first, rest = set(), [], []
    for question in sorted(failing, key=lambda q: (q.edge, q.higher, q.size)):
        (rest if question.case.family in seen else first).append(question)
        seen.add(question.case.family)
    return first + rest


def _single(asked, failing, conventions):
    """One mistake that explains every failing case and contradicts none."""
    ordered = _order(failing)
    passing = [q for q in asked if not q.failed]
    found = []
    for hypothesis in _candidates(failing, conventions):
        fitting = fits_all(hypothesis, ordered + passing)
        if fitting:
            found.append(fitting)
    bounds = [] if found else precision.explaining(asked, ordered)
    if bounds:
        return bounds
    return [_chosen(found, failing)] if found else None


def _chosen(found, failing):
    """The simplest; others with another name that fit as well are told."""
    best = min(found, key=lambda h: h.complexity)
    others = {h.name for h in found if h.complexity == best.complexity} - {best.name}
    return combined(best, failing, tuple(sorted(others)))


def consistent(hypothesis, asked):
    """Cases that failed and that this mistake explains, or None if it predicts a change that was not seen."""
    explained = []
    for question in asked:
        if not hypothesis.touches(question.case):
            continue
        if question.silent(hypothesis):
            continue
        if not question.fits_early(question.predict(hypothesis)):
            return None
        if question.failed:
            explained.append(question)
    return explained


def _several(asked, failing, conventions, whole=True):
    """Mistakes in different cases: each explains all that it touches, together they explain everything."""
    ordered = _order(failing)
    rest = [q for q in asked if not q.failed]
    options = []
    for hypothesis in _candidates(failing, conventions):
        explained = consistent(hypothesis, ordered + rest)
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
    return chosen + [unexplained(left)] if chosen and left else chosen or None


def _pair(asked, failing, conventions):
    """Two mistakes that touch the same cases: one of them explains at least an output."""
    ordered = _order(failing)
    candidates = _candidates(failing, conventions)
    screen = ordered[:SCREEN]
    partners = _partners(candidates, screen)
    passing = [q for q in asked if not q.failed]
    found = []
    for first in partners[:PARTNERS]:
        for second in candidates:
            both = first.with_(second)
            fitting = both and fits_all(both, ordered + passing)
            if fitting:
                found.append(fitting)
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
