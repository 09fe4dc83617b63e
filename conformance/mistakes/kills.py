"""Which case kills which mutant: the matrix as it is kept in kills.json, and the rules it must obey."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PATH = Path(__file__).parent / "kills.json"
LEAST = 5.0  # the best killing score of a mutant must be at least this
SURE = 2.0  # a kill below this may come and go with the machine's order of summation

INFINITE = float("inf")


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

    def telling(self, case: str, count: int = 5) -> tuple[str, ...]:
        """The mutants that a case must kill: of those it surely kills, the ones that fewest cases kill."""
        sure = [name for name in self.by_case.get(case, ()) if self.matrix[name][case] >= LEAST]
        return tuple(sorted(sure, key=lambda name: (len(self.matrix[name]), name))[:count])

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
            sure = {
                case
                for row, rest in ((mine, theirs), (theirs, mine))
                for case, s in row.items()
                if s >= SURE and case not in rest
            }
            lines += [f"{name}: {case} kills in one matrix only" for case in sorted(sure)]
        return lines


def _short(score):
    return f"{score:.1e}".replace("e+0", "e").replace("e+", "e") if 0 < score < INFINITE else "-1" if score else "0"


def broken_rules(kills: Kills, cases) -> list[str]:
    """Sentences on what does not hold: each mutant killed in full, clearly, and in quick; each case (by id) kills."""
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
