"""Judged implementations -> the report: JSON, tables of words, HTML, JUnit."""

import hashlib
import json
import platform
import re
from collections import Counter
from dataclasses import asdict

import bnconform

from ..judge.levels import levels
from ..records import FAILED, STATUSES, Case
from ..run.process import ABSENT
from ..run.schedule import Judged
from ..text import name

SCHEMA = "bnconform-report/1"

BAD = ("FAILS", "cannot be loaded", "nothing passed")  # verdicts that make a run fail

ADDRESS = re.compile(r"0x[0-9a-f]+")


def summarize(judged: Judged) -> dict:
    """Counts of outputs by status, number of cases, largest passing score."""
    counts = Counter(verdict.status for verdict in judged.verdicts)
    scores = [v.score for v in judged.verdicts if v.status == "pass" and v.score is not None]
    return {
        **{status: counts[status] for status in STATUSES},
        "outputs": len(judged.verdicts),
        "cases": len({verdict.case for verdict in judged.verdicts}),
        "worst_passing_score": max(scores, default=None),
        "verdict": verdict_of(judged, counts),
    }


def verdict_of(judged: Judged, counts: Counter) -> str:
    """One word for the table: "conforms", "conforms, with known differences (…)", "FAILS", "not installed", "no such
    device"."""
    if judged.hello.problem in ABSENT:
        return ABSENT[judged.hello.problem]
    if judged.hello.problem:
        return "cannot be loaded"
    if counts["fail"] + counts["crashed"] + counts["timed out"]:
        return "FAILS"
    if not counts["pass"]:
        return "nothing passed"
    if not counts["deviates"]:
        return "conforms"
    asked = counts.total() - counts["unsupported"]
    return f"conforms, with known differences ({counts['deviates']} of {asked} outputs excused)"


def exit_status(report: dict, named: bool) -> int:
    """0 if all is as expected. A missing framework or device counts only where the implementation was asked for by
    name; nothing judged is a failure."""
    verdicts = {implementation["summary"]["verdict"] for implementation in report["implementations"]}
    absent = set(ABSENT.values())
    bad = set(BAD) | (absent if named else set())
    return 1 if bad & verdicts or verdicts <= absent else 0


def to_json(results: list[Judged], cases: list[Case], golden) -> dict:
    """The report as plain data (`schema`, `implementations`, `results`)."""
    asked = {case.id: case for case in cases}
    return {
        "schema": SCHEMA,
        "suite": {"version": bnconform.__version__, "golden": golden.hash, "cases": len(cases)},
        "machine": machine(),
        "implementations": [
            {
                "name": name(judged.name),
                "version": judged.version,
                "device": judged.device,
                "problem": judged.hello.text,
                "conventions": judged.hello.conventions and asdict(judged.hello.conventions),
                "settings": judged.hello.settings,
                "summary": summarize(judged),
                "levels": levels(judged.verdicts, asked),
                "repeatable": {
                    "cases": len(judged.twice),
                    "differing": [f"{case} {output}" for case, outputs in judged.twice.items() for output in outputs],
                },
                "notes": notes(judged),
                "seconds": {key: round(value, 3) for key, value in judged.seconds.items()},
            }
            for judged in results
        ],
        "results": [
            verdict.to_json() | {"implementation": name(verdict.implementation)}
            for judged in results
            for verdict in judged.verdicts
        ],
    }


def notes(judged: Judged) -> list[str]:
    """What is no failure and should be known, in the words that every face uses."""
    failed = {(verdict.case, verdict.output) for verdict in judged.verdicts if verdict.status in FAILED}
    within = {case: [o for o in outputs if (case, o) not in failed] for case, outputs in judged.twice.items()}
    differing = {case: outputs for case, outputs in within.items() if outputs}
    if not differing:
        return []
    where = ", ".join(f"{case} {' '.join(outputs)}" for case, outputs in list(differing.items())[:3])
    more = f" and {len(differing) - 3} more cases" if len(differing) > 3 else ""
    return [f"not repeatable: right both times, but other bits when asked again: {where}{more}"]


def machine() -> dict:
    """The machine in words."""
    return {"system": platform.platform(), "processor": platform.machine(), "python": platform.python_version()}


def normalize(report: dict) -> dict:
    """The report without what differs between two runs of the same: times, the machine, addresses in messages."""
    implementations = [
        {k: v for k, v in item.items() if k not in ("seconds", "settings")} for item in report["implementations"]
    ]
    results = [row | {"message": ADDRESS.sub("0x…", row["message"])} for row in report["results"]]
    kept = {key: value for key, value in report.items() if key != "machine"}
    return kept | {"implementations": implementations, "results": results}


def fingerprint(report: dict) -> str:
    """SHA-256 of the normalized report: equal for an uninterrupted run, a resumed one, and one put together from
    shards."""
    return hashlib.sha256(json.dumps(normalize(report), sort_keys=True).encode()).hexdigest()


def as_text(report: dict) -> str:
    """The report as JSON (no NaN or infinity in it: scores without bound are the string "inf")."""
    return json.dumps(report, indent=1, allow_nan=False) + "\n"
