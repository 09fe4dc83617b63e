"""Mistakes of arithmetic: how far rounding may carry, where no single value can be predicted.

A wider allowance explains a failure only if it holds everywhere and is not idle: some error must reach a good part of
it.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from ..judge.allowances import allowances

STATISTICS = ("batch_mean", "batch_var", "running_mean", "running_var")
TELLING = 2  # cases in which the wider allowance still says something
IDLE = 1e-4  # an error that never comes near the wider allowance is not explained by it
NARROWER = {"float64": ("float64", "float32", "bfloat16", "float16"), "float32": ("float32", "bfloat16", "float16")}


@dataclass(frozen=True)
class Bound:
    """Arithmetic of another kind than declared; what it may give is an interval around the exact value."""

    name: str
    text: str
    variance: str
    compute: str
    only: str = ""  # type of x that it concerns
    detail: dict = field(default_factory=dict)
    parts: tuple = ()
    complexity: tuple = (1, 5)

    def fits(self, question):
        """Largest error over this kind's allowance."""
        if question.raised or self.only and question.case.x_dtype != self.only:
            return np.inf
        allowed = self._allowed(question)
        gone = self.gone(question, allowed)
        scores = [self._score(question, name, allowed[name], gone) for name in question.failed if name in question.got]
        return max(scores, default=np.inf)

    def _allowed(self, question):
        declared = question.conventions
        kind = self.compute or declared.compute[question.case.x_dtype]
        wider = replace(declared, variance=self.variance, compute={**declared.compute, question.case.x_dtype: kind})
        found = allowances(question.case, question.inputs, wider, question.wanted)
        return {name: value.element for name, value in found.items()}

    def gone(self, question, allowed=None):
        """Whether nothing can be said of this case under such arithmetic."""
        if allowed is None:
            allowed = self._allowed(question)
        return collapses(question, allowed, self.compute or question.conventions.compute[question.case.x_dtype])

    @np.errstate(all="ignore")
    def _score(self, question, name, allowed, gone):
        got, want = question.got[name], question.exact[name]
        allowed = np.broadcast_to(allowed, want.shape)
        stored = want.astype(question.wanted[name][0].dtype).astype(np.float64)
        same = (got == stored) | np.isnan(got) & np.isnan(want)
        error = np.where(same, 0.0, np.abs(got - want))
        score = error / allowed
        if (
            gone
        ):  # a variance that may come out negative has no root, a sum that overflows no value: anything may follow
            score = np.minimum(np.where(np.isnan(score), np.inf, score), 0.5)
        return float(np.max(np.where(np.isnan(score), np.inf, score), initial=0.0))

    def score(self, questions):
        return max((self.fits(q) for q in questions), default=0.0)


LARGEST = {"float16": 65504.0, "float32": 3.4e38, "bfloat16": 3.4e38, "float64": 1.8e308}


@np.errstate(all="ignore")
def collapses(question, allowed, kind):
    """Whether the variance may lose every digit, or a sum of squares the range of the type, somewhere in this case."""
    for name, exact in question.exact.items():
        if name.endswith(("batch_var", "running_var")) and np.any(
            np.broadcast_to(allowed[name], exact.shape) >= 0.5 * np.abs(exact)
        ):
            return True
    squares = (np.sum(np.asarray(a, np.float64) ** 2) for name, a in question.inputs.items() if name.endswith(".x"))
    return max(squares, default=0.0) > LARGEST[kind]


def bounds(question):
    """Kinds of arithmetic to try, the closest to what was declared first."""
    declared = question.conventions.compute[question.case.x_dtype]
    if question.conventions.variance == "two-pass":
        yield Bound(
            "VARIANCE_CANCELLATION",
            "the variance is E[x^2] - E[x]^2, which cancels where the mean is large; two passes are declared [BN-2.2]",
            "one-pass",
            "",
            detail={"got": "one-pass", "expected": "two-pass"},
        )
    statistics = any(name.split(".", 1)[-1] in STATISTICS for name in question.failed)
    for kind in NARROWER.get(declared, ())[1:]:
        if statistics and declared != "float64":
            yield Bound(
                "LOW_PRECISION_ACCUMULATION",
                f"sums are kept in {kind}, expected {declared} [BN-2.1]",
                question.conventions.variance,
                kind,
                detail={"got": kind, "expected": declared},
            )
            continue
        yield Bound(
            "LOW_PRECISION_ARITHMETIC",
            f"computed in {kind}, expected {declared} [BN-8.2]",
            question.conventions.variance,
            kind,
            detail={"got": kind, "expected": declared},
        )


def explaining(asked, failing):
    """The first kind of arithmetic that covers every failing case, as a list of one explanation, or nothing."""
    from .explanation import combined

    found = next((b for b in bounds(failing[0]) if _holds(b, failing)), None)
    return [combined(found, failing)] if found else []


def _holds(bound, failing):
    telling = []
    for question in failing:
        score = bound.fits(question)
        if score > 1:
            return False
        if not bound.gone(question):
            telling.append(score)
    return len(telling) >= TELLING and max(telling) > IDLE


def partial(asked, failing):
    """(kind of arithmetic, cases it covers) for those that cover at least two."""
    found = []
    for bound in (
        b for b in bounds(failing[0]) if not b.compute
    ):  # a narrower type covers too much to be named for a part
        covered = [q for q in failing if bound.fits(q) <= 1]
        if covered and _holds(bound, covered):
            found.append((bound, covered))
    return found
