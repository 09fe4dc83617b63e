"""What a person sees in the terminal: progress, then the answer on one screen."""

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ..judge.levels import CELLS, LEVELS, SHORT
from ..run.schedule import Judged, Listener
from ..run.supervisor import ACTIVITIES
from ..text import line
from ..text import name as shown
from .attention import by_reason, examined, reproduce, rows_of
from .changes import Comparison
from .data import BAD, summarize

COLOURS = {"deviates": "yellow", "unsupported": "bright_black"}
CELL_COLOURS = {"ok": "green", "ok*": "yellow", "FAIL": "bold red", "-": "bright_black"}
MOST = 4  # mistakes, or causes, of an implementation that the first screen tells


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


def level_table(report: dict) -> Table:
    """One row an implementation: verdict, levels, outputs that are excused, largest passing score."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("implementation", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for short in SHORT:
        table.add_column(short, no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    for implementation in report["implementations"]:
        summary, reached = implementation["summary"], implementation["levels"]
        cells = [CELLS[reached[level]["status"]] if level in reached else "" for level in LEVELS]
        verdict = summary["verdict"].partition(",")[0]
        colour = "red" if verdict in BAD else "green" if verdict == "conforms" else "yellow"
        worst = summary["worst_passing_score"]
        table.add_row(
            marked(implementation["name"])[:24],
            f"[{colour}]{verdict}[/]",
            *(f"[{CELL_COLOURS[cell]}]{cell}[/]" if cell else "" for cell in cells),
            "" if worst is None else f"{worst:.2f}",
        )
    return table


def print_report(console: Console, report: dict, verbosity: int = 0) -> None:
    """The answer on one screen: a row each, then what needs attention, then what to type next.

    verbosity 0: mistakes and causes; 1: the failing cases and all known differences too; 2: also every failing output,
    what is unsupported and where time went.
    """
    console.print(level_table(report))
    console.print("ok passed   ok* with known differences   - not offered   score: largest that passed", style="dim")
    for implementation in report["implementations"]:
        if implementation["problem"]:
            _say(console, f"[bold]{marked(implementation['name'])}[/]: {marked(implementation['problem'])}")
            continue
        rows = rows_of(report, implementation["name"])
        _print_failures(console, implementation, rows, verbosity)
        for note in implementation["notes"]:
            _say(console, f"[yellow]note[/] {marked(implementation['name'])}: {marked(note)}")
    if verbosity:
        _print_reasons(console, report, "deviates")
    if verbosity > 1:
        _print_reasons(console, report, "unsupported")
        console.print(time_table(report))
    _print_excused(console, report, verbosity)


def _print_failures(console, implementation, rows, verbosity):
    """What is wrong, in the order of what it explains; then what nobody explains; then what is not there."""
    wrong = examined(rows)
    found, left, absent = wrong.named, wrong.left, wrong.missing
    if not wrong.total:
        return
    most = MOST if not verbosity else None
    asked = len(rows) - implementation["summary"]["unsupported"]
    _say(console, f"\n[bold red]{marked(implementation['name'])}[/]: {wrong.total} of {asked} outputs are wrong")
    for number, group in enumerate(found[:most], 1):
        _say(console, f" {number}. [bold]{marked(group.text)}[/]", 4)
        _say(console, f"{_told(group)}", 4)
        _print_cases(console, group, verbosity)
    _print_rest(console, found[MOST:] if not verbosity else [], "mistakes")
    if left:
        _say(console, " not explained:" if found else " no mistake on record explains:")
    for group in left[:most]:
        _say(console, f"   {marked(group.text)}: {_told(group)}", 4)
        _print_cases(console, group, verbosity)
    _print_rest(console, left[MOST:] if not verbosity else [], "causes")
    if absent:
        names = ", ".join(absent.outputs)
        _say(
            console, f" not returned: {names} in {len(absent.cases)} cases; return them, or leave them out of `exposes`"
        )
    commands = "   or   ".join(map(marked, reproduce(implementation, wrong.first["case"])))
    _say(console, f" next: {commands}")


def _print_cases(console, group, verbosity):
    if verbosity == 1:
        _say(console, f"in {', '.join(group.cases)}", 4)
    if verbosity > 1:
        for row in group.rows:
            _say(console, f"{row['case']} {row['output']}: {marked(row['message'])}", 6)


def _print_rest(console, groups, what):
    if groups:
        _say(
            console,
            f"   and {len(groups)} more {what}, {sum(len(group.rows) for group in groups)} outputs: -v shows them",
        )


def _print_reasons(console, report, status):
    for implementation in report["implementations"]:
        for group in by_reason(rows_of(report, implementation["name"]), status):
            where = ", ".join(group.cases[:3]) + (f" and {len(group.cases) - 3} more" if len(group.cases) > 3 else "")
            head = f"[{COLOURS[status]}]{status}[/] {marked(implementation['name'])}: {marked(group.text)}"
            _say(console, f"{head} ({len(group.rows)} outputs: {where})")


def _print_excused(console, report, verbosity):
    """How much is excused by known differences, in one line; -v gives the reasons."""
    counts = {i["name"]: i["summary"]["deviates"] for i in report["implementations"] if i["summary"]["deviates"]}
    if counts and not verbosity:
        text = ", ".join(f"{marked(name)} {count}" for name, count in counts.items())
        _say(console, f"\nknown differences, in outputs: {text}; -v gives the reasons")


def _told(group):
    return f"{group.count} ({marked(', '.join(group.outputs[:5]))}), e.g. {_example(group.rows[0])}"


def _example(row):
    return f"{row['case']} {row['output']}: {marked(row['message'])[:300]}"


def _say(console, text, indent=0):
    console.print(Padding(Text.from_markup(text), (0, 0, 0, indent), expand=False), highlight=False)


def print_comparison(console: Console, found: Comparison, verbosity: int = 0) -> None:
    """What changed between two reports; verbosity 1: every case."""
    _say(console, f"[bold]{marked(found.says)}[/]")
    for name, what, before, after in found.facts:
        _say(console, f"{marked(name)} {marked(what)}: {marked(before)} -> {marked(after)}")
    for group in found.groups:
        colour = "bold red" if group.worse else "bold"
        row = f"{group.example['case']} {group.example['output']}"
        _say(
            console,
            f"\n[{colour}]{marked(group.text)}[/]: {group.count}, e.g. {marked(row)}: {marked(group.told)[:300]}",
        )
        if verbosity:
            _say(console, f"in {marked(', '.join(group.cases))}", 4)


def time_table(report: dict) -> Table:
    """One row an implementation: seconds by activity (of the clock: implementations run beside each other)."""
    table = Table(box=box.SIMPLE_HEAD, title="seconds", title_justify="left")
    table.add_column("implementation", no_wrap=True)
    for activity in ACTIVITIES:
        table.add_column(activity, justify="right")
    for implementation in report["implementations"]:
        seconds = implementation["seconds"]
        table.add_row(marked(implementation["name"]), *(f"{seconds.get(each, 0):.1f}" for each in ACTIVITIES))
    return table
