"""`bnconform search IMPL` and `bnconform shrink IMPL CASE`."""

import sys
import time
from pathlib import Path

import click

from bnconform.backends import registry

from ..cases.draft import Draft
from ..golden.folder import write_folder
from ..golden.store import Golden, GoldenError
from ..judge.compare import BASIC
from ..records import Verdict
from ..run.process import WorkerLost
from . import edits
from .diagnosis import diagnosis
from .hunt import Asker, Find, Search, signature
from .judging import expect
from .script import script
from .shrink import SECONDS, failing, shrink

SAVED = 10.0  # seconds between two writings of the file that --resume reads


def _open(implementation, timeout) -> Asker:
    """A worker that answers, or one clear line and exit 2."""
    try:
        registry.entry(implementation)
        asker = Asker(implementation, timeout=timeout)
    except (registry.UnknownImplementation, WorkerLost) as error:
        raise click.UsageError(str(error)) from None
    if asker.hello.problem:
        asker.close()
        raise click.UsageError(f"{implementation}: {asker.hello.text}")
    return asker


def _folder(path: Path | None) -> None:
    """Where case folders are to go, before any work is done."""
    if path and (path.is_file() or not path.resolve().parent.is_dir()):
        raise click.UsageError(f"cannot write {path}: it is a file, or its folder does not exist")


@click.command()
@click.argument("implementation")
@click.option("--seconds", default=60.0, show_default=True, type=click.FloatRange(min=0), help="How long to search.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="The same seed asks the same.")
@click.option("--output", type=click.Choice(BASIC), help="Judge this output alone.")
@click.option("--resume", type=click.Path(dir_okay=False, path_type=Path), help="Keep here where it is; go on from it.")
@click.option("--out", type=click.Path(path_type=Path), help="A folder for the finds, shrunk: golden folders, scripts.")
@click.option("--timeout", default=60.0, show_default=True, help="Seconds for one answer.")
def search(implementation, seconds, seed, output, resume, out, timeout):
    """Wrong and worst results that no list of cases holds, in random problems and by hill climbing.

    Every alarm is the oracle's. What is found is shrunk and written as a script. Exit status 1 if anything was found.
    """
    _folder(out)
    asker = _open(implementation, timeout)
    try:
        found = Search(asker, seed, output or "")
        if resume and resume.exists():
            try:
                found.resume(resume)
            except ValueError as error:
                raise click.UsageError(str(error)) from None
        clock = _Clock(found, resume)
        found.run(seconds, clock)
        clock.end()
        for number, find in enumerate(found.finds):
            _tell(asker, found.conventions, find, out and out / f"{implementation.replace(':', '.')}-{number}")
        _summary(found, clock.rate)
    finally:
        asker.close()
    sys.exit(1 if found.finds else 0)


class _Clock:
    """Progress on the error stream, and the state kept for --resume."""

    def __init__(self, search: Search, path: Path | None):
        self.path, self.started, self.before = path, time.monotonic(), search.problems
        self.told = self.saved = self.started
        self.search, self.rate = search, 0.0

    def __call__(self, search: Search) -> None:
        now = time.monotonic()
        self.rate = (search.problems - self.before) / max(now - self.started, 1e-9)
        if now - self.told > (0.5 if sys.stderr.isatty() else 10):
            self.told = now
            click.echo(f"{self.line()}{chr(13) if sys.stderr.isatty() else ''}", err=True, nl=not sys.stderr.isatty())
        if self.path and now - self.saved > SAVED:
            self.saved = now
            search.save(self.path)

    def line(self) -> str:
        s = self.search
        return f"{s.problems:,} problems in {s.calls:,} calls, {self.rate:,.0f} a second, {len(s.finds)} found"

    def end(self) -> None:
        if self.path:
            self.search.save(self.path)


def _summary(found: Search, rate: float) -> None:
    worst = ", ".join(f"{name} {score:.2f}" for name, score in sorted(found.worst.items()))
    click.echo(
        f"{found.asker.name} {found.asker.hello.version}, seed {found.seed}: {found.problems:,} problems in "
        f"{found.calls:,} calls, {rate:,.0f} problems a second, judging included; {len(found.finds)} found.\n"
        f"Largest scores within the allowance: {worst or 'none'}"
    )


def _tell(asker, conventions, find: Find, folder: Path | None) -> None:
    """One find: what, where, and its shrunk problem as a script."""
    verdict = find.verdicts[0]
    outputs = ", ".join(sorted({f"{v.output.split('.')[-1]} ({v.kind})" for v in find.verdicts}))
    click.echo(f"\nround {find.round}: {outputs} in {find.draft.case.x_dtype}, {edits.count(find.draft)} values")
    _show(asker, conventions, find.draft, verdict, folder)


def _show(asker, conventions, draft: Draft, verdict: Verdict, folder, seconds=SECONDS) -> None:
    small = shrink(asker, conventions, draft, verdict, seconds)
    again = [v for v in failing(asker, small, conventions) if signature(v, small)[:2] == signature(verdict, small)[:2]]
    told = (again or [verdict])[0]
    if not again:
        click.echo("it did not fail when it was asked again: the problem is told as it came")
        small = draft
    click.echo(f"{edits.count(small)} values in {len(small.case.steps)} calls: {told.output}: {told.message}")
    click.echo(f"diagnosis: {diagnosis(asker, conventions, draft, small)}")
    if "." in told.output:
        text = script(asker.name, asker.hello, small, told, expect(small, conventions))
        click.echo(text)
        if folder:
            write_folder(small, folder)
            (folder / "show.py").write_text(text)
            click.echo(f"bnconform run {asker.name} --golden {folder}")


@click.command(name="shrink")
@click.argument("implementation")
@click.argument("case")
@click.option("--golden", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Where the case lies.")
@click.option("--seconds", default=SECONDS, show_default=True, help="How long to try.")
@click.option("--out", type=click.Path(path_type=Path), help="A folder for the shrunk case and its script.")
@click.option("--timeout", default=60.0, show_default=True, help="Seconds for one answer.")
def shrink_(implementation, case, golden, seconds, out, timeout):
    """The smallest problem that still fails like CASE: few values, one channel where that does, round numbers."""
    _folder(out)
    try:
        cases = Golden(golden) if golden else Golden()
        record = cases.cases[case]
    except GoldenError as error:
        raise click.UsageError(str(error)) from None
    except KeyError:
        raise click.UsageError(f"no case {case!r} in {cases.folder}") from None
    if record.raises or record.law or any(step.static or "renorm" in step.features for step in record.steps):
        raise click.UsageError(f"{case} is not shrunk: its answer is an error, a law, or no layer's step")
    asker = _open(implementation, timeout)
    try:
        conventions, draft = asker.hello.conventions, Draft(record, cases.inputs(record))
        failed = sorted(failing(asker, draft, conventions), key=lambda v: -(v.score or 0))
        if not failed:
            click.echo(f"{implementation} passes {case}, or does not take it: nothing to shrink")
            return
        _show(asker, conventions, draft, failed[0], out, seconds)
    finally:
        asker.close()
    sys.exit(1)
