"""`bnconform show`: a report printed again, without a new run."""

import json
import sys

import click

from ..run.use import refuse
from .console import console
from .data import SCHEMA, exit_status
from .terminal import print_report

IMPLEMENTATION = ("name", "device", "problem", "summary", "levels", "notes", "seconds")
ROW = ("implementation", "case", "output", "status", "score", "kind", "message", "diagnosis")


class ReportError(Exception):
    """The file is no report of this suite."""


def load(path: str) -> dict:
    """A report as `--json` wrote it. Errors: ReportError."""
    try:
        with open(path, encoding="utf-8") as stream:
            report = json.load(stream)
        found = report["schema"]
        lacking = [key for each in report["implementations"] for key in IMPLEMENTATION if key not in each]
        lacking += [key for row in report["results"] for key in ROW if key not in row]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReportError(f"cannot read {path} as a report: {type(error).__name__}: {error}") from None
    if found != SCHEMA:
        raise ReportError(f"{path} has schema {found!r}, expected {SCHEMA!r}")
    if lacking:
        raise ReportError(f"{path} lacks {lacking[0]!r}: it was written by another version")
    return report


@click.command()
@click.argument("path", metavar="REPORT")
@click.option("-v", "verbosity", count=True, help="Cases and reasons too; -vv: everything.")
def show(path, verbosity):
    """Print the report that `run --json` wrote; exit status as that of the run."""
    try:
        report = load(path)
    except ReportError as error:
        refuse(error)
    print_report(console(), report, verbosity)
    sys.exit(exit_status(report, named=False))
