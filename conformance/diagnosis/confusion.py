"""Does diagnosis find the right name? Every mutant is run, explained, and compared with what it is.

python -m bnconform.conformance.diagnosis.confusion            measure all mutants, write confusion.json and README.md
python -m bnconform.conformance.diagnosis.confusion NAME ...   explain these mutants on the screen
"""

import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from ..golden.store import Golden
from ..judge.compare import judge
from ..run.observe import observe
from .search import explain

FOLDER = Path(__file__).parent
PROCESSES = 2


def diagnose(backend, golden: Golden):
    """Explanations of a backend that is run on all cases."""
    observations, failed = {}, []
    for case in golden.cases.values():
        seen = observations[case.id] = observe(case, backend, golden.inputs(case))
        failed += [
            v
            for v in judge("mutant", seen, case, golden, backend.conventions)
            if v.status not in ("pass", "unsupported")
        ]
    return explain("mutant", failed, observations, golden, backend.conventions)


def named(explanations) -> str:
    """What the explanations say, in one expression."""
    return " + ".join(sorted({part for e in explanations for part in e.name.split(" + ")})) or "none"


def verdict(expected: str, got: str) -> str:
    """ "exact", "unexplained" (no wrong name, but not all of the right ones) or "wrong"."""
    wanted, found = set(expected.split(" + ")), set(got.split(" + "))
    if wanted == found:
        return "exact"
    return "unexplained" if found - {"unexplained"} <= wanted else "wrong"


def measure(names, tell=False):
    """name -> row of the table for these mutants; a line on the screen as each is done, with `tell` all that was
    said."""
    from ..mistakes import mutants

    golden, rows = Kept(), {}
    for name, mutant in mutants().items():
        if name not in names:
            continue
        started = time.perf_counter()
        found = diagnose(mutant.backend, golden)
        got = named(found)
        rows[name] = {"expected": mutant.diagnosis, "got": got, "verdict": verdict(mutant.diagnosis, got)}
        print(
            f"{rows[name]['verdict']:12s} {name:40s} {mutant.diagnosis} -> {got} ({time.perf_counter() - started:.1f} s)",
            flush=True,
        )
        for explanation in found if tell else ():
            print(
                f"    {explanation.text}\n    {explanation.score_before} -> {explanation.score_after}, {len(explanation.cases)} cases"
            )
    return rows


class Kept:
    """Golden values that are looked up once, as each mutant asks for all of them again."""

    def __init__(self):
        self.golden, self.kept = Golden(), {}
        self.folder, self.cases = self.golden.folder, self.golden.cases

    def _once(self, key, make):
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    def inputs(self, case):
        found = self._once(case.id, lambda: self.golden.inputs(case))
        return {name: array.copy() for name, array in found.items()}

    def wanted(self, case, running_ddof):
        return self._once((case.id, running_ddof), lambda: self.golden.wanted(case, running_ddof))


def summary(rows) -> dict[str, int]:
    """How many are named exactly, not named, named wrongly."""
    return {kind: sum(row["verdict"] == kind for row in rows.values()) for kind in ("exact", "unexplained", "wrong")}


def page(rows) -> str:
    """README.md: what diagnosis finds for each mutant."""
    counts = summary(rows)
    lines = [
        "# Does diagnosis find the right name?",
        "",
        f"Every mutant was run on all cases and explained: of {len(rows)}, {counts['exact']} are named exactly "
        f"({100 * counts['exact'] / len(rows):.1f} %), {counts['unexplained']} get no wrong name but not the whole right one, {counts['wrong']} a wrong one.",
        "",
        "    python -m bnconform.conformance.diagnosis.confusion     measure again, and write this page",
        "",
        "## Confusion",
        "",
        "| is | named | mutants |",
        "|---|---|---|",
    ]
    pairs = {}
    for name, row in rows.items():
        pairs.setdefault((row["expected"], row["got"]), []).append(name)
    for (expected, got), names in sorted(pairs.items(), key=lambda item: (item[0][0] == item[0][1], item[0])):
        shown = ", ".join(names) if expected != got else str(len(names))
        lines.append(f"| {expected} | {got if expected != got else 'the same'} | {shown} |")
    return "\n".join(lines) + "\n"


def main(arguments):
    if arguments:
        measure(arguments, tell=True)
        return
    from ..mistakes import mutants

    names = list(mutants())
    with ProcessPoolExecutor(PROCESSES) as pool:
        parts = pool.map(measure, [names[k::PROCESSES] for k in range(PROCESSES)])
        measured = {name: row for part in parts for name, row in part.items()}
    rows = {name: measured[name] for name in names}
    (FOLDER / "confusion.json").write_text(json.dumps(rows, indent=1) + "\n")
    (FOLDER / "README.md").write_text(page(rows))


if __name__ == "__main__":
    main(sys.argv[1:])
