"""`bnconform run`."""

import sys
from pathlib import Path

import click

from bnconform.backends import registry

from ..golden.store import Golden
from ..judge.levels import LEVELS
from ..report.console import console
from ..report.files import is_stream
from ..report.formats import report_options
from ..report.terminal import ProgressListener
from ..text import line
from .conclude import EX_IOERR, conclude, kept, tell
from .heap import keep_freed_memory
from .interrupts import Interrupted, interruptible
from .journal import Journal, JournalFull
from .plan import Options, UsageError, check_name, plan, select
from .schedule import run as run_suite
from .use import WRONG_USE, refuse, reports, writable


def _shard(ctx, param, text):
    """ "I/N" as two numbers, 1 <= I <= N."""
    number, _, of = (text or "1/1").partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise click.BadParameter(f"got {text!r}, expected I/N with 1 <= I <= N")
    return int(number), int(of)


@click.command()
@click.argument("implementations", nargs=-1, metavar="[IMPL]...")
@click.option("--all", "everyone", is_flag=True, help="Without IMPL: every one that is installed.")
@click.option("-k", "patterns", multiple=True, help="Only cases whose id contains this or matches this shell pattern.")
@click.option("--quick", is_flag=True, help="The small set of cases that still kills every mutant.")
@click.option("--level", type=click.Choice(LEVELS), help="Judge only what belongs to levels up to this one.")
@click.option("--device", type=click.Choice(["cpu", "gpu"]), default="cpu", show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Workers at a time.")
@click.option("--timeout", type=click.FloatRange(0.1), default=60.0, show_default=True, help="Seconds a case may take.")
@click.option(
    "--memory",
    type=click.FloatRange(0.1),
    default=8.0,
    show_default=True,
    help="GiB a worker and its processes may occupy.",
)
@click.option("--known", multiple=True, help="A JSON file of known differences of your own backend.")
@click.option(
    "--shard",
    callback=_shard,
    metavar="I/N",
    help="Judge only part I of N; put the journals together with `bnconform merge`.",
)
@click.option(
    "--journal",
    "journal_path",
    metavar="PATH",
    help="Write results as they come.  [default: with --json, that path + .journal]",
)
@click.option("--resume", is_flag=True, help="Go on where the journal of an interrupted run ends.")
@report_options()
@click.option("--golden", "folder", help="A folder of golden files of your own, as `golden.folder` writes them.")
@click.option(
    "--secret-seed",
    "seed",
    is_flag=False,
    flag_value="drawn",
    metavar="[N]",
    help="The same cases with inputs drawn afresh, from N or a number that nobody knew, answered by the oracle: no "
    "stored answer satisfies them.",
)
@click.option("-v", "verbosity", count=True, help="Cases and reasons too; -vv: everything.")
def run(implementations, everyone, patterns, quick, journal_path, resume, folder, seed, verbosity, **options):
    """Judge implementations: built-in names, entry points, or package.module:Class.

    Without IMPL: the required built-in implementations, those not installed shown as such. A journal that was not asked
    for by name is removed once the report is written, unless it is that of a shard.
    """
    out, json_path = console(), options["json_path"]
    keep_freed_memory()
    try:
        own = None if not json_path or is_stream(json_path) else f"{json_path}.journal"
        paths = reports(options, journal_path or own)
        named = bool(implementations)
        names = list(dict.fromkeys(implementations)) or _unnamed(everyone)
        for name in names:
            check_name(name)
        options = Options(golden=_golden(folder, seed), **options)
        cases = select(options.golden, patterns, quick, options.level)
        journal = _journal(plan(names, cases, options, named), journal_path or own, resume)
        results = _judge(names, cases, options, journal, out)
    except WRONG_USE as error:
        refuse(error)
    cases = [options.golden.cases[case] for case in journal.plan.own_cases()]
    more = [] if seed is None else [f"inputs were drawn from a seed: again with --secret-seed {options.golden.edition}"]
    status = conclude(out, results, cases, options.golden, paths, named, journal, more, verbosity=verbosity)
    if own and not journal_path and options.shard == (1, 1) and status in (0, 1):
        journal.remove()
    journal.close()
    sys.exit(status)


def _unnamed(everyone):
    """Names of the required implementations, or of all that are installed."""
    found = registry.entries().values()
    return [entry.name for entry in found if (not entry.missing() if everyone else entry.required)]


def _journal(of, path, resume) -> Journal:
    """The journal of a run, new or taken up. Errors: UsageError, JournalError."""
    if not of.own_cases():
        raise UsageError(f"shard {of.shard[0]}/{of.shard[1]} of {len(of.cases)} cases is empty")
    path = writable(path)
    if not resume:
        return Journal.create(of, path)
    if path is None:
        raise UsageError("--resume needs the --journal, or the --json, of the interrupted run")
    return Journal.resume(of, path) if path.exists() else Journal.create(of, path)


def _judge(names, cases, options, journal, out):
    """The run, ended in order by Ctrl-C, SIGTERM and a full disk: one line, and what was measured is kept."""
    try:
        with interruptible(), ProgressListener(out) as listener:
            return run_suite(names, cases, options, listener, journal)
    except Interrupted as interrupt:
        _break_off(f"interrupted by {interrupt.name}", journal, interrupt.status)
    except JournalFull as error:
        _break_off(str(error), journal, EX_IOERR)


def _break_off(why, journal, status):
    tell(f"{why}; {kept(journal) if journal.on_disk else 'nothing was kept: ' + _why_not(journal)}")
    sys.exit(status)


def _why_not(journal):
    return f"{journal.path} was removed meanwhile" if journal.path else "that needs --json or --journal"


def _golden(folder, seed) -> Golden:
    """The golden files of this package, those in a folder, or none: what is drawn afresh. Errors: UsageError."""
    if seed is None:
        return Golden(Path(folder)) if folder else Golden()
    if folder:
        raise UsageError("--secret-seed draws the cases of this package, and --golden names a folder: which?")
    from ..golden.secret import Secret

    return Secret.of(None if seed == "drawn" else _number(seed))


def _number(text):
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise UsageError(f"--secret-seed is {line(text, 40)!r}, expected a whole number, or none")
    return int(text)
