"""The table and the picture."""

from pathlib import Path

from rich import box
from rich.table import Table

from .problems import OPERATIONS

MARKS = "<!-- run -->\n", "<!-- end of run -->\n"


def _timed(report):
    """Problem -> implementation -> operation -> row, of what was timed."""
    found = {}
    for row in report["results"]:
        if "seconds" in row:
            found.setdefault(row["problem"], {}).setdefault(row["implementation"], {})[row["operation"]] = row
    return found


def tables(report):
    """A rich table for each problem: milliseconds, and how many times the fastest they are."""
    for problem, implementations in _timed(report).items():
        table = Table(title=problem, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
        table.add_column("implementation", no_wrap=True, min_width=19)
        for heading in (*(f"{operation}\nms" for operation in OPERATIONS), "% of copy\nbandwidth", "peak\nMB"):
            table.add_column(heading, justify="right", no_wrap=True)
        for name, own in implementations.items():
            table.add_row(name, *_cells(own))
        yield table


def markdown(report):
    """The machine and the tables for a page."""
    yield from (f"{line}  " for line in machine_lines(report["machine"]))
    yield f"Medians of {report['repeats']} rounds. *to torch* is the median of the rounds' ratios of a step."
    headings = [
        "implementation",
        *(f"{operation} ms" for operation in OPERATIONS),
        "step to torch",
        "% of copy bandwidth",
        "peak MB",
    ]
    for problem, implementations in _timed(report).items():
        yield from ("", f"**{problem}**", "", f"| {' | '.join(headings)} |", "|---|" + "--:|" * (len(headings) - 1))
        for name, own in implementations.items():
            *times, shares, peak = _cells(own)
            ratio = own["step"]["to_torch"] if "step" in own else None
            yield f"| {' | '.join([name, *times, '-' if ratio is None else f'{ratio:.2f}', shares, peak])} |"


def around(page):
    """What stands before and behind the marks of a page. Errors: ValueError where it has none."""
    before, mark, rest = page.read_text().partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not (mark and end):
        raise ValueError(f"{page} has no lines {' and '.join(map(repr, MARKS))}")
    return before, after


def fill(report, page):
    """Replace what stands between the marks of a page. Errors as `around`."""
    before, after = around(page)
    page.write_text(before + MARKS[0] + "\n" + "\n".join(markdown(report)) + "\n\n" + MARKS[1] + after)


def _cells(own):
    """Cells of an implementation's rows by operation; "-" where it has none. The peak is that of a step."""
    for operation in OPERATIONS:
        row = own.get(operation)
        yield f"{row['seconds'] * 1e3:.3g} x{row['to_fastest']:.2f}" if row else "-"
    yield "/".join(f"{own[o]['bandwidth_share'] * 100:.0f}" if o in own else "-" for o in OPERATIONS)
    peak = own["step"]["peak_bytes"] if "step" in own else None
    yield "-" if peak is None else f"{peak / 1e6:.0f}"


def machine_lines(machine):
    """The machine in a few lines."""
    yield (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads used, load "
        f"{machine['load_average_before']}"
    )
    if "gpu" in machine:
        yield ", ".join(f"{name} {value}" for name, value in machine["gpu"].items())
    yield (
        f"copy bandwidth {machine['copy_bytes_per_second'] / 1e9:.1f} GB/s (bytes read and "
        "bytes written, over the time)"
    )
    yield (
        ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
        + f"; the engine by {machine['engine']}"
    )


def plot(report, path):
    """Bars of the share of the copy bandwidth: a panel an operation, a group a problem."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    timed = _timed(report)
    problems, names = list(timed), list(dict.fromkeys(name for own in timed.values() for name in own))
    figure, axes = plt.subplots(
        1, len(OPERATIONS), figsize=(18, 1.5 + 0.14 * len(problems) * (len(names) + 2)), sharey=True
    )
    height = 0.85 / len(names)
    colors = plt.get_cmap("tab20").colors
    for axis, operation in zip(axes, OPERATIONS):
        for n, name in enumerate(names):
            shares = [timed[problem].get(name, {}).get(operation, {}).get("bandwidth_share", 0) for problem in problems]
            at = [p + (n - (len(names) - 1) / 2) * height for p in range(len(problems))]
            axis.barh(at, shares, height, color=colors[n % len(colors)], label=name)
        axis.axvline(1, color="black", linewidth=0.8)
        axis.set_title(operation)
        axis.set_xlabel("share of the copy bandwidth (longer is faster)")
        axis.grid(axis="x", alpha=0.3)
    axes[0].set_yticks(range(len(problems)), [problem.replace(" ", "\n", 1) for problem in problems])
    axes[0].set_ylim(len(problems) - 0.4, -0.6)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.9 / figure.get_figheight()))
    figure.legend(handles, labels, loc="upper center", ncol=6, frameon=False)
    figure.savefig(Path(path), dpi=110)
    plt.close(figure)
