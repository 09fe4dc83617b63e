"""`bnconform bench`."""

import os
from importlib.util import find_spec
from pathlib import Path

import click
from rich.console import Console

from ..report.files import write
from ..rows import rows
from ..run.plan import UsageError
from ..run.use import all_writable
from .machine import CopyBandwidth, DeviceBandwidth, describe
from .measure import complete, installed, measure, start
from .problems import SETS, problems
from .report import around, fill, machine_lines, plot, tables

SCHEMA = "bnconform.bench/1"


@click.command("bench", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--implementations", help="Names, separated by commas. [default: all that are installed]")
@click.option(
    "--shapes",
    default="default",
    show_default=True,
    help=f"Sets ({', '.join(SETS)}) or sizes: 32x64x56x56[:last[:bfloat16]].",
)
@click.option("--repeats", default=7, show_default=True, type=click.IntRange(1), help="Rounds; the median counts.")
@click.option("--quick", is_flag=True, help="Three shapes, three rounds.")
@click.option("--device", type=click.Choice(["cpu", "gpu"]), default="cpu", show_default=True)
@click.option("--threads", default=os.cpu_count(), show_default="all cores", type=click.IntRange(1))
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the whole report here."
)
@click.option(
    "--plot",
    "plot_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw it here (.png, .svg; needs matplotlib).",
)
@click.option(
    "--page",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Put the tables into this page, between its marks.",
)
def bench(implementations, shapes, repeats, quick, device, threads, json_path, plot_path, page):
    """Time and memory of the reference and every installed implementation.

    The implementations take turns; the median of the rounds counts. Times are of a framework's own layer on its own
    tensors. A share of the copy bandwidth is the bytes that must move (each array read or written once), over the
    time, over what copying a large array on this machine reaches.
    """
    console, errors = Console(emoji=False), Console(stderr=True, emoji=False)
    console.width = max(console.width, 100)  # a table's; a narrower terminal wraps it
    if quick:
        shapes, repeats = ("quick" if shapes == "default" else shapes), min(repeats, 3)
    try:
        wanted = problems(shapes)
        all_writable(json_path, plot_path)
        if page:
            around(page)
    except (ValueError, UsageError) as error:
        raise click.UsageError(str(error)) from None
    if plot_path and find_spec("matplotlib") is None:
        raise click.UsageError("--plot needs matplotlib: pip install 'bnconform[plots]'")
    machine = describe(threads, device)
    names = implementations.split(",") if implementations else installed()
    processes, refused = start(names, device, threads)
    try:
        _check(refused, processes, explicit=bool(implementations))
        for error in refused.values():
            errors.print(f"left out: {error}", style="yellow", markup=False)
        bandwidth = DeviceBandwidth() if device == "gpu" else CopyBandwidth(threads)
        tell = lambda text: errors.print(text, style="dim", markup=False)
        results = [row for problem in wanted for row in measure(processes, problem, repeats, device, bandwidth, tell)]
        machine["copy_bytes_per_second"] = bandwidth.bytes_per_second
        versions = {name: process.version for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.close()
    results = complete(results, machine["copy_bytes_per_second"])
    report = {"schema": SCHEMA, "device": device, "repeats": repeats, "machine": machine, "implementations": versions}
    report |= {"left_out": {name: str(error) for name, error in refused.items()}, "results": results, "suite": {}}
    _show(console, report)
    if json_path:
        write(json_path, rows(report, 2))
    if plot_path:
        plot(report, plot_path)
    if page:
        fill(report, page)


def _check(refused, processes, explicit):
    """Wrong use: a named implementation that cannot run, or none that can."""
    stopped = [error for error in refused.values() if explicit and error.wrong_use]
    if stopped or not processes:
        reasons = stopped or list(refused.values())
        raise click.UsageError("\n".join(map(str, reasons)) or "no implementation to time")


def _show(console, report):
    for line in machine_lines(report["machine"]):
        console.print(line, highlight=False)
    for table in tables(report):
        console.print(table)
    for row in report["results"]:
        if "error" in row:
            console.print(f"{row['problem']} {row.get('operation', '')}: {row['error']}", style="yellow", markup=False)
