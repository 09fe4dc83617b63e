"""The kill matrix as tables of the report: mutants with what kills them, cases with how many they kill."""

from . import mutants
from .kills import Kills


def tables(kills: Kills | None = None) -> list[dict]:
    """Two tables of words, {title, head, rows}: one row a mutant, one row a case."""
    kills = kills or Kills.load()
    by_mutant = [
        (name, mutant.diagnosis, mutant.clause, mutant.says, str(len(kills.matrix[name])))
        for name, mutant in mutants().items()
    ]
    by_case = [(case, str(len(names)), ", ".join(kills.telling(case))) for case, names in kills.by_case.items()]
    return [
        {
            "title": f"{len(by_mutant)} mutants: wrong implementations, and how many cases kill each",
            "head": ("mutant", "name", "clause", "what is wrong", "cases that kill"),
            "rows": by_mutant,
        },
        {
            "title": f"{len(by_case)} cases, and the mutants that each kills",
            "head": ("case", "mutants killed", "among them, those that few others kill"),
            "rows": by_case,
        },
    ]
