"""The results of a report in the little that a page can carry: columns of numbers, every text once, compressed."""

import base64
import json
import zlib

from ..judge.levels import LEVELS, level_of
from ..records import STATUSES, Case
from ..text import clean

TEXTS = ("kind", "message", "diagnosis", "reference")
NONE = -1


class _Texts(dict):
    """text -> its number, in the order of first use; None is NONE."""

    def number(self, text: str | None) -> int:
        return NONE if not text else self.setdefault(text, len(self))


def packed(report: dict, cases: list[Case], tables: list[dict]) -> str:
    """Base64 of zlib of JSON: `columns` of a number a result each, and the lists that the numbers point into.

    cases: as far as the suite at hand knows those of the report. tables: of words, drawn when they are opened.
    """
    known = {case.id: case for case in cases}
    level = {(case.id, output): LEVELS.index(level_of(case, output)) for case in cases for output in case.outputs()}
    names, asked, outputs, texts = _Texts(), _Texts(), _Texts(), _Texts()
    columns = {name: [] for name in ("name", "case", "output", "status", "level", "score", "error", "worst", *TEXTS)}
    for row in report["results"]:
        worst = row["worst_index"]
        found = {
            "name": names.number(row["implementation"]),
            "case": asked.number(row["case"]),
            "output": outputs.number(row["output"]),
            "status": STATUSES.index(row["status"]),
            "level": level.get((row["case"], row["output"]), NONE),
            "score": _short(row["score"]),
            "error": _short(row["error"]),
            "worst": NONE if worst is None else texts.number(", ".join(map(str, worst))),
            **{name: texts.number(clean(row[name] or "")) for name in TEXTS},
        }
        for name, value in found.items():
            columns[name].append(value)
    everything = {
        "names": list(names),
        "devices": {each["name"]: each["device"] for each in report["implementations"]},
        "cases": [_told(name, known.get(name)) for name in asked],
        "outputs": list(outputs),
        "statuses": STATUSES,
        "levels": LEVELS,
        "texts": list(texts),
        "columns": columns,
        "tables": tables,
    }
    raw = json.dumps(everything, separators=(",", ":"), allow_nan=False).encode()
    return base64.b64encode(zlib.compress(raw, 9)).decode()


def _told(name, case):
    """[id, family, what it shows, clauses] of a case; of one that this suite does not have, what its name says."""
    return [name, case.family, case.says, ", ".join(case.clauses)] if case else [name, name.partition("/")[0], "", ""]


def _short(number):
    """Three digits are what a page shows; "inf" stays."""
    return float(f"{number:.3g}") if isinstance(number, int | float) else number
