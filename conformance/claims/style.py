"""One look for all figures: dark on light, no chart junk, colours told apart without colour vision."""

import io
from collections.abc import Callable
from typing import Any

# Okabe and Ito's palette: readable with the common colour vision deficiencies.
INK = "#1f2430"
PLAIN = "#7a828f"
BN = "#0072b2"
ALT = "#d55e00"
GREEN = "#009e73"
PINK = "#cc79a7"
AMBER = "#e69f00"
SKY = "#56b4e9"
CYCLE = (BN, ALT, GREEN, PINK, AMBER, SKY, PLAIN)

RC = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.labelsize": 9.5,
    "axes.edgecolor": "#9aa1ad",
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": "#4a5160",
    "ytick.color": "#4a5160",
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e7ec",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "bnconform",
    "svg.fonttype": "path",
}


def panels(columns: int, rows: int = 1, width: float = 10.0, height: float = 3.4) -> tuple[Any, Any]:
    """A figure without pyplot's global state, and its axes as a flat list."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height * rows), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.1)  # inches; the default lets a title touch the axis above it
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.flat)


def band(axis: Any, x: Any, runs: Any, color: str, label: str, **line: Any) -> None:
    """Mean over runs (first axis) as a line, with the range of the runs as a band."""
    import numpy as np

    runs = np.asarray(runs, dtype=float)
    axis.plot(x, runs.mean(0), color=color, label=label, **line)
    axis.fill_between(x, runs.min(0), runs.max(0), color=color, alpha=0.15, linewidth=0)


def dots(axis: Any, groups: dict[str, Any], colors: Any = CYCLE, unit: str = "") -> None:
    """One column a group: each run a dot, the mean with its 95 % interval a bar, the mean in figures."""
    import numpy as np

    from .record import Number

    for i, (name, samples) in enumerate(groups.items()):
        samples, color = np.asarray(samples, dtype=float), colors[i % len(colors)]
        axis.scatter(i + np.linspace(-0.14, 0.14, len(samples)), samples, s=18, color=color, alpha=0.45, linewidth=0)
        number = Number.of(name, samples)
        axis.errorbar(
            i + 0.27,
            number.value,
            [[number.value - number.low], [number.high - number.value]],
            fmt="o",
            color=color,
            capsize=3,
            markersize=6,
            linewidth=1.6,
        )
    axis.set_xticks(range(len(groups)), list(groups))
    axis.set_xlim(-0.5, len(groups) - 0.3)
    axis.grid(axis="x", visible=False)
    axis.set_ylabel(unit)


def _plain_ticks(axes: Any) -> None:
    """Log axes of less than two decades: 0.2, 0.5, 1 instead of 2 x 10^-1, 5 x 10^-1, 10^0."""
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator

    low, high = axes.get_ylim()
    if axes.get_yscale() == "log" and high < 100 * low:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        axes.yaxis.set_minor_locator(NullLocator())


def svg(draw: Callable[[Any], Any], measurement: Any) -> str:
    """Draw in the common style and return SVG source, the same bytes for the same numbers."""
    import matplotlib

    with matplotlib.rc_context(RC):
        figure = draw(measurement)
        for axes in figure.axes:
            _plain_ticks(axes)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()
