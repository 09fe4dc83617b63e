"""The kill matrix as a page of the report: mutants with what kills them, cases with how many they kill."""

from html import escape

from . import mutants
from .kills import INFINITE, Kills


def words(score: float) -> str:
    """A killing score to two digits; "certain" where no number says it.

    >>> words(12345.0), words(float("inf"))
    ('1.2e+04', 'certain')
    """
    return "certain" if score == INFINITE else f"{score:.2g}"


def render(kills: Kills | None = None) -> str:
    """HTML fragment: one row a mutant, one row a case."""
    kills = kills or Kills.load()
    known = mutants()
    by_mutant = [
        (name, mutant.diagnosis, mutant.clause, mutant.says, len(kills.matrix[name]), words(kills.best(name)))
        for name, mutant in known.items()
    ]
    by_case = [(case, len(names), ", ".join(kills.telling(case))) for case, names in kills.by_case.items()]
    return (
        f"<h2>Mutants</h2>\n<p>{len(known)} wrong implementations, {len(by_case)} cases: each mutant is killed, each case kills.</p>\n"
        + _table(("mutant", "name", "clause", "what is wrong", "cases that kill", "best score"), by_mutant)
        + _table(("case", "mutants killed", "among them, those that few others kill"), by_case)
    )


def _table(head, rows):
    """An HTML table of plain text."""
    cells = lambda tag, row: "<tr>" + "".join(f"<{tag}>{escape(str(value))}</{tag}>" for value in row) + "</tr>"
    body = "\n".join(cells("td", row) for row in rows)
    return f"<table>\n<thead>{cells('th', head)}</thead>\n<tbody>\n{body}\n</tbody>\n</table>\n"
