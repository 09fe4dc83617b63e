"""`bnconform merge`: the journals of all shards of a run -> the report of the whole run."""

import sys
from dataclasses import replace
from pathlib import Path

import click

import bnconform

from ..golden.secret import Secret
from ..report.console import console
from ..report.formats import report_options
from .conclude import conclude
from .journal import Journal, JournalError
from .schedule import judged_of
from .use import WRONG_USE, refuse, reports


def merge(paths: list[Path]) -> Journal:
    """One journal out of those of all shards, in memory. Errors: JournalError, where they are not one whole run."""
    if len(set(paths)) < len(paths):
        raise JournalError(f"{max(paths, key=paths.count)} is named twice: its results overlap")
    parts = {path: Journal.read(path)[0] for path in paths}
    first_path, first = next(iter(parts.items()))
    _check_shards(parts)
    whole = Journal(replace(first.plan, shard=(1, 1)))
    for path, part in parts.items():
        difference = first.plan.difference(part.plan, apart=("shard",))
        if difference:
            raise JournalError(f"{path} does not belong to {first_path}: {difference}")
        for name in part.plan.implementations:
            missing = len(part.missing(name))
            if missing:
                raise JournalError(
                    f"{path} is not finished: {missing} cases of {name} are missing; go on with --resume"
                )
            other = whole.hellos.setdefault(name, part.hellos[name]).difference(part.hellos[name])
            if other:
                raise JournalError(
                    f"{path} does not belong to {first_path}: {name} is not what it was there: "
                    f"{other}; judge that part again"
                )
            whole.results[name] |= part.results[name]
    return whole


def _check_shards(parts):
    """Every shard once, of one number of shards."""
    seen, numbers = {}, {part.plan.shard[1] for part in parts.values()}
    if len(numbers) > 1:
        raise JournalError(f"the parts are of {' and '.join(map(str, sorted(numbers)))} shards, expected one number")
    for path, part in parts.items():
        number, of = part.plan.shard
        if number in seen:
            raise JournalError(f"{path} and {seen[number]} are both shard {number}/{of}: their results overlap")
        seen[number] = path
    lacking = [str(number) for number in range(1, of + 1) if number not in seen]
    if lacking:
        raise JournalError(f"shard {', '.join(lacking)} of {of} is missing")


@click.command(name="merge")
@click.argument("parts", nargs=-1, required=True, metavar="PART...", type=click.Path(path_type=Path))
@report_options()
def command(parts, **options):
    """The journals of all shards of a run, put together to the report of the whole run."""
    try:
        paths = reports(options)
        journal = merge(list(parts))
        golden = Secret.again(journal.plan.golden)
        here = replace(journal.plan, suite=bnconform.__version__, golden=golden.hash)
        difference = here.difference(journal.plan)
        if difference:
            raise JournalError(f"the parts were judged by another suite than this one: {difference}")
    except WRONG_USE as error:
        refuse(error)
    results = [judged_of(journal, name) for name in journal.plan.implementations]
    cases = [golden.cases[case] for case in journal.plan.cases]
    sys.exit(conclude(console(), results, cases, golden, paths, journal.plan.named))
