"""`bnconform identify IMPL`."""

import json
import sys

import click
from rich.markup import escape
from rich.table import Table

from ..judge.known import builtin
from ..report.console import console
from ..report.files import write
from ..run.conclude import Parts, tell
from ..run.interrupts import Interrupted, interruptible
from ..run.plan import Options, check_name
from ..run.supervisor import Supervisor
from ..run.use import WRONG_USE, refuse, writable
from ..text import line
from ..text import name as shown
from .engine import identify_box
from .probe import Box

SIGNS = {True: "[green]yes[/]", False: "[red]NO[/]", None: "-"}


@click.command("identify")
@click.argument("implementation")
@click.option(
    "--device", type=click.Choice(["cpu", "gpu"]), default="cpu", show_default=True, help="where its layers live"
)
@click.option("--json", "path", help="write the rows to this file")
@click.option(
    "--timeout", type=click.FloatRange(0.1), default=60.0, show_default=True, help="Seconds an answer may take."
)
@click.option("--memory", type=click.FloatRange(0.1), default=8.0, show_default=True, help="GiB it may occupy.")
def identify(implementation, device, path, timeout, memory):
    """Infer what IMPLEMENTATION does from probes alone, and compare it with what it declares.

    Exit status: 0 if all findings agree, 1 if one does not or the implementation cannot be asked, 2 for wrong use.
    """
    out = console()
    try:
        name, path = check_name(implementation).name, writable(path)
        findings, hello = _ask(name, Options(device=device, timeout=timeout, memory=memory))
    except WRONG_USE as error:
        refuse(error)
    if hello.problem:
        tell(f"{shown(name)}: {line(hello.text)}")
        sys.exit(1)
    parts = Parts()
    if path:
        with parts.part(str(path)):
            write(path, _as_json(name, device, findings))
    with parts.part("the table"):
        out.print(_table(name, findings))
    wrong = [f.property for f in findings if f.agrees is False]
    if wrong:
        tell(f"disagrees with what was declared: {', '.join(wrong)}")
    if all(f.agrees is None for f in findings):
        tell("nothing could be compared with what was declared")
        sys.exit(1)
    sys.exit(parts.status or int(bool(wrong)))


def _ask(name, options):
    """(findings, what the implementation says of itself); no findings where it cannot be loaded. It is asked in a
    process of its own, as in a run."""
    supervisor = Supervisor(name, options)
    try:
        with interruptible():
            hello = supervisor.open()
            if hello.problem:
                return [], hello
            box = Box(lambda case, tensors, **words: supervisor.observe(case, tensors, probe=True, **words))
            return identify_box(box, hello.conventions, builtin(name)), hello
    except Interrupted as interrupt:
        tell(f"interrupted by {interrupt.name}")
        sys.exit(interrupt.status)
    finally:
        supervisor.close()


def _as_json(name, device, findings):
    data = {"schema": "bnconform-identify", "implementation": shown(name), "device": device}
    return json.dumps(data | {"findings": [finding.to_json() for finding in findings]}, indent=1) + "\n"


def _table(name, findings):
    table = Table(title=f"What {escape(shown(name))} does", title_justify="left")
    for column in ("property", "finding", "evidence", "declared", "agrees"):
        table.add_column(column, overflow="fold")
    for f in findings:
        cells = (escape(line(text)) for text in (f.property, f.finding, f.evidence, f.declared))
        table.add_row(*cells, SIGNS[f.agrees])
    return table
