"""Which case kills which mutant: the matrix as it is kept in kills.json, and the rules it must obey."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PATH = Path(__file__).parent / "kills.json"
CLEAR = 5.0  # a score from which a case counts as killing
MARGIN = 2.0  # machines order their sums otherwise: a score this near to CLEAR may fall on either side of it

INFINITE = float("inf")


@dataclass(frozen=True)
class Kills:
    """The matrix: mutant -> the cases that kill it clearly, in their own order."""

    matrix: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, scores: dict[str, dict[str, float]]) -> "Kills":
        """From the score of each case for each mutant."""
        return cls({name: tuple(case for case, score in row.items() if score >= CLEAR) for name, row in scores.items()})

    @classmethod
    def load(cls, path: Path = PATH) -> "Kills":
        rows = json.loads(path.read_text())
        spread = lambda row: (f"{family}/{name}" for family, names in row.items() for name in names.split())
        return cls({mutant: tuple(spread(row)) for mutant, row in rows.items()})

    def write(self, path: Path = PATH) -> None:
        """One line a mutant: family -> the names of its cases that kill."""
        lines = []
        for mutant, cases in self.matrix.items():
            families = {}
            for family, name in (case.split("/", 1) for case in cases):
                families.setdefault(family, []).append(name)
            row = {family: " ".join(names) for family, names in families.items()}
            lines.append(f"{json.dumps(mutant)}: {json.dumps(row)}")
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n")

    @cached_property
    def by_case(self) -> dict[str, tuple[str, ...]]:
        """case -> mutants it kills."""
        found = {}
        for name, cases in self.matrix.items():
            for case in cases:
                found.setdefault(case, []).append(name)
        return {case: tuple(names) for case, names in found.items()}

    def telling(self, case: str, count: int = 5) -> tuple[str, ...]:
        """Of the mutants that a case kills those that fewest cases kill."""
        return tuple(sorted(self.by_case.get(case, ()), key=lambda name: (len(self.matrix[name]), name))[:count])

    def differences(self, scores: dict[str, dict[str, float]]) -> list[str]:
        """What scores computed anew do not agree on, beyond those near the limit."""
        lines = [f"{name}: in one matrix only" for name in sorted(self.matrix.keys() ^ scores.keys())]
        for name in self.matrix.keys() & scores.keys():
            mine, row = set(self.matrix[name]), scores[name]
            lines += [f"{name}: {case} does not kill any more" for case in mine if row.get(case, 0) < CLEAR / MARGIN]
            lines += [f"{name}: {case} kills now" for case, s in row.items() if s > CLEAR * MARGIN and case not in mine]
        return sorted(lines)


def broken_rules(kills: Kills, cases, at_size=()) -> list[str]:
    """Sentences on what does not hold: each mutant killed in full, and in quick unless it shows `at_size` alone; each
    case (by id) kills; all exist."""
    lines = []
    for name, row in kills.matrix.items():
        known = [case for case in row if case in cases]
        lines += [f"{name}: {case} is no case" for case in row if case not in cases]
        if not known:
            lines.append(f"{name}: survives")
        elif name not in at_size and not any(cases[case].quick for case in known):
            lines.append(f"{name}: survives the quick cases")
    return lines + [f"{case}: kills no mutant" for case in cases if case not in kills.by_case]
