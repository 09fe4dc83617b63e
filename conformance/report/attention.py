"""What needs attention in a report: failures by the mistake that explains them, then by cause, and what is missing.

Works on a report as data (`data.to_json`), so that a run and `bnconform show` say the same.
"""

from collections import defaultdict
from dataclasses import dataclass

from ..records import FAILED

NO_NAME = ("unexplained", "no diagnosis", "open")  # what a diagnosis begins with that names nothing


@dataclass(frozen=True)
class Group:
    """Failing outputs that belong together. text: the diagnosis, or the cause. rows: of the report, the worst first."""

    text: str
    rows: tuple[dict, ...]

    @property
    def cases(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row["case"] for row in self.rows))

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs, without their step."""
        return tuple(dict.fromkeys(row["output"].rpartition(".")[2] for row in self.rows))


def rows_of(report: dict, implementation: str) -> list[dict]:
    """The results of one implementation."""
    return [row for row in report["results"] if row["implementation"] == implementation]


def named(rows: list[dict]) -> list[Group]:
    """Failures by the diagnosis that names their mistake: the one that explains most first."""
    return _groups((row for row in _failures(rows) if _is_named(row)), lambda row: row["diagnosis"])


def open_causes(rows: list[dict]) -> list[Group]:
    """Failures that no diagnosis names, by status, kind and output."""
    left = (row for row in _failures(rows) if not _is_named(row))
    return _groups(left, lambda row: f"{row['status']}: {row['kind']} in {row['output'].rpartition('.')[2]}")


def missing(rows: list[dict]) -> Group | None:
    """Outputs that are declared and were not returned."""
    found = [row for row in rows if row["kind"] == "missing" and row["status"] in FAILED]
    return Group("not returned", tuple(found)) if found else None


def by_reason(rows: list[dict], status: str) -> list[Group]:
    """Outputs of that status ("deviates", "unsupported") by their reason, the commonest first."""
    return _groups((row for row in rows if row["status"] == status), lambda row: row["message"])


def _failures(rows):
    """What was not returned hides nothing: it is told apart (`missing`)."""
    return (row for row in rows if row["status"] in FAILED and row["kind"] != "missing")


def _is_named(row):
    return bool(row["diagnosis"]) and not row["diagnosis"].startswith(NO_NAME)


def _groups(rows, key):
    found = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    groups = [Group(text, tuple(sorted(members, key=_badness, reverse=True))) for text, members in found.items()]
    return sorted(groups, key=lambda group: (-len(group.rows), group.text))


def _badness(row):
    score = row["score"]
    return float("inf") if score == "inf" else -1.0 if score is None else score
