"""`bnconform findings`: defects and divergences of frameworks, and which of them the installed releases still have."""

import sys

import click

from . import findings as all_findings
from . import run as run_script


@click.command()
@click.argument("names", nargs=-1)
@click.option(
    "--run",
    "execute",
    is_flag=True,
    help="Run the scripts on the installed frameworks: reproduces, gone, or not installed.",
)
def findings(names, execute):
    """Defects and undocumented divergences of framework releases: all in a table, or the texts of those named.

    Exit status: 0, or 1 where a script broke, 2 wrong use.
    """
    known = all_findings()
    for name in names:
        if name not in known:
            raise click.UsageError(f"no finding {name!r}; `bnconform findings` lists all {len(known)}")
    chosen = [known[name] for name in names or known]
    if execute:
        sys.exit(_execute(chosen))
    if names:
        click.echo("\n".join(finding.text for finding in chosen))
    else:
        _show_all(chosen)


def _execute(chosen) -> int:
    """Run the scripts one after the other, each with a line of its own."""
    statuses = []
    for finding in chosen:
        outcome = run_script(finding)
        statuses.append(outcome.status)
        click.echo(f"{outcome.status:14} {finding.name}: {outcome.words}")
    click.echo(", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses)))
    return 1 if "broken" in statuses else 0


def _show_all(chosen):
    from rich import box
    from rich.table import Table

    from ..report.console import console

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("finding", no_wrap=True)
    for heading in ("what", "seen on", "kind"):
        table.add_column(heading)
    for finding in chosen:
        table.add_row(finding.name, finding.title, finding.fields["seen on"], finding.fields["kind"])
    console().print(table)
