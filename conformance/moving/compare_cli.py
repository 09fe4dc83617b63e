"""`bnconform compare A [B ...]`."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from .cli import WrongUse
from .compare import differences, markdown, measured
from .core import MovingError
from .layers import HOMES


@click.command("compare")
@click.argument("names", nargs=-1, metavar="A [B ...]")
@click.option("--all", "everything", is_flag=True, help="also the rows in which both agree")
@click.option("--json", "path", type=click.Path(dir_okay=False, path_type=Path), help="write the rows to this file")
@click.option("--markdown", "as_markdown", is_flag=True, help="print Markdown")
@click.option("--question", is_flag=True, help="list the questions that people ask, or answer those named")
def compare(names, everything, path, as_markdown, question):
    """What differs between A and each B, measured through their public constructors, and what to write when moving.

    With A alone, it is compared with the definition (core). Exit status: 0, or 2 for wrong use.
    """
    if question:
        sys.exit(_questions(names))
    if not names:
        raise click.UsageError(f"expected A [B ...] of {', '.join(HOMES)}")
    a, *others = names
    try:
        rows = {name: measured(name) for name in dict.fromkeys([a, *(others or ["core"])])}
    except MovingError as error:
        raise WrongUse(str(error)) from None
    found = {b: differences(a, b, rows[a]["rows"], rows[b]["rows"]) for b in others or ["core"]}
    for b, rows_b in found.items():
        shown = rows_b if everything else [d for d in rows_b if not d.equal]
        click.echo(markdown(a, b, rows_b)) if as_markdown else _print(a, b, shown, rows_b)
    if path:
        versions = {name: one["version"] for name, one in rows.items()}
        data = {"schema": "bnconform-compare", "from": a, "versions": versions}
        data["to"] = {b: [asdict(d) for d in rows_b] for b, rows_b in found.items()}
        path.write_text(json.dumps(data, indent=1) + "\n")


def _print(a, b, shown, rows):
    from rich import box
    from rich.table import Table

    from ..report.console import console

    table = Table(title=f"Moving from {a} to {b}", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("", a, b, "what to write, or how far apart", "measured"):
        table.add_column(heading, overflow="fold")
    for d in shown:
        table.add_row(d.property, d.a, d.b, d.write or "nothing", d.evidence)
    console().print(table)
    alike = [d.property for d in rows if d.equal]
    click.echo(f"{len(alike)} rows agree: {', '.join(alike)}")


def _questions(names) -> int:
    from .questions import QUESTIONS

    for name in names:
        if name not in QUESTIONS:
            raise click.UsageError(f"no question {name!r}, expected one of {', '.join(QUESTIONS)}")
    for name in names or QUESTIONS:
        asked = QUESTIONS[name]
        click.echo(f"{name}: {asked.asks}\n    {asked.answer}\n    write: {asked.setting}")
        if names:
            click.echo(f"    measured: {asked.measure()}")
    return 0
