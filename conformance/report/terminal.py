"""What a person sees in the terminal: progress, the table, failures and reasons."""

from collections import defaultdict

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ..records import FAILED, STATUSES
from ..run.schedule import Judged, Listener
from ..run.supervisor import ACTIVITIES
from ..text import line
from ..text import name as shown
from .data import notes, reasons, summarize

COLOURS = {
    "pass": "green",
    "fail": "red",
    "deviates": "yellow",
    "unsupported": "bright_black",
    "crashed": "red",
    "timed out": "red",
}
MOST_FAILURES = 12


def marked(text: str) -> str:
    """What others wrote, on one line and without a meaning to rich's markup."""
    return escape(line(text))


class ProgressListener(Listener):
    """One bar an implementation; without a terminal, one line when each is done."""

    def __init__(self, console: Console):
        self.console = console
        self.bars = Progress(
            TextColumn("{task.description:<22}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[now]}", markup=False),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self.tasks = {}

    def __enter__(self):
        self.bars.start()
        return self

    def __exit__(self, *_):
        self.bars.stop()

    def started(self, implementation, total):
        self.tasks[implementation] = self.bars.add_task(shown(implementation), total=total, now="starting")

    def judged(self, implementation, case, verdicts):
        self.bars.update(self.tasks[implementation], advance=1, now=case)

    def noted(self, implementation, text):
        self.console.print(f"{shown(implementation)}: {line(text)}", highlight=False, markup=False, soft_wrap=True)

    def finished(self, judged: Judged):
        summary = summarize(judged)
        self.bars.update(self.tasks[judged.name], now=summary["verdict"])
        if not self.console.is_terminal:
            took = sum(judged.seconds.values())
            told = f"{shown(judged.name)}: {summary['cases']} cases, {summary['verdict']} ({took:.1f} s)"
            self.console.print(told, markup=False)


def summary_table(results: list[Judged]) -> Table:
    """One row an implementation: counts of outputs by status."""
    table = Table(box=box.SIMPLE_HEAD, title="outputs by status", title_justify="left")
    table.add_column("implementation", no_wrap=True)
    table.add_column("version")
    for status in STATUSES:
        table.add_column(status, justify="right")
    table.add_column("worst passing score", justify="right")
    table.add_column("verdict")
    for judged in results:
        summary = summarize(judged)
        counts = [f"[{COLOURS[s]}]{summary[s]}[/]" if summary[s] else "·" for s in STATUSES]
        worst = summary["worst_passing_score"]
        colour = "red" if summary["verdict"] in ("FAILS", "cannot be loaded", "nothing passed") else ""
        verdict = f"[{colour}]{summary['verdict']}[/]" if colour else summary["verdict"]
        table.add_row(
            marked(judged.name), marked(judged.version), *counts, "" if worst is None else f"{worst:.2f}", verdict
        )
    return table


def time_table(results: list[Judged]) -> Table:
    """One row an implementation: seconds by activity (of the clock: implementations run beside each other)."""
    table = Table(box=box.SIMPLE_HEAD, title="seconds", title_justify="left")
    table.add_column("implementation", no_wrap=True)
    for activity in ACTIVITIES:
        table.add_column(activity, justify="right")
    for judged in results:
        table.add_row(marked(judged.name), *(f"{judged.seconds.get(activity, 0):.1f}" for activity in ACTIVITIES))
    return table


def print_results(console: Console, results: list[Judged]) -> None:
    """The tables, then for each implementation what failed and why, what deviates, what is unsupported."""
    console.print(summary_table(results))
    console.print(time_table(results))
    for judged in results:
        if judged.hello.problem:
            console.print(f"[bold]{marked(judged.name)}[/]: {marked(judged.hello.text)}", highlight=False)
            continue
        _print_failures(console, judged)
        for note in notes(judged):
            console.print(f"[yellow]note[/] {marked(judged.name)}: {marked(note)}", highlight=False, soft_wrap=True)
        for status in ("deviates", "unsupported"):
            for reason, count, cases in reasons(judged, status):
                where = ", ".join(cases[:3]) + (f" and {len(cases) - 3} more" if len(cases) > 3 else "")
                console.print(
                    f"[{COLOURS[status]}]{status}[/] {marked(judged.name)}: {marked(reason)} "
                    f"({count} outputs: {where})",
                    highlight=False,
                    soft_wrap=True,
                )


def _print_failures(console, judged):
    """The worst output of each failing case, and the diagnosis of all."""
    bad = defaultdict(list)
    for verdict in judged.verdicts:
        if verdict.status in FAILED:
            bad[verdict.case].append(verdict)
    for case, verdicts in list(bad.items())[:MOST_FAILURES]:
        worst = max(verdicts, key=lambda v: v.score if v.score is not None else float("inf"))
        others = f" and {len(verdicts) - 1} more outputs" if len(verdicts) > 1 else ""
        say = (
            f"[red]{worst.status}[/] {marked(judged.name)} {case} {worst.output}{others}: "
            f"{marked(worst.kind)}: {marked(worst.message)}"
        )
        again = (
            f"bnconform explain {case}"
            if judged.device == "files"
            else f"bnconform run {marked(judged.name)} -k {case}"
        )
        console.print(f"{say}\n     {again}", highlight=False, soft_wrap=True)
    if len(bad) > MOST_FAILURES:
        console.print(f"… and {len(bad) - MOST_FAILURES} more cases; all are in the report (--json, --html)")
    for explanation in dict.fromkeys(v.diagnosis for vs in bad.values() for v in vs if v.diagnosis):
        console.print(
            f"[bold]diagnosis[/] {marked(judged.name)}: {marked(explanation)}", highlight=False, soft_wrap=True
        )
