"""`bnconform identify IMPL`."""

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from bnconform.backends import registry

from ..judge.known import builtin
from .engine import identify as run

SIGNS = {True: "[green]yes[/]", False: "[red]NO[/]", None: "-"}


@click.command("identify")
@click.argument("implementation")
@click.option(
    "--device", type=click.Choice(["cpu", "gpu"]), default="cpu", show_default=True, help="where its layers live"
)
@click.option("--json", "path", type=click.Path(dir_okay=False, path_type=Path), help="write the rows to this file")
def identify(implementation, device, path):
    """Infer what IMPLEMENTATION does from probes alone, and compare it with what it declares.

    Exit status: 0 if all findings agree, 1 if one does not, 2 for wrong use.
    """
    sys.path.insert(0, "")  # a porter's own module lies where the command was given
    try:
        entry = registry.entry(implementation)
        backend = entry.load()
    except (registry.UnknownImplementation, registry.NotInstalled) as error:
        raise click.UsageError(str(error)) from None
    findings = run(backend, device, builtin(entry.name))
    Console(emoji=False).print(_table(entry.name, findings))
    if path:
        data = {
            "schema": "bnconform-identify",
            "implementation": entry.name,
            "device": device,
            "findings": [f.to_json() for f in findings],
        }
        path.write_text(json.dumps(data, indent=1) + "\n")
    wrong = [f.property for f in findings if f.agrees is False]
    if wrong:
        click.echo(f"disagrees with what was declared: {', '.join(wrong)}", err=True)
    sys.exit(1 if wrong else 0)


def _table(name, findings):
    table = Table(title=f"What {name} does", title_justify="left")
    for column in ("property", "finding", "evidence", "declared", "agrees"):
        table.add_column(column, overflow="fold")
    for f in findings:
        table.add_row(f.property, f.finding, f.evidence, f.declared, SIGNS[f.agrees])
    return table
