"""The table and the picture."""

from pathlib import Path

from rich import box
from rich.table import Table

from .problems import OPERATIONS


def tables(report):
    """A rich table for each problem: milliseconds, and how many times the fastest they are."""
    for problem in dict.fromkeys(row["problem"] for row in report["results"]):
        table = Table(title=problem, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
        table.add_column("implementation", no_wrap=True, min_width=19)
        for heading in (*(f"{operation}\nms" for operation in OPERATIONS), "% of copy\nbandwidth", "peak\nMB"):
            table.add_column(heading, justify="right", no_wrap=True)
        rows = [row for row in report["results"] if row["problem"] == problem and "seconds" in row]
        for name in dict.fromkeys(row["implementation"] for row in rows):
            table.add_row(name, *_cells({row["operation"]: row for row in rows if row["implementation"] == name}))
        yield table


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
    yield f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads used, load {machine['load_average_before']}"
    if "gpu" in machine:
        yield ", ".join(f"{name} {value}" for name, value in machine["gpu"].items())
    yield f"copy bandwidth {machine['copy_bytes_per_second'] / 1e9:.1f} GB/s (bytes read and bytes written, over the time)"
    yield ", ".join(f"{name} {version}" for name, version in machine["versions"].items())


def plot(report, path):
    """Bars of the share of the copy bandwidth: a panel an operation, a group a problem."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = [row for row in report["results"] if "seconds" in row]
    problems = list(dict.fromkeys(row["problem"] for row in rows))
    names = list(dict.fromkeys(row["implementation"] for row in rows))
    figure, axes = plt.subplots(1, len(OPERATIONS), figsize=(15, 1.5 + 0.14 * len(problems) * (len(names) + 2)), sharey=True)
    height = 0.85 / len(names)
    colors = plt.get_cmap("tab20").colors
    for axis, operation in zip(axes, OPERATIONS):
        for n, name in enumerate(names):
            own = {row["problem"]: row["bandwidth_share"] for row in rows if (row["implementation"], row["operation"]) == (name, operation)}
            at = [p + (n - (len(names) - 1) / 2) * height for p in range(len(problems))]
            axis.barh(at, [own.get(problem, 0) for problem in problems], height, color=colors[n % len(colors)], label=name)
        axis.axvline(1, color="black", linewidth=0.8)
        axis.set_title(operation)
        axis.set_xlabel("share of the copy bandwidth (longer is faster)")
        axis.grid(axis="x", alpha=0.3)
    axes[0].set_yticks(range(len(problems)), [problem.replace(" ", "\n", 1) for problem in problems])
    axes[0].invert_yaxis()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.9 / figure.get_figheight()))
    figure.legend(handles, labels, loc="upper center", ncol=6, frameon=False)
    figure.savefig(Path(path), dpi=110)
    plt.close(figure)
