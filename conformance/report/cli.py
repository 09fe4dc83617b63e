"""`bnconform show` and `bnconform report`: a report again without a new run, or two compared."""

import sys

import click

from ..golden.store import Golden
from ..run.conclude import Parts
from ..run.use import WRONG_USE, refuse, reports
from .changes import compare
from .console import console
from .data import exit_status
from .files import write
from .formats import FORMATS, report_options
from .reading import load
from .terminal import print_comparison, print_report

verbose = click.option("-v", "verbosity", count=True, help="Cases and reasons too; -vv: everything.")


@click.command()
@click.argument("path", metavar="REPORT")
@verbose
def show(path, verbosity):
    """Print the report that `run --json` wrote; exit status as that of the run."""
    try:
        found = load(path)
    except WRONG_USE as error:
        refuse(error)
    print_report(console(), found, verbosity)
    sys.exit(exit_status(found, named=False))


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="REPORT [LATER]")
@report_options("html", "markdown")
@verbose
def report(paths, verbosity, **options):
    """One report in another format, or what changed between two: of two releases, devices or machines.

    Exit status: with one report as that of the run; with two, 1 where something fails that did not fail before.
    """
    if len(paths) > 2:
        raise click.UsageError(f"got {len(paths)} reports, expected one or two")
    try:
        written, loaded, out = reports(options, *set(paths)), [load(path) for path in paths], console()
    except WRONG_USE as error:
        refuse(error)
    if len(loaded) == 1:
        asked, known = dict.fromkeys(row["case"] for row in loaded[0]["results"]), Golden().cases
        cases = [known[name] for name in asked if name in known]
        render = lambda form: form.render(loaded[0], cases)
        print_report(out, loaded[0], verbosity)
        status = exit_status(loaded[0], named=False)
    else:
        found = compare(*loaded)
        render = lambda form: form.compared(found)
        print_comparison(out, found, verbosity)
        status = int(found.worse)
    parts = Parts()
    for kind, path in written.items():
        with parts.part(str(path)):
            write(path, render(FORMATS[kind]))
            out.print(f"wrote {path}", highlight=False, markup=False, soft_wrap=True)
    sys.exit(parts.status or status)
