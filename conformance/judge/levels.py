"""Levels: what a porter climbs. Every output of every case belongs to one, by what the case asks.

inference, training, state, gradients    float32 or wider, ordinary numbers: the layer itself
precision                                hard numbers: conditioning, long sums, other types
robustness                               degenerate and non-finite input, memory orders, errors, what is not its own
extensions                               masks, shards, renormalization, folding, derivatives of derivatives
"""

from collections import Counter, defaultdict

from .. import operations
from ..records import FAILED, Case

LEVELS = ("inference", "training", "state", "gradients", "precision", "robustness", "extensions")
SHORT = ("infer", "train", "state", "grads", "prec", "rob", "ext")  # for a table of 80 columns

PRECISION = ("conditioning", "dtypes", "large")
ROBUSTNESS = ("degenerate", "nonfinite", "memory", "errors")

PASSED, KNOWN, FAILS, ABSENT = "passed", "passed with known differences", "failed", "not offered"
CELLS = {PASSED: "ok", KNOWN: "ok*", FAILS: "FAIL", ABSENT: "-"}


def level_of(case: Case, output: str) -> str:
    """The level of an output, `<step>.<name>`, or of "error", "inputs", "worker"."""
    step, _, name = output.partition(".")
    if not name or case.family in ROBUSTNESS:
        return "robustness"
    if (case.law or "").endswith("folding") or any(operations.features(each) for each in case.steps):
        return "extensions"
    if case.family in PRECISION:
        return "precision"
    if name in operations.STATE:
        return "state"
    if name in operations.GRADIENTS:
        return "gradients"
    if _trains(case.steps[int(step)]):
        return "training"
    return "state" if any(map(_trains, case.steps[: int(step)])) else "inference"  # y from statistics that have moved


def _trains(step):
    return operations.main(step).training


def within(case: Case, output: str, level: str | None) -> bool:
    """Whether a run up to that level judges the output; None is all of them.

    Whatever is told beside outputs (an input that was changed, a worker that was lost) always counts.
    """
    if level is None or output in ("inputs", "worker"):
        return True
    return LEVELS.index(level_of(case, output)) <= LEVELS.index(level)


def asks(case: Case, level: str | None) -> bool:
    """Whether a case asks anything up to that level; inference is asked of layers that cannot train, too."""
    trains = any(map(_trains, case.steps))
    return any(within(case, output, level) for output in case.outputs()) and not (trains and level == "inference")


def levels(verdicts, cases: dict[str, Case]) -> dict[str, dict]:
    """level -> {"status", and counts of outputs by status}, of the levels that the cases have.

    verdicts: of one implementation.
    """
    counts = defaultdict(Counter)
    for verdict in verdicts:
        counts[level_of(cases[verdict.case], verdict.output)][verdict.status] += 1
    return {level: {"status": _status(counts[level]), **counts[level]} for level in LEVELS if level in counts}


def _status(counts: Counter) -> str:
    if any(counts[status] for status in FAILED):
        return FAILS
    if counts["deviates"]:
        return KNOWN
    return PASSED if counts["pass"] else ABSENT
