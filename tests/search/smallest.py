"""How small the smallest problem is that shows a mistake: each listed mutant searched for, and what is found shrunk.

python -m search.smallest [EVERY]       every EVERY-th mutant; a line each, then the shares
"""

import sys
import time
from types import SimpleNamespace

import numpy as np

from bnconform.conformance.mistakes import mutants
from bnconform.conformance.run.observe import observe
from bnconform.conformance.search import edits
from bnconform.conformance.search.hunt import Search
from bnconform.conformance.search.shrink import shrink


class Here:
    """A backend class that answers in this process, in place of a worker."""

    def __init__(self, name: str, backend: type):
        self.name, self.backend = name, backend
        self.hello = SimpleNamespace(conventions=backend.conventions, compiles=False, script={}, version="")

    def ask(self, draft, twice=False):
        with np.errstate(all="ignore"):
            return observe(draft.case, self.backend, {name: value.copy() for name, value in draft.tensors.items()})


def smallest(name: str, backend: type, seconds: float = 20.0, seed: int = 0):
    """(values of the smallest problem, its case, seconds to find, seconds to shrink); None where nothing is found."""
    search, started = Search(Here(name, backend), seed), time.process_time()
    while not search.finds and time.process_time() - started < seconds:
        search.step()
    if not search.finds:
        return None
    found, find = time.process_time(), search.finds[0]
    small = shrink(search.asker, search.conventions, find.draft, find.verdicts[0], 30.0)
    return edits.count(small), small.case, found - started, time.process_time() - found


if __name__ == "__main__":
    every, rows = int((sys.argv[1:] or ["1"])[0]), []
    for name, mutant in list(mutants().items())[::every]:
        row = smallest(name, mutant.backend)
        rows.append(row)
        print(
            name,
            "not found" if row is None else f"{row[0]} values {row[1].shape} {row[2]:.1f} s {row[3]:.1f} s",
            flush=True,
        )
    values = [row[0] for row in rows if row]
    few = sum(count <= 8 for count in values)
    print(f"{len(values)} of {len(rows)} found; {few} of these, {few / len(values):.1%}, need at most 8 values")
