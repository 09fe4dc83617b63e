"""The study's tables, as Markdown."""

import numpy as np

from .kernels import FAIR
from .study import OUTPUTS, Scores
from .tight import NAMED


def summary(scores: Scores) -> dict[str, dict]:
    """Variant -> worst, median worst score of a problem, share without a bound, worst by output, worst of the sums."""
    found = {}
    for variant in FAIR:
        by_output = {output: scores.of(variant.name, output) for output in OUTPUTS}
        problem = np.fmax.reduce(list(by_output.values()))
        found[variant.name] = {
            "class": f"{variant.variance}, {variant.reduction}",
            "worst": float(np.nanmax(problem)),
            "median": float(np.nanmedian(problem)),
            "unbounded": float(np.mean(np.isnan(by_output["y"]))),
            "outputs": {output: (float(np.nanmax(s)), float(np.nanmedian(s))) for output, s in by_output.items()},
            "sums": max((max(scores.sums[variant.name, output], default=0.0) for output in ("y", "dx")), default=0.0),
        }
    return found


def _number(value) -> str:
    return f"{value:.2g}" if value < 100 else f"{value:,.0f}"


def _table(header, rows) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def fair(found: dict, scores: Scores, words: str) -> str:
    """Worst and median scores of right variants."""
    rows = [
        [
            name,
            row["class"],
            _number(row["worst"]),
            _number(row["median"]),
            f"{row['unbounded']:.0%}",
            _number(row["sums"]),
        ]
        for name, row in found.items()
    ]
    top = _table(["variant", "class", "worst score", "median worst score", "no bound", "sums"], rows)
    by_output = [
        [name, *(f"{_number(worst)} / {_number(median)}" for worst, median in row["outputs"].values())]
        for name, row in found.items()
    ]
    return (
        f"{scores.problems:,} problems, {words}. The worst score of a problem is the largest over all outputs; "
        '"no bound" is the share of problems about which the allowance says nothing (a one-pass variance that may '
        'vanish); "sums" is the largest score of the sum of '
        f"errors or of their squares.\n\n{top}\n\nBy output, worst / median:\n\n"
        + _table(["variant", *OUTPUTS], by_output)
    )


def tight(found: dict) -> str:
    """Scores of mistakes on the cases that name them."""
    words = {
        name: f"m = {', '.join(map(str, m))}; mean/std {low:g} to {high:g}" for name, (m, low, high) in NAMED.items()
    }
    rows = [
        [name, words[name], str(row["cases"]), _number(row["smallest"]), _number(row["median"]), _number(row["right"])]
        for name, row in found.items()
    ]
    return _table(
        ["mistake", "cases that name it", "number", "smallest score", "median", "worst right variant there"], rows
    )
