"""Accuracy by conditioning for the page: scores as a table, errors as a chart with the allowance as a curve."""

import math
from dataclasses import dataclass

from ..accuracy.grade import DRAWN, allowance_curve, grade, largest_errors

DECADES = range(8)
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 360, 260, 46, 10, 34  # of one picture, in units of its viewBox


@dataclass(frozen=True)
class Picture:
    """One chart: largest error of an output against mean / standard deviation, both axes by decades.

    lines: name -> points of a polyline; allowance: its points; ticks: (y, power of ten).
    """

    output: str
    lines: dict[str, str]
    allowance: str
    ticks: tuple[tuple[float, int], ...]

    @property
    def decades(self) -> tuple[tuple[float, int], ...]:
        """(x, power of ten) of the horizontal axis."""
        return tuple((_x(decade), decade) for decade in DECADES)


def pictures(results: list[dict]) -> list[Picture]:
    """One of each output that is drawn and was measured; a missing point is a value that is not finite, or exact."""
    errors = largest_errors(results)
    return [_picture(output, errors[output], allowance_curve(output)) for output in DRAWN if output in errors]


def _picture(output, errors, allowance):
    finite = {
        name: {decade: error for decade, error in sorted(points.items()) if 0 < error < math.inf}
        for name, points in errors.items()
    }
    shown = [math.log10(value) for points in (*finite.values(), allowance) for value in points.values()]
    low, high = math.floor(min(shown)), math.ceil(max(shown))
    y = lambda power: TOP + (high - power) / max(high - low, 1) * (HEIGHT - TOP - BOTTOM)
    line = lambda points: " ".join(f"{_x(d):.1f},{y(math.log10(value)):.1f}" for d, value in points.items())
    ticks = tuple((y(power), power) for power in range(low, high + 1, max(1, (high - low) // 6)))
    return Picture(output, {name: line(points) for name, points in finite.items()}, line(allowance), ticks)


def _x(decade):
    return LEFT + decade / (len(DECADES) - 1) * (WIDTH - LEFT - 12)


def grades(results: list[dict]) -> list[tuple[str, str, str, list[str]]]:
    """(implementation, its variance, output, "worst (median)" score by decade), of what is drawn."""
    return [
        (name, found["variance"], output, [_score(found["outputs"].get(output, {}).get(d)) for d in DECADES])
        for name, found in grade(results).items()
        for output in DRAWN
    ]


def _score(entry) -> str:
    text = f"{entry['worst']:.2g} ({entry['median']:.2g})" if entry else ""
    return text.replace("e+0", "e").replace("e+", "e")
