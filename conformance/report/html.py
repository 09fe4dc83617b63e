"""The report as one HTML page that needs nothing else."""

from collections import defaultdict

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..records import FAILED, STATUSES, Case
from ..run.supervisor import ACTIVITIES
from .changes import Comparison
from .sections import sections

# the status that stands for several, worst first; "pass" outranks "unsupported" because something was measured
RANK = ("crashed", "timed out", "fail", "deviates", "pass", "unsupported")


def worst(statuses) -> str:
    """The status that a cell of many outputs shows."""
    return next((status for status in RANK if status in statuses), "unsupported")


def _environment():
    return Environment(
        loader=PackageLoader("bnconform.conformance.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(report: dict, cases: list[Case]) -> str:
    """HTML text of a report (as `report.to_json` makes it)."""
    rows = defaultdict(lambda: defaultdict(list))
    for result in report["results"]:
        rows[result["implementation"]][result["case"]].append(result)
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            statuses=STATUSES,
            activities=ACTIVITIES,
            names=[implementation["name"] for implementation in report["implementations"]],
            families=_families(cases),
            cells={name: _cells(rows[name]) for name in rows},
            groups={name: _groups(rows[name]) for name in rows},
            failures={name: _failures(rows[name]) for name in rows},
            sections=sections(report),
        )
    )


def _families(cases):
    families = defaultdict(list)
    for case in cases:
        families[case.family].append(case)
    return families


def _cells(by_case):
    """case -> (status, score text, title) for the matrix."""
    cells = {}
    for case, results in by_case.items():
        status = worst({result["status"] for result in results})
        scores = [r["score"] for r in results if isinstance(r["score"], (int, float))]
        odd = [r for r in results if r["status"] == status and r["message"]]
        title = f"{case}: {status}" + (
            f" — {odd[0]['output']}: {odd[0]['kind']} {odd[0]['message']}" if odd and status != "pass" else ""
        )
        score = (
            f"{max(scores):.2g}"
            if scores and status == "pass"
            else {"pass": "", "deviates": "≠", "unsupported": "–"}.get(status, "✗")
        )
        cells[case] = (status, score, title[:400])
    return cells


def _groups(by_case):
    """status -> list of (reason, kinds, outputs, cases, evidence), the commonest first."""
    found = {"deviates": {}, "unsupported": {}}
    for case, results in by_case.items():
        for result in results:
            if result["status"] in found:
                group = found[result["status"]].setdefault(
                    result["message"],
                    {
                        "reason": result["message"],
                        "kinds": set(),
                        "outputs": 0,
                        "cases": {},
                        "evidence": result["reference"],
                    },
                )
                group["kinds"].add(result["kind"])
                group["outputs"] += 1
                group["cases"][case] = None
    return {status: sorted(groups.values(), key=lambda g: -g["outputs"]) for status, groups in found.items()}


def _failures(by_case):
    """Failing outputs of a case that share status and message, together: case, status, kind, message, outputs,
    score."""
    found = {}
    for case, results in by_case.items():
        for r in results:
            if r["status"] in FAILED:
                row = found.setdefault((case, r["status"], r["message"]), {**r, "outputs": [], "diagnoses": ()})
                row["outputs"].append(r["output"])
                row["diagnoses"] += (r["diagnosis"],) if r["diagnosis"] else ()
    return list(found.values())


def comparison(found: Comparison) -> str:
    """HTML text of what changed between two reports."""
    return _environment().get_template("comparison.html").render(found=found)
