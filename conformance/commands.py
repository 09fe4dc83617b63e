"""The commands of the main job: list, run, explain."""

import os
import sys
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Table

from bnconform.backends import registry

from . import report as reports
from .golden import Golden, GoldenError
from .known import KnownError
from .museum import table as exhibits
from .run import Options, UsageError, select
from .run import run as run_suite
from .terminal import ProgressListener, print_results

WRONG_USE = (UsageError, KnownError, GoldenError, registry.UnknownImplementation)


def console() -> Console:
    """Wide enough for the table where there is no terminal to ask."""
    found = Console()
    return found if found.is_terminal else Console(width=160)


def refuse(error: Exception):
    """One clear line and exit 2."""
    click.echo(f"bnconform: {error}", err=True)
    sys.exit(2)


def writable(path: str | None) -> Path | None:
    """A path whose folder exists, checked before any work is done. Errors: UsageError."""
    if path is None:
        return None
    found = Path(path)
    if found.is_dir() or not found.resolve().parent.is_dir():
        raise UsageError(f"cannot write {path}: {'it is a folder' if found.is_dir() else 'its folder does not exist'}")
    return found


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


@click.command()
@click.argument("implementations", nargs=-1, metavar="[IMPL]...")
@click.option("-k", "patterns", multiple=True, help="Only cases whose id contains this or matches this shell pattern.")
@click.option("--quick", is_flag=True, help="The small set of cases that still kills every mutant.")
@click.option("--device", type=click.Choice(["cpu", "gpu"]), default="cpu", show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Workers at a time.")
@click.option("--timeout", type=click.FloatRange(0.1), default=120.0, show_default=True, help="Seconds a case may take.")
@click.option("--json", "json_path", help="Write the report as JSON.")
@click.option("--html", "html_path", help="Write the report as one HTML page.")
@click.option("--junit", "junit_path", help="Write the results as JUnit XML.")
@click.option("--known", multiple=True, help="A JSON file of known differences of your own backend.")
@click.option("--golden", "folder", help="A folder of golden files of your own, as `keep` writes them.")
def run(implementations, patterns, quick, device, jobs, timeout, json_path, html_path, junit_path, known, folder):
    """Judge implementations: built-in names, entry points, or package.module:Class.

    Without IMPL: all built-in implementations, those not installed shown as such.
    """
    out = console()
    try:
        paths = [writable(path) for path in (json_path, html_path, junit_path)]
        named = bool(implementations)
        names = list(dict.fromkeys(implementations)) or [e.name for e in registry.entries().values() if e.required]
        for name in names:
            _check_name(name)
        options = Options(device=device, timeout=timeout, jobs=jobs, known=known, golden=_golden(folder))
        cases = select(options.golden, patterns, quick)
        with ProgressListener(out) as listener:
            results = run_suite(names, cases, options, listener)
    except WRONG_USE as error:
        refuse(error)
    print_results(out, results)
    _write(out, results, cases, options.golden, *paths)
    sys.exit(reports.exit_status(results, named))


def _golden(folder) -> Golden:
    """The golden files of this package, or those in a folder, which the workers then read too."""
    if folder is None:
        return Golden()
    os.environ["BNCONFORM_GOLDEN"] = os.path.abspath(folder)
    return Golden(Path(folder))


def _check_name(name):
    """An unknown name is wrong use; a module that lies in the current folder counts."""
    entry = registry.entry(name)
    if ":" in name and not entry.required:
        module = name.partition(":")[0]
        sys.path.insert(0, "")
        try:
            found = registry.importlib.util.find_spec(module)
        except ModuleNotFoundError as error:
            raise UsageError(f"no module named {error.name!r} (for {name!r})") from None
        finally:
            sys.path.pop(0)
        if found is None:
            raise UsageError(f"no module named {module!r} (for {name!r})")


def _write(out, results, cases, golden, json_path, html_path, junit_path):
    data = reports.to_json(results, cases, golden)
    if json_path:
        reports.write_json(json_path, data)
    if html_path:
        from .html import render

        reports.write_atomically(html_path, render(data, cases))
    if junit_path:
        from .junit import render as render_junit

        reports.write_atomically(junit_path, render_junit(data))
    for path in (json_path, html_path, junit_path):
        if path:
            out.print(f"wrote {path}", highlight=False)


@click.command()
@click.argument("case_id", metavar="CASE")
@click.option("--ddof", type=click.Choice(["0", "1"]), default="1", show_default=True, help="running_ddof of the expected values.")
def explain(case_id, ddof):
    """A case: input, expected, clause, allowance, how to reproduce."""
    from .explain import describe

    golden = Golden()
    try:
        if case_id not in golden.cases:
            near = [name for name in golden.cases if case_id in name][:5]
            raise UsageError(f"no case {case_id!r}" + (f"; did you mean {', '.join(near)}?" if near else "; see `bnconform list`"))
        describe(console(), golden, golden.cases[case_id], int(ddof))
    except WRONG_USE as error:
        refuse(error)
