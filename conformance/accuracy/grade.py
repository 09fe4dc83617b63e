"""How accurate each implementation is, by output and conditioning, and what its variance must be: from verdicts alone.

grades = grade(verdicts)                      # Verdict records, or the dicts of a report's `results`
errors = largest_errors(verdicts)             # what a chart of it shows
"""

import re
from collections import defaultdict
from functools import lru_cache

import numpy as np

from bnconform.backends.contract import Conventions

from ..golden.store import Golden
from ..judge.allowances import allowances

DECADE = re.compile(r"^conditioning/ratio-1e(\d)-")
DRAWN = ("y", "dx", "running_var")

# Strict scores of the variance where mean / std is 1e2, 1e3 and 1e4. A one-pass variance errs like the square of
# mean / std and passes 100; sums one after the other and merged moments err like its first power at most.
ONE_PASS, TWO_PASS = 100.0, 1.0


def _field(verdict, name):
    value = verdict[name] if isinstance(verdict, dict) else getattr(verdict, name)
    return float("inf") if value == "inf" else value


def _measured(verdicts):
    """(implementation, output, decade, strict score, error) of every measured verdict of the conditioning cases."""
    for verdict in verdicts:
        found = DECADE.match(_field(verdict, "case"))
        score = _field(verdict, "strict_score")
        if found and score is not None:
            output = _field(verdict, "output").split(".", 1)[1]
            yield _field(verdict, "implementation"), output, int(found[1]), score, _field(verdict, "error")


def grade(verdicts) -> dict:
    """Implementation -> {"variance": ..., "outputs": {output: {decade: {"worst", "median", "count"}}}}.

    Scores are strict: against a two-pass variance and pairwise sums, whatever the implementation declares. decade:
    exponent of mean / standard deviation. variance: "two-pass", "one-pass", "between" (sequential sums or merged
    moments), or "unknown" where no variance was measured.
    """
    scores = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for name, output, decade, score, _ in _measured(verdicts):
        scores[name][output][decade].append(score)
    return {
        name: {
            "variance": _variance(outputs),
            "outputs": {
                output: {
                    decade: {"worst": max(values), "median": float(np.median(values)), "count": len(values)}
                    for decade, values in sorted(decades.items())
                }
                for output, decades in sorted(outputs.items())
            },
        }
        for name, outputs in scores.items()
    }


def _variance(outputs) -> str:
    """What the variance must be, from the scores of batch_var or running_var."""
    seen = [
        score
        for name in ("batch_var", "running_var")
        for decade in (2, 3, 4)
        for score in outputs.get(name, {}).get(decade, ())
    ]
    if not seen:
        return "unknown"
    worst = max(seen)
    return "one-pass" if worst > ONE_PASS else "two-pass" if worst <= TWO_PASS else "between"


@lru_cache(maxsize=4)
def allowance_curve(output: str, compute: str = "float32") -> dict[int, float]:
    """Decade -> largest strict allowance of an output of the first step, over the conditioning cases."""
    golden, found = Golden(), defaultdict(float)
    conventions = Conventions(running_ddof=1, compute=dict.fromkeys(("float32",), compute))
    for case in golden.cases.values():
        decade = DECADE.match(case.id)
        if decade and f"0.{output}" in case.outputs():
            allowed = allowances(case, golden.inputs(case), conventions, golden.wanted(case, 1))[f"0.{output}"].element
            found[int(decade[1])] = max(found[int(decade[1])], float(np.max(allowed)))
    return dict(found)


def largest_errors(verdicts) -> dict:
    """Output of those drawn -> implementation -> decade -> largest error."""
    worst = defaultdict(lambda: defaultdict(lambda: defaultdict(float)))
    for name, output, decade, _, error in _measured(verdicts):
        if output in DRAWN and error is not None:
            worst[output][name][decade] = max(worst[output][name][decade], error)
    return worst
