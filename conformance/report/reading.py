"""A report read back from its JSON file, whoever wrote it: every entry that the faces show is of its type."""

import json

from ..judge.levels import CELLS
from ..records import NUMBERS, STATUSES, SchemaError, Verdict
from ..text import line
from .data import SCHEMA

SUITE = {"version": str, "golden": str, "cases": int}
IMPLEMENTATION = {
    "name": str,
    "version": str,
    "device": str,
    "problem": str,
    "conventions": dict | None,
    "settings": dict,
    "summary": dict,
    "levels": dict,
    "repeatable": dict,
    "notes": list,
    "seconds": dict,
}
SUMMARY = dict.fromkeys((*STATUSES, "outputs", "cases"), int) | {
    "verdict": str,
    "worst_passing_score": int | float | None,
}
ROW = (
    dict.fromkeys(Verdict.__dataclass_fields__, str)
    | dict.fromkeys(NUMBERS, int | float | str | None)
    | {"mismatches": int, "count": int, "worst_index": list | None, "diagnosis": str | None, "reference": str | None}
)


class ReportError(Exception):
    """The file is no report of this suite."""


def load(path: str) -> dict:
    """A report as `--json` wrote it. Errors: ReportError."""
    try:
        with open(path, encoding="utf-8") as stream:
            report = json.load(stream)
        found = report["schema"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ReportError(f"cannot read {path} as a report: {type(error).__name__}: {line(error, 300)}") from None
    if found != SCHEMA:
        raise ReportError(f"{path} has schema {line(repr(found), 80)}, expected {SCHEMA!r}")
    try:
        _check(report)
    except SchemaError as error:
        raise ReportError(f"{path} {error}: it was written by another version, or by hand") from None
    return report


def _check(report):
    _typed(report, {"suite": dict, "machine": dict, "implementations": list, "results": list}, "")
    _typed(report["suite"], SUITE, "suite")
    for each in report["implementations"]:
        _typed(each, IMPLEMENTATION, "implementations")
        _typed(each["summary"], SUMMARY, "summary")
        _typed(each["repeatable"], {"cases": int, "differing": list}, "repeatable")
        _typed(each["seconds"], dict.fromkeys(each["seconds"], int | float), "seconds")
        if any(not isinstance(found, dict) or found.get("status") not in CELLS for found in each["levels"].values()):
            raise SchemaError("has a level without a status that is known")
    for row in report["results"]:
        _typed(row, ROW, "results")
        if row["status"] not in STATUSES or any(isinstance(row[n], str) and row[n] != "inf" for n in NUMBERS):
            raise SchemaError(f"has a result with status {row['status'][:80]!r} or a number that is none")


def _typed(entry, expected, where):
    """Errors: SchemaError unless the entry is an object that has all that is expected, each of its type."""
    if not isinstance(entry, dict):
        raise SchemaError(f"has {type(entry).__name__} in {where!r}, expected an object")
    for key, kind in expected.items():
        if key not in entry:
            raise SchemaError(f"lacks {key!r}")
        if not isinstance(entry[key], kind):
            raise SchemaError(f"has {type(entry[key]).__name__} as {key!r}")
