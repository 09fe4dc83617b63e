"""The museum: real bugs of batch normalization, and what in the suite stands for each.

`museum.json` has one entry a bug: id, project, reference, class, says; then the mutant that repeats it and a case that
kills that mutant, or the reason why the suite cannot express it.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PATH = Path(__file__).parent / "museum.json"


@dataclass(frozen=True)
class Exhibit:
    """One real bug. Either mutant and case are given, or reason."""

    id: str
    project: str
    reference: str
    kind: str
    says: str
    mutant: str | None = None
    case: str | None = None
    reason: str | None = None

    @property
    def link(self) -> str:
        """The reference without its scheme and host, short enough for a table.

        >>> Exhibit("a", "b", "https://github.com/onnx/onnx/pull/3415", "dtype", "…").link
        'onnx/onnx/pull/3415'
        """
        return self.reference.split("://", 1)[-1].removeprefix("github.com/")

    @property
    def answer(self) -> str:
        """What the suite has for it."""
        return f"{self.mutant} is killed by {self.case}" if self.mutant else f"not expressed: {self.reason}"


@cache
def entries() -> tuple[Exhibit, ...]:
    """All exhibits, in the order of the file."""
    rows = json.loads(PATH.read_text())
    return tuple(Exhibit(**{"kind" if key == "class" else key: value for key, value in row.items()}) for row in rows)


def of_mutant(name: str) -> tuple[Exhibit, ...]:
    """The bugs that a mutant stands for."""
    return tuple(exhibit for exhibit in entries() if exhibit.mutant == name)


def as_words() -> dict:
    """The museum as a table of words for the report, {title, head, rows}; a cell with a link is (text, address)."""
    caught = sum(1 for e in entries() if e.mutant)
    return {
        "title": f"The museum: {len(entries())} real bugs; a mutant repeats {caught} of them, and a case kills it",
        "head": ("id", "project", "what happened", "in this suite"),
        "rows": [(e.id, (e.project, e.reference), e.says, e.answer) for e in entries()],
    }


def table():
    """The museum as a rich table for the terminal."""
    from rich.table import Table

    found = Table("id", "project", "reference", "what happened", "in this suite")
    for exhibit in entries():
        found.add_row(exhibit.id, exhibit.project, exhibit.link, exhibit.says, exhibit.answer)
    return found
