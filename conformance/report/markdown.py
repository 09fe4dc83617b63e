"""A report, or what changed between two, as Markdown for a pull request: everything others wrote is in code spans."""

import re

from ..judge.levels import CELLS, LEVELS
from ..text import line
from .attention import by_reason, examined, reproduce, rows_of
from .changes import Comparison

MOST = 8  # mistakes, causes or groups of changes that are told
LONGEST = 300  # characters of a message


def code(text, most: int = LONGEST) -> str:
    """Text that others wrote as a code span of one line: neither markup nor a mention in it means anything.

    >>> code("a `b` @c")
    '`` a `b` @c ``'
    """
    text = line(text, most) or " "
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def table(head, rows) -> str:
    """A Markdown table; the cells are Markdown, in which a bar is escaped even in a code span."""
    cells = lambda row: " | ".join(cell.replace("|", r"\|") for cell in row)
    return "\n".join(f"| {cells(row)} |" for row in (head, ["---"] * len(head), *rows))


def summary(report: dict) -> str:
    """One report: a table of levels, what fails by mistake, known differences."""
    suite = report["suite"]
    parts = [
        "## bnconform",
        table(("implementation", "version", "verdict", *LEVELS, "score"), map(_row, report["implementations"])),
        f"ok passed, ok\\* with known differences, - not offered; score: largest that passed. {suite['cases']} "
        f"case{'s' * (suite['cases'] != 1)}, suite {code(suite['version'])}, "
        f"golden vectors {code(suite['golden'][:12])}.",
    ]
    for implementation in report["implementations"]:
        if implementation["problem"]:
            parts.append(f"{code(implementation['name'])}: {code(implementation['problem'])}")
        parts += _failures(implementation, rows_of(report, implementation["name"]))
        parts += [f"Note on {code(implementation['name'])}: {code(note)}" for note in implementation["notes"]]
    return "\n\n".join([*parts, *_excused(report)]) + "\n"


def _row(implementation):
    reached, found = implementation["levels"], implementation["summary"]
    cells = [CELLS[reached[level]["status"]].replace("*", r"\*") if level in reached else "" for level in LEVELS]
    worst = found["worst_passing_score"]
    verdict = found["verdict"].partition(" (")[0]
    score = "" if worst is None else f"{worst:.2f}"
    version = code(implementation["version"]) if implementation["version"] else ""
    return code(implementation["name"]), version, verdict, *cells, score


def _failures(implementation, rows):
    """What is wrong, in the order of what it explains; then what nobody explains; then what is not there."""
    found = examined(rows)
    if not found.total:
        return
    asked = len(rows) - implementation["summary"]["unsupported"]
    yield f"### {code(implementation['name'])}: {found.total} of {asked} outputs are wrong"
    if found.named:
        yield _list([f"**{code(group.text)}**: {_told(group)}" for group in found.named], "mistakes")
    if found.left:
        yield "Not explained:" if found.named else "No mistake on record explains:"
        yield _list([f"{code(group.text)}: {_told(group)}" for group in found.left], "causes")
    if absent := found.missing:
        yield f"Not returned: {', '.join(map(code, absent.outputs))} in {len(absent.cases)} cases."
    yield "To see it again: " + " or ".join(map(code, reproduce(implementation, found.first["case"])))


def _told(group):
    row = group.rows[0]
    return f"{group.count}, e.g. {code(row['case'])} {code(row['output'])}: {code(row['message'])}"


def _list(items, what):
    more = [f"and {len(items) - MOST} more {what}"] if len(items) > MOST else []
    return "\n".join(f"{number}. {text}" for number, text in enumerate([*items[:MOST], *more], 1))


def _excused(report):
    """Known differences by their reason, folded."""
    for implementation in report["implementations"]:
        groups = by_reason(rows_of(report, implementation["name"]), "deviates")
        if groups:
            told = "\n".join(f"- {group.count}: {code(group.text)}" for group in groups)
            yield f"{code(implementation['name'])}: {implementation['summary']['deviates']} outputs differ as known"
            yield f"<details><summary>reasons</summary>\n\n{told}\n\n</details>"


def comparison(found: Comparison) -> str:
    """What changed between two reports."""
    parts = ["## bnconform: what changed", found.says]
    if found.facts:
        rows = [tuple(map(code, fact)) for fact in found.facts]
        parts.append(table(("of", "what", "before", "after"), rows))
    for group in found.groups:
        mark, row = "**" if group.worse else "", group.example
        where = f"{code(row['case'])} {code(row['output'])}"
        parts.append(f"- {mark}{code(group.text)}{mark}: {group.count}, e.g. {where}: {code(group.told)}")
    return "\n\n".join(parts) + "\n"
