"""Does diagnosis find the right name? Every mutant is run, explained, and compared with what it is.

    python -m bnconform.conformance.diagnosis.confusion            measure all mutants, write confusion.json and README.md
    python -m bnconform.conformance.diagnosis.confusion NAME ...   explain these mutants on the screen
"""

import json
import sys
import time
from pathlib import Path

from ..compare import judge
from ..golden import Golden
from ..observe import observe
from .search import explain

FOLDER = Path(__file__).parent


def diagnose(backend, golden: Golden):
    """Explanations of a backend that is run on all cases."""
    observations, failed = {}, []
    for case in golden.cases.values():
        seen = observations[case.id] = observe(case, backend, golden.inputs(case))
        failed += [v for v in judge("mutant", seen, case, golden, backend.conventions) if v.status not in ("pass", "unsupported")]
    return explain("mutant", failed, observations, golden, backend.conventions)


def named(explanations) -> str:
    """What the explanations say, in one expression."""
    return " + ".join(sorted({part for e in explanations for part in e.name.split(" + ")})) or "none"


def verdict(expected: str, got: str) -> str:
    """"exact", "unexplained" (no wrong name, but not all of the right ones) or "wrong"."""
    wanted, found = set(expected.split(" + ")), set(got.split(" + "))
    if wanted == found:
        return "exact"
    return "unexplained" if found - {"unexplained"} <= wanted else "wrong"


def main(arguments):
    from ..mutants import mutants

    golden, rows = Golden(), {}
    for name, mutant in mutants().items():
        if arguments and name not in arguments:
            continue
        started = time.perf_counter()
        found = diagnose(mutant.backend, golden)
        got = named(found)
        rows[name] = {"expected": mutant.diagnosis, "got": got, "verdict": verdict(mutant.diagnosis, got)}
        print(f"{rows[name]['verdict']:12s} {name:40s} {mutant.diagnosis:30s} -> {got}  {time.perf_counter() - started:.1f} s", flush=True)
        if arguments:
            for explanation in found:
                print("   ", explanation.text)
                print("   ", explanation.score_before, explanation.score_after, explanation.detail, len(explanation.cases), explanation.alternatives)
    if not arguments:
        (FOLDER / "confusion.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
