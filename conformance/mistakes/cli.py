"""`bnconform mutants`: what each wrong implementation is, and which cases kill it."""

import sys

import click

from . import mutants as all_mutants
from .bench import Bench
from .kills import CLEAR, PATH, Kills, broken_rules
from .museum import of_mutant


@click.command()
@click.argument("names", nargs=-1)
@click.option(
    "--write", is_flag=True, help="Compute what kills.json lacks, or the rows of the mutants named, and write it."
)
@click.option("--check", is_flag=True, help="Compute the whole matrix and fail where kills.json says otherwise.")
def mutants(names, write, check):
    """Wrong implementations, their clause and name, and the cases that kill them (all, or those named).

    Exit status: 0 as expected, 1 a broken rule or a difference, 2 wrong use.
    """
    known = all_mutants()
    for name in names:
        if name not in known:
            raise click.UsageError(f"no mutant {name!r}; `bnconform mutants` lists all {len(known)}")
    if check and (names or write):
        raise click.UsageError("--check computes the whole matrix, and nothing else")
    if write:
        sys.exit(_write(known, names))
    if check:
        sys.exit(_check(known))
    kills = Kills.load()
    if names:
        for name in names:
            _show_one(known[name], kills.matrix[name])
    else:
        _show_all(known, kills)


def _scores(known, bench, missing):
    """Killing scores by mutant and case; missing(mutant, case): whether they are wanted."""
    from rich.progress import track

    wanted = {name: [case for case in bench.cases.values() if missing(name, case.id)] for name in known}
    return {name: bench.scores(known[name], cases) for name, cases in track(wanted.items(), "mutants", transient=True)}


def _write(known, names):
    """Compute what the file lacks (rows of new mutants, columns of new cases) or the rows named, and write it."""
    bench, kept = Bench(), Kills.load()
    missing = lambda name, case: name in names or name not in kept.matrix or case not in kept.by_case
    scores = _scores(known, bench, missing if not names else lambda name, case: name in names)
    for name in known.keys() & kept.matrix.keys() - set(names):
        scores[name] |= {case: CLEAR for case in kept.matrix[name] if case in bench.cases and case in kept.by_case}
    rows = {name: {case: scores[name].get(case, 0) for case in bench.cases} for name in known}
    kills = Kills.of(rows)
    kills.write()
    click.echo(f"{PATH.name}: {len(kills.matrix)} mutants, {len(bench.cases)} cases")
    return _told(broken_rules(kills, bench.cases, _at_size(known)))


def _check(known):
    bench, kept = Bench(), Kills.load()
    return _told(
        broken_rules(kept, bench.cases, _at_size(known))
        + kept.differences(_scores(known, bench, lambda name, case: True))
    )


def _at_size(known):
    return {name for name, mutant in known.items() if mutant.at_size}


def _told(problems):
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
