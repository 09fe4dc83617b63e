"""`bnconform list`."""

import click
from rich import box
from rich.table import Table

from bnconform.backends import registry

from ..golden.store import Golden
from ..mistakes.museum import table as exhibits
from ..report.console import console
from ..run.plan import select
from ..run.use import WRONG_USE, refuse


@click.command(name="list")
@click.option("-k", "patterns", multiple=True, help="Only cases whose id contains this or matches this shell pattern.")
@click.option("--museum", is_flag=True, help="Instead: real bugs, and the mutant and case that stand for each.")
def list_(patterns, museum):
    """Implementations and cases."""
    out = console()
    if museum:
        out.print(exhibits())
        return
    try:
        cases = select(Golden(), patterns)
    except WRONG_USE as error:
        refuse(error)
    table = Table("implementation", "class", "installed", box=box.SIMPLE_HEAD)
    for entry in registry.entries().values():
        missing = entry.missing()
        table.add_row(entry.name, entry.target, "yes" if not missing else f"no: needs {', '.join(missing)}")
    out.print(table)
    table = Table("case", "clauses", "steps", "dtype", "shape", "what it shows", box=box.SIMPLE_HEAD)
    for case in cases:
        shape = "×".join(map(str, case.shape))
        table.add_row(case.id, " ".join(case.clauses), str(len(case.steps)), case.x_dtype, shape, case.says)
    out.print(table)
    out.print(f"{len(cases)} cases")
