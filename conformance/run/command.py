"""The commands of the main job: list, run, explain."""

import os
import sys
from pathlib import Path

import click
from rich import box
from rich.table import Table

from bnconform.backends import registry

from ..golden.store import Golden, GoldenError
from ..judge.known import KnownError
from ..mistakes.museum import table as exhibits
from ..report.console import console
from ..report.files import is_stream, obstacle
from ..report.terminal import ProgressListener
from ..text import line
from .conclude import EX_IOERR, conclude, kept, tell
from .heap import keep_freed_memory
from .interrupts import Interrupted, interruptible
from .journal import Journal, JournalError, JournalFull
from .schedule import Options, UsageError, plan, select
from .schedule import run as run_suite

WRONG_USE = (UsageError, KnownError, GoldenError, JournalError, registry.UnknownImplementation)


def refuse(error: Exception):
    """One clear line and exit 2."""
    tell(line(error))
    sys.exit(2)


def writable(path: str | None) -> Path | None:
    """A path whose folder exists, checked before any work is done. Errors: UsageError."""
    if path is None:
        return None
    why = obstacle(Path(path))
    if why:
        raise UsageError(f"cannot write {path}: {why}")
    return Path(path)


def all_writable(*paths: str | None) -> list[Path | None]:
    """The same for several, which must not be one and the same."""
    named = [os.path.realpath(path) for path in paths if path]
    if len(set(named)) < len(named):
        raise UsageError(f"{max(named, key=named.count)} is named for two reports")
    return [writable(path) for path in paths]


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


def _shard(ctx, param, text):
    """ "I/N" as two numbers, 1 <= I <= N."""
    number, _, of = (text or "1/1").partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise click.BadParameter(f"got {text!r}, expected I/N with 1 <= I <= N")
    return int(number), int(of)


@click.command()
@click.argument("implementations", nargs=-1, metavar="[IMPL]...")
@click.option("-k", "patterns", multiple=True, help="Only cases whose id contains this or matches this shell pattern.")
@click.option("--quick", is_flag=True, help="The small set of cases that still kills every mutant.")
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
@click.option("--json", "json_path", help="Write the report as JSON.")
@click.option("--html", "html_path", help="Write the report as one HTML page.")
@click.option("--junit", "junit_path", help="Write the results as JUnit XML.")
@click.option("--golden", "folder", help="A folder of golden files of your own, as `golden.folder` writes them.")
def run(implementations, patterns, quick, journal_path, resume, folder, json_path, html_path, junit_path, **options):
    """Judge implementations: built-in names, entry points, or package.module:Class.

    Without IMPL: all built-in implementations, those not installed shown as such. A journal that was not asked for by
    name is removed once the report is written, unless it is that of a shard.
    """
    out = console()
    keep_freed_memory()
    try:
        own = None if not json_path or is_stream(json_path) else f"{json_path}.journal"
        *paths, _ = all_writable(json_path, html_path, junit_path, journal_path or own)
        named = bool(implementations)
        names = list(dict.fromkeys(implementations)) or [e.name for e in registry.entries().values() if e.required]
        for name in names:
            check_name(name)
        options = Options(golden=_golden(folder), **options)
        cases = select(options.golden, patterns, quick)
        journal = _journal(plan(names, cases, options, named), journal_path or own, resume)
        results = _judge(names, cases, options, journal, out)
    except WRONG_USE as error:
        refuse(error)
    cases = [options.golden.cases[case] for case in journal.plan.own_cases()]
    status = conclude(out, results, cases, options.golden, paths, named, journal)
    if own and not journal_path and options.shard == (1, 1) and status in (0, 1):
        journal.remove()
    journal.close()
    sys.exit(status)


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


def _golden(folder) -> Golden:
    """The golden files of this package, or those in a folder, which the workers then read too."""
    if folder is None:
        return Golden()
    os.environ["BNCONFORM_GOLDEN"] = os.path.abspath(folder)
    return Golden(Path(folder))


def check_name(name: str) -> registry.Entry:
    """The entry of that name; nothing of it is imported. Errors: UsageError, UnknownImplementation."""
    entry = registry.entry(name)
    module = name.partition(":")[0]
    if ":" in name and (not module or registry.spec_of(module.partition(".")[0]) is None):
        raise UsageError(f"no module named {line(module, 80)!r} (for {line(name, 80)!r})")
    return entry


@click.command()
@click.argument("case_id", metavar="CASE")
@click.option(
    "--ddof", type=click.Choice(["0", "1"]), default="1", show_default=True, help="running_ddof of the expected values."
)
def explain(case_id, ddof):
    """A case: input, expected, clause, allowance, how to reproduce."""
    from ..report.explain import describe

    golden = Golden()
    try:
        if case_id not in golden.cases:
            near = [name for name in golden.cases if case_id in name][:5]
            raise UsageError(
                f"no case {case_id!r}" + (f"; did you mean {', '.join(near)}?" if near else "; see `bnconform list`")
            )
        describe(console(), golden, golden.cases[case_id], int(ddof))
    except WRONG_USE as error:
        refuse(error)
