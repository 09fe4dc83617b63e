"""`bnconform mutants`: what each wrong implementation is, and which cases kill it."""

import sys

import click

from . import mutants as all_mutants
from .bench import Bench
from .kills import PATH, Kills, broken_rules
from .museum import of_mutant


@click.command()
@click.argument("names", nargs=-1)
@click.option("--write", is_flag=True, help="Compute the whole matrix and write kills.json.")
@click.option("--check", is_flag=True, help="Compute the whole matrix and fail where kills.json says otherwise.")
def mutants(names, write, check):
    """Wrong implementations, their clause and name, and the cases that kill them (all, or those named).

    Exit status: 0 as expected, 1 a broken rule or a difference, 2 wrong use.
    """
    known = all_mutants()
    for name in names:
        if name not in known:
            raise click.UsageError(f"no mutant {name!r}; `bnconform mutants` lists all {len(known)}")
    if (write or check) and names:
        raise click.UsageError("--write and --check compute the whole matrix: name no mutant")
    if write or check:
        sys.exit(_recompute(known, write))
    kills = Kills.load()
    if names:
        for name in names:
            _show_one(known[name], kills.matrix[name])
    else:
        _show_all(known, kills)


def _recompute(known, write):
    """Compute, compare with the file or write it, and say which rules are broken."""
    from rich.progress import track

    bench = Bench()
    scores = {name: bench.scores(mutant) for name, mutant in track(known.items(), "mutants", transient=True)}
    kills = Kills.of(scores)
    problems = broken_rules(kills, bench.cases)
    if write:
        kills.write()
        click.echo(f"{PATH.name}: {len(kills.matrix)} mutants, {len(bench.cases)} cases")
    else:
        problems += Kills.load().differences(scores)
    for line in problems:
        click.echo(line)
    return 1 if problems else 0


def _show_one(mutant, cases):
    from rich.console import Console

    console = Console(emoji=False, markup=False, highlight=False, soft_wrap=True)
    console.print(f"{mutant.name}: {mutant.diagnosis} [{mutant.clause}]\n{mutant.says}")
    for point in mutant.points:
        console.print(f"  {point.words}")
    for exhibit in of_mutant(mutant.name):
        console.print(f"{exhibit.project}: {exhibit.says} {exhibit.reference}")
    console.print(f"killed by {', '.join(cases)}")


def _show_all(known, kills):
    from rich.console import Console
    from rich.table import Table

    table = Table("mutant", "diagnosis", "clause", "killed by", "what is wrong")
    for name, mutant in known.items():
        table.add_row(name, mutant.diagnosis, mutant.clause, str(len(kills.matrix[name])), mutant.says)
    Console(emoji=False).print(table)
