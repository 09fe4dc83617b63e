"""How well diagnosis does, on three sets kept apart: the listed mutants, points and pairs drawn from the grammar, foreign layers.

python -m bnconform.conformance.diagnosis.figures                        measure all, write figures.json and README.md
python -m bnconform.conformance.diagnosis.figures listed [NAME ...]      one set, or some of it, on the screen
    --foreign FOLDER   where the foreign layers are (tests/foreign)
"""

import re
import time

import numpy as np

from ..golden.store import Golden
from ..judge.compare import expectation, judge
from ..records import FAILED
from ..run.observe import observe
from . import explain
from .explanation import UNEXPLAINED


class Kept:
    """Golden values that are looked up once, as each implementation asks for all of them again."""

    def __init__(self):
        self.golden, self.kept = Golden(), {}
        self.folder, self.cases = self.golden.folder, self.golden.cases

    def _once(self, key, make):
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    def inputs(self, case):
        make = lambda: self.golden.inputs(case)
        found = make() if case.large else self._once(case.id, make)
        return {name: array.copy() for name, array in found.items()}

    def wanted(self, case, running_ddof):
        make = lambda: self.golden.wanted(case, running_ddof)
        return make() if case.large else self._once((case.id, running_ddof), make)

    def expectation(self, case, conventions):
        return self._once((case.id, repr(conventions)), lambda: expectation(case, self, conventions))


@np.errstate(all="ignore")
def diagnose(backend, golden, among=lambda case: not case.large):
    """(explanations, seconds of the diagnosis) of a backend that is run on some cases; asked further problems as a run would."""
    observations, failed = {}, []
    for case in golden.cases.values():
        if among(case):
            seen = observe(case, backend, golden.inputs(case))
            expected = None if case.raises or case.law else golden.expectation(case, backend.conventions)
            verdicts = judge("it", seen, case, golden, backend.conventions, expected)
            lost = [v for v in verdicts if v.status in FAILED]
            failed += lost
            if lost or case.quick:  # what a run keeps
                observations[case.id] = seen
    started = time.process_time()
    ask = lambda draft: observe(draft.case, backend, {n: a.copy() for n, a in draft.tensors.items()})
    return explain("it", failed, observations, golden, backend.conventions, ask), time.process_time() - started


def names_of(explanations) -> set[str]:
    """All names that were given, one by one."""
    return {part for e in explanations for part in e.name.split(" + ")}


def verdict(names, accepted) -> str:
    """ "right", "open" (no wrong name, but not all of the right ones) or "wrong".

    accepted(name) -> whether a name may be given; names: those given, "unexplained" among them.
    """
    given = names - {UNEXPLAINED}
    if any(not accepted(name) for name in given):
        return "wrong"
    return "right" if given and UNEXPLAINED not in names else "open"


def accepts(patterns, sentence, name) -> bool:
    """Whether a label's names accept a name: by itself, or by a pattern found in the sentence."""
    return any(name == p if re.fullmatch(r"[A-Z0-9_ +]+", p) else re.search(p, sentence, re.I) for p in patterns)
