"""`bnconform mutants`: what each wrong implementation is, and which cases kill it."""

import sys
import warnings

import click

from . import mutants as all_mutants
from .bench import Bench
from .kills import PATH, Kills, broken_rules
from .museum import of_mutant
from .summary import words


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


def compute(known, bench: Bench, show=None) -> Kills:
    """The matrix of all mutants; show(name) is called before each."""
    matrix = {}
    warnings.simplefilter("ignore", RuntimeWarning)  # a mutant's own, as of the mean of nothing
    for name, mutant in known.items():
        if show:
            show(name)
        matrix[name] = bench.scores(mutant)
    return Kills(matrix)


def _recompute(known, write):
    """Compute, compare with the file or write it, and say which rules are broken."""
    from rich.progress import Progress

    bench = Bench()
    with Progress(transient=True) as progress:
        task = progress.add_task("mutants", total=len(known))
        kills = compute(known, bench, lambda name: progress.update(task, advance=1, description=name))
    problems = broken_rules(kills, bench.cases)
    if write:
        kills.write(bench.cases)
        click.echo(f"{PATH.name}: {len(kills.matrix)} mutants, {len(bench.cases)} cases")
    else:
        problems += kills.differences(Kills.load())
    for line in problems:
        click.echo(line)
    return 1 if problems else 0


def _show_one(mutant, row):
    from rich.console import Console
    from rich.table import Table

    table = Table("case", "score")
    for case, score in sorted(row.items(), key=lambda item: -item[1]):
        table.add_row(case, words(score))
    console = Console(emoji=False)
    console.print(f"{mutant.name}: {mutant.diagnosis} [{mutant.clause}]\n{mutant.says}", markup=False)
    for exhibit in of_mutant(mutant.name):
        console.print(f"{exhibit.project}: {exhibit.says} {exhibit.reference}", markup=False, soft_wrap=True)
    console.print(table)


def _show_all(known, kills):
    from rich.console import Console
    from rich.table import Table

    table = Table("mutant", "diagnosis", "clause", "killed by", "best", "what is wrong")
    for name, mutant in known.items():
        table.add_row(
            name, mutant.diagnosis, mutant.clause, str(len(kills.matrix[name])), words(kills.best(name)), mutant.says
        )
    Console(emoji=False).print(table)
