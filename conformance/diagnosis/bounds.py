"""Arithmetic other than declared: it predicts no value, only how far values may be off; so right values must refute it too."""

from dataclasses import dataclass, replace

import numpy as np

from ..judge.allowances import allowances
from .conditions import ALWAYS
from .explanation import Found

SHOWS = 30.0  # where the other arithmetic allows so many times more, errors are expected to be seen
SEEN = 0.3  # and in such a share of these samples they must be seen,
SEEN_NARROW = 0.95  # of a narrower type nearly everywhere: a single rounding inside keeps its allowances too
MARGIN = 2.0
KEPT = 0.97  # share of deviating samples that must keep the other allowance
USELESS = 0.25  # an allowance of this share of the value says nothing


@dataclass(frozen=True)
class Arithmetic:
    """A declaration that would make an implementation right. Takes the place of a candidate where one is told."""

    name: str
    words: str
    where: str
    change: object
    says: str = ""
    clause: str = "BN-8.2"
    points: tuple = ()


def arithmetics(conventions, kinds):
    """The declarations to try, the mildest first. kinds: types of x in which something fails."""
    if conventions.variance in ("two-pass", "welford"):
        words = "the batch variance: E[x²] - E[x]²"
        yield Arithmetic("VARIANCE_CANCELLATION", words, "variance", {"variance": "one-pass"}, clause="BN-2.2")
    if conventions.reduction == "pairwise":
        words = "sums: one term after the other, which was not declared"
        yield Arithmetic("SEQUENTIAL_SUMS", words, "sum", {"reduction": "sequential"}, clause="BN-2.1")
    for kind in sorted(kinds):
        for narrow in {"float64": ("float32",), "float32": ("bfloat16", "float16")}.get(conventions.compute[kind], ()):
            compute = {**conventions.compute, kind: narrow}
            words = f"the arithmetic: computed in {narrow} where x is {kind}"
            yield Arithmetic("LOW_PRECISION_ARITHMETIC", words, "arithmetic", {"compute": compute})


def bounded(search, conventions):
    """The mildest arithmetic whose allowances hold everywhere and whose errors are seen where they should be, or None."""
    deviating = [step for step in search.steps if (step.deviation > 1).any()]
    kinds = {step.episode.case.x_dtype for step in deviating}
    for arithmetic in arithmetics(conventions, kinds):
        other = replace(conventions, **arithmetic.change)
        kept = np.concatenate([within(step, other)[step.deviation > 1] for step in deviating])
        if kept.mean() < KEPT:
            continue
        expected, seen = _expected(search, conventions, other)
        least = SEEN_NARROW if "compute" in arithmetic.change else SEEN
        if expected and seen >= least * expected:
            counts = (len(deviating), expected - seen)
            tested = Bound(arithmetic, other)
            return Found(arithmetic.where, ALWAYS, search.deviates.copy(), tested, counts)
    return None


@dataclass
class Bound:
    """What a search answers with where an arithmetic explains everything."""

    candidate: Arithmetic
    conventions: object


def allowed_by(step, conventions):
    """Allowances of a step's outputs under another declaration, as rows."""
    facts = step.episode.facts
    found = facts.others.get(repr(conventions))
    if found is None:
        found = facts.others[repr(conventions)] = allowances(facts.case, facts.inputs, conventions, facts.given)
    wide = lambda name: np.broadcast_to(found[name].element, facts.wanted[name].shape)
    return {name: facts.rows(name, wide(name)) for name in step.got}


def within(step, conventions):
    """By channel, whether a step keeps the allowances of another declaration; all is kept where nothing is left to keep."""
    allowed, facts = allowed_by(step, conventions), step.episode.facts
    margin = MARGIN if conventions.compute == facts.conventions.compute else 4 * MARGIN  # x itself is rounded then
    kept, useless = np.ones(len(step.deviation), bool), np.zeros(len(step.deviation), bool)
    for name, got in step.got.items():
        golden = facts.rows(name, facts.wanted[name])
        error = np.abs(got - golden)
        error[(got == golden) | np.isnan(got) & np.isnan(golden)] = 0.0
        kept &= (error <= margin * allowed[name]).all(axis=1)
        if name.endswith("batch_var") or name.endswith(".y"):
            useless |= (allowed[name] > USELESS * np.abs(golden)).any(axis=1)
    return kept | useless


def _expected(search, conventions, other):
    """(samples where errors of the other arithmetic should be seen, those of them that deviate)."""
    expected = seen = 0
    for step in search.steps:
        if step.episode.case.x_dtype not in other.compute or step.episode.size > 20_000:
            continue
        allowed = allowed_by(step, other)
        ratios = [np.median(allowed[n] / (step.allowed[n] + 1e-300), axis=1) for n in step.got if step.got[n].shape[1]]
        if not ratios:
            continue
        should = np.max(ratios, axis=0) > SHOWS
        expected += int(should.sum())
        seen += int((should & (step.deviation > 1)).sum())
    return expected, seen
