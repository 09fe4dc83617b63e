"""`bnconform claims`: list the claims, measure one, or measure all and write the page."""

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ..rows import rows
from ..run.interrupts import Interrupted, interruptible
from . import registry
from .record import CONDITIONS, FAILS, HOLDS, Result, interval

NEEDS = {"torch": "torch", "sklearn": "scikit-learn", "matplotlib": "matplotlib"}
COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
COLOR = {HOLDS: "green", CONDITIONS: "yellow", FAILS: "red"}


class WrongUse(click.ClickException):
    """A wrong name or path: one line, without the usage, and status 2."""

    exit_code = 2


@click.command("claims")
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="Measure all claims and write one page and claims.json.")
@click.option("--list", "listing", is_flag=True, help="List the claims (the default).")
@click.option("--quick", is_flag=True, help="Smaller sizes and fewer repetitions: all claims in under 5 minutes.")
@click.option(
    "--data",
    default="digits",
    metavar="NAME=PATH",
    help="mnist or fashion-mnist from a folder of IDX files, these or cifar10 from an .npz file; the bundled digits by "
    "default.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("claims-report"),
    show_default=True,
    help="Folder for the page, claims.json and figures.",
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True)
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Claims measured at once by --all, each in a process with one thread; 1 shows each one's progress.",
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:1: where networks are trained.")
def claims(
    name: str | None,
    everything: bool,
    listing: bool,
    quick: bool,
    data: str,
    out: Path,
    seed: int,
    jobs: int,
    device: str,
) -> None:
    """Textbook claims about batch normalization, measured.

    Without NAME the claims are listed; with NAME that one is measured. The exit status is 0 whatever the verdicts are:
    a claim that does not hold is a finding. It is 2 for wrong use, and 128 plus the signal's number where one ended the
    run.
    """
    console = Console()
    _require_libraries()
    if name is not None and name not in registry.names():
        raise WrongUse(f"no claim {name!r}; bnconform claims lists them")
    if name is not None and everything:
        raise WrongUse("either NAME or --all, not both")
    if listing or (name is None and not everything):
        _list(console)
        return
    _check_device(device)
    images = _images(data, quick)
    _writable(out)
    how = {"quick": quick, "seed": seed, "device": device}
    try:
        with interruptible():
            results = _measure(console, images, name, jobs, **how)
    except Interrupted as interrupt:
        click.echo(f"bnconform: interrupted by {interrupt.name}; nothing was written", err=True)
        sys.exit(interrupt.status)
    if everything:
        _write_all(console, results, {**how, "data": images.name, **_versions()}, out)
    else:
        _write_one(console, results[0], out)


def _require_libraries() -> None:
    missing = [pip for module, pip in NEEDS.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise WrongUse(f"the claims need {', '.join(missing)}: pip install 'bnconform[claims]'")


def _check_device(device: str) -> None:
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WrongUse(f"device {device!r} cannot be used: {reason}") from None
    if torch.device(device).type not in ("cpu", "cuda"):
        raise WrongUse(f"device {device!r}: expected cpu, cuda or cuda:N")


def _images(data: str, quick: bool) -> Any:
    from .data import DataError, load

    name, _, path = data.partition("=")
    try:
        return load(name, path or None, quick=quick)
    except DataError as error:
        raise WrongUse(str(error)) from None


def _writable(out: Path) -> None:
    """Make the folder now: a measurement must not be lost to a typing error at its end."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongUse(f"cannot write to {out}: {error.strerror or error}") from None
    if not os.access(out, os.W_OK | os.X_OK):
        raise WrongUse(f"cannot write to {out}: permission denied")


def _measure_one(bars: Progress, name: str, images: Any, **how: Any) -> Result:
    from .run import execute

    return execute(
        registry.load(name), images, progress=lambda items, what: _bar(bars, items, f"{name}: {what}"), **how
    )


def _measure(console: Console, images: Any, name: str | None, jobs: int, **how: Any) -> list[Result]:
    """The claim `name`, or all of them."""
    if name is None:
        return _measure_all(console, images, jobs, **how)
    with Progress(*COLUMNS, console=console, transient=True) as bars:
        return [_measure_one(bars, name, images, **how)]


def _measure_all(console: Console, images: Any, jobs: int, **how: Any) -> list[Result]:
    from .pool import execute_all

    order, results = registry.names(), []
    with Progress(*COLUMNS, console=console, transient=True) as bars:
        total = bars.add_task("claims", total=len(order))
        if jobs > 1:
            coming = execute_all(order, images, jobs, **how)
        else:
            coming = (_measure_one(bars, name, images, **how) for name in order)
        for result in coming:
            results.append(result)
            bars.advance(total)
            console.print(f"[{COLOR[result.verdict]}]{result.verdict:>20}[/]  {result.claim.name}", soft_wrap=True)
    return sorted(results, key=lambda result: order.index(result.claim.name))


def _bar(bars: Progress, items: Sequence[Any], what: str) -> Iterator[Any]:
    task = bars.add_task(what, total=len(items))
    with contextlib.ExitStack() as stack:
        stack.callback(bars.remove_task, task)
        for item in items:
            yield item
            bars.advance(task)


def _versions() -> dict[str, str]:
    import numpy
    import sklearn
    import torch

    return {"torch": torch.__version__, "numpy": numpy.__version__, "scikit-learn": sklearn.__version__}


def _list(console: Console) -> None:
    table = Table(box=None, header_style="bold")
    table.add_column("name", no_wrap=True)
    table.add_column("claim")
    table.add_column("source")
    for name in registry.names():
        claim = registry.load(name)
        table.add_row(name, claim.title, claim.source)
    console.print(table)


def _show(console: Console, result: Result) -> None:
    claim = result.claim
    console.print(f"[bold]{claim.title}[/]\n{claim.statement}\n[dim]{claim.source}[/]\n")
    table = Table(box=None, header_style="bold")
    for column in ("measured", "value [95 % interval]", "n"):
        table.add_column(column)
    for number in result.numbers.values():
        table.add_row(number.label, interval(number), str(number.n))
    console.print(table)
    console.print()
    for outcome in result.outcomes:
        mark = "[green]yes[/]" if outcome.passed else "[red]no [/]"
        numbers = "; ".join(interval(result.numbers[key]) for key in outcome.numbers)
        console.print(f"{mark} {outcome.text}{'' if outcome.core else ' (a condition)'} [dim]{numbers}[/]")
    for label, texts in (("note", result.notes), ("erratum", result.errata)):
        for text in texts:
            console.print(f"[dim]{label}:[/] {text}")
    console.print(f"\nverdict: [bold {COLOR[result.verdict]}]{result.verdict}[/]")


def _write_one(console: Console, result: Result, out: Path) -> None:
    _show(console, result)
    figure = out / f"{result.claim.name}.svg"
    figure.write_text(result.figure, encoding="utf-8")
    console.print(f"figure: {figure}", soft_wrap=True)


def _write_all(console: Console, results: Sequence[Result], facts: dict[str, Any], out: Path) -> None:
    from .page import render

    record = {"schema": "bnconform.claims/1", **facts, "claims": [r.as_dict() for r in results]}
    (out / "claims.json").write_text(rows(record, 4), encoding="utf-8")
    (out / "claims.html").write_text(render(results, facts), encoding="utf-8")
    console.print(f"page: {out / 'claims.html'}\nnumbers: {out / 'claims.json'}", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(claims())
