"""Which case kills which mutant: the matrix, computed through the way of every case, and kept in kills.json."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..compare import expectation, judge
from ..golden import Golden
from ..observe import observe
from ..records import Case

PATH = Path(__file__).parent / "kills.json"
LEAST = 5.0  # the best killing score of a mutant must be at least this
SURE = 2.0  # a kill below this may come and go with the machine's order of summation

INFINITE = float("inf")


def score_of(verdicts) -> float:
    """How clearly the verdicts of one case kill: the largest score, infinity for what no number says, 0 for no kill.

    Shape, type, missing output, an exception, a silent error and a changed input count as infinite.
    """
    lost = [verdict for verdict in verdicts if verdict.status in ("fail", "crashed", "timed out")]
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
        return score_of(judge("mutant", observation, case, self.golden, backend.conventions, self._expected(case, backend)))

    def _expected(self, case, backend):
        if case.raises:
            return None
        key = case.id, repr(backend.conventions)
        if key not in self.expected:
            self.expected[key] = expectation(case, self.golden, backend.conventions)
        return self.expected[key]

    def scores(self, backend: type) -> dict[str, float]:
        """Killing score of every case that kills."""
        with np.errstate(all="ignore"):
            found = {name: self.score(backend, case) for name, case in self.cases.items()}
        return {name: score for name, score in found.items() if score > 0}


@dataclass(frozen=True)
class Kills:
    """The matrix: mutant -> case -> score; a case that is not there does not kill."""

    matrix: dict[str, dict[str, float]]

    @classmethod
    def load(cls, path: Path = PATH) -> "Kills":
        data = json.loads(path.read_text())
        rows = {name: zip(data["cases"], scores, strict=True) for name, scores in data["kills"].items()}
        return cls({name: {case: INFINITE if s < 0 else s for case, s in row if s} for name, row in rows.items()})

    def write(self, cases, path: Path = PATH) -> None:
        """One line a mutant, its scores in the order of `cases`, to two digits: 0 does not kill, -1 is infinity."""
        text = {name: ",".join(_short(row.get(case, 0)) for case in cases) for name, row in self.matrix.items()}
        rows = ",\n".join(f'"{name}": [{scores}]' for name, scores in text.items())
        path.write_text(f'{{"cases": {json.dumps(list(cases))},\n"kills": {{\n{rows}\n}}}}\n')

    @cached_property
    def by_case(self) -> dict[str, tuple[str, ...]]:
        """case -> mutants it kills."""
        found = {}
        for name, row in self.matrix.items():
            for case in row:
                found.setdefault(case, []).append(name)
        return {case: tuple(names) for case, names in found.items()}

    def best(self, name: str, cases=None) -> float:
        """Best killing score of a mutant, among `cases` where given; 0 if it survives."""
        row = self.matrix[name]
        return max((score for case, score in row.items() if cases is None or case in cases), default=0.0)

    def differences(self, other: "Kills") -> list[str]:
        """What the two matrices do not agree on, beyond scores near the limit."""
        lines = []
        for name in sorted(self.matrix.keys() | other.matrix.keys()):
            mine, theirs = self.matrix.get(name), other.matrix.get(name)
            if mine is None or theirs is None:
                lines.append(f"{name}: in one matrix only")
                continue
            sure = {case for row, rest in ((mine, theirs), (theirs, mine)) for case, s in row.items() if s >= SURE and case not in rest}
            lines += [f"{name}: {case} kills in one matrix only" for case in sorted(sure)]
        return lines


def _short(score):
    return f"{score:.1e}".replace("e+0", "e").replace("e+", "e") if 0 < score < INFINITE else "-1" if score else "0"


def broken_rules(kills: Kills, cases: dict[str, Case]) -> list[str]:
    """Sentences on what the suite must hold and does not: every mutant killed in full and in quick, clearly; every case kills."""
    quick = {name for name, case in cases.items() if case.quick}
    lines = []
    for name in kills.matrix:
        full, fast = kills.best(name), kills.best(name, quick)
        if full < LEAST:
            lines.append(f"{name}: best killing score {full:.3g}, expected at least {LEAST:g}")
        if fast <= 1:
            lines.append(f"{name}: survives the quick cases")
    idle = [case for case in cases if not kills.by_case.get(case)]
    return lines + [f"{case}: kills no mutant" for case in idle]
