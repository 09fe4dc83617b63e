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

    @property
    def count(self) -> str:
        """How many, in words.

        >>> Group("", ({"case": "shapes/dense", "output": "0.y"}, {"case": "shapes/dense", "output": "1.y"})).count
        '2 outputs of 1 case'
        """
        outputs, cases = len(self.rows), len(self.cases)
        return f"{outputs} output{'s' * (outputs > 1)} of {cases} case{'s' * (cases > 1)}"


@dataclass(frozen=True)
class Attention:
    """What is wrong with one implementation. total: failing outputs."""

    total: int
    named: tuple[Group, ...]
    left: tuple[Group, ...]
    missing: Group | None

    @property
    def first(self) -> dict:
        """The row to look at first."""
        return next(group.rows[0] for group in (*self.named, *self.left, self.missing) if group)


def examined(rows: list[dict]) -> Attention:
    """The failures of one implementation: by mistake, by cause, and what is missing."""
    total = sum(row["status"] in FAILED for row in rows)
    return Attention(total, tuple(named(rows)), tuple(open_causes(rows)), missing(rows))


def reproduce(implementation: dict, case: str) -> tuple[str, ...]:
    """The commands that show a case again."""
    again = () if implementation["device"] == "files" else (f"bnconform run {implementation['name']} -k {case}",)
    return *again, f"bnconform explain {case}"


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
