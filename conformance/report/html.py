"""The report as one HTML page that needs nothing else, neither network nor files beside it."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..judge.levels import CELLS, LEVELS
from ..mistakes import museum, summary
from ..records import STATUSES, Case
from ..run.supervisor import ACTIVITIES
from .attention import by_reason, examined, reproduce, rows_of
from .changes import Comparison
from .chart import DECADES, grades, pictures
from .packing import packed


def render(report: dict, cases: list[Case]) -> str:
    """HTML text of a report (as `data.to_json` makes it). cases: those of the report that the suite at hand has."""
    rows = {each["name"]: rows_of(report, each["name"]) for each in report["implementations"]}
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            statuses=STATUSES,
            levels=LEVELS,
            cells=CELLS,
            activities=ACTIVITIES,
            wrong={name: examined(found) for name, found in rows.items()},
            excused={name: by_reason(found, "deviates") for name, found in rows.items()},
            left_out={name: by_reason(found, "unsupported") for name, found in rows.items()},
            conventions=_conventions(report["implementations"]),
            pictures=pictures(report["results"]),
            grades=grades(report["results"]),
            decades=DECADES,
            reproduce=reproduce,
            packed=packed(report, cases, [*summary.tables(), museum.as_words()]),
        )
    )


def comparison(found: Comparison) -> str:
    """HTML text of what changed between two reports."""
    return _environment().get_template("comparison.html").render(found=found)


def _environment():
    return Environment(
        loader=PackageLoader("bnconform.conformance.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _conventions(implementations) -> dict[str, list[str]]:
    """Convention -> the word of each implementation for it, "" where nothing is declared."""
    declared = [each["conventions"] or {} for each in implementations]
    return {
        name.replace("_", " "): [_words(found.get(name)) for found in declared]
        for name in dict.fromkeys(name for found in declared for name in found)
    }


def _words(value) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_words(of)}" for key, of in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_words, value))
    return "" if value is None else str(value)
