"""The records of a claim: what is claimed, what was measured, what follows.

The criterion is a tuple of `Check`: sentences with a predicate over the numbers, written down beside the claim
and never in sight of the data. A verdict is computed from them and from nothing else:

* every check passes: `holds`;
* a core check fails: `does not hold here`;
* the core checks pass and another fails: `holds with conditions`, the condition being the check that failed.

A check on a confidence interval fails when the interval is too wide to tell: not shown here counts as not holding here.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

HOLDS = "holds"
CONDITIONS = "holds with conditions"
FAILS = "does not hold here"


@dataclass(frozen=True)
class Number:
    """A measured value with its 95 % confidence interval.

    `low == high == value` marks an exact number (a count, a closed form): it has no interval. `n` is the number of
    independent repetitions behind it.
    """

    label: str
    value: float
    low: float
    high: float
    n: int = 1
    unit: str = ""

    @classmethod
    def exact(cls, label: str, value: float, unit: str = "") -> "Number":
        value = float(value)
        return cls(label, value, value, value, 1, unit)

    @classmethod
    def of(cls, label: str, samples: Sequence[float], unit: str = "") -> "Number":
        """Mean of independent samples with Student's t interval.

        >>> number = Number.of("x", [1.0, 2.0, 3.0])
        >>> number.value, round(number.low, 3), round(number.high, 3)
        (2.0, -0.484, 4.484)
        """
        from scipy import stats

        values = [float(v) for v in samples]
        n = len(values)
        if n < 2:
            raise ValueError(f"an interval needs at least 2 samples, got {n} for {label!r}")
        mean = math.fsum(values) / n
        error = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1) / n)
        half = float(stats.t.ppf(0.975, n - 1)) * error
        return cls(label, mean, mean - half, mean + half, n, unit)

    def covers(self, value: float) -> bool:
        """Whether the confidence interval contains `value`."""
        return self.low <= value <= self.high

    def within(self, low: float, high: float) -> bool:
        """Whether the whole interval lies in [low, high]: False for NaN."""
        return low <= self.low and self.high <= high


Numbers = Mapping[str, Number]


@dataclass(frozen=True)
class Check:
    """One sentence of a criterion; `core` ones decide whether the claim holds at all."""

    text: str
    test: Callable[[Numbers], bool]
    core: bool = True


@dataclass(frozen=True)
class Measurement:
    """What a measurement returns: numbers for the criterion and arrays for the figure."""

    numbers: dict[str, Number]
    series: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claim:
    """A claim, how it is measured and when it counts as true.

    `quick` and `full` are the sizes of the two settings, handed to `measure` as `run.settings`. `errata` are
    errors in the source's own formulas or code, as found by this measurement. `headline` and `errata` may name
    numbers in braces (`fill`).
    """

    name: str
    title: str
    statement: str
    source: str
    method: str
    headline: str
    checks: tuple[Check, ...]
    quick: Mapping[str, Any]
    full: Mapping[str, Any]
    measure: Callable[..., Measurement]
    draw: Callable[[Measurement], Any]
    errata: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not any(check.core for check in self.checks):
            raise ValueError(f"claim {self.name}: no core check, so no measurement could refute it")
        if set(self.quick) != set(self.full):
            raise ValueError(f"claim {self.name}: quick and full settings differ in {set(self.quick) ^ set(self.full)}")


@dataclass(frozen=True)
class Outcome:
    """A check, how it came out, and the keys of the numbers that it read on the way."""

    text: str
    core: bool
    passed: bool
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """A claim after its measurement."""

    claim: Claim
    settings: Mapping[str, Any]
    verdict: str
    outcomes: tuple[Outcome, ...]
    numbers: Mapping[str, Number]
    notes: tuple[str, ...]
    figure: str  # SVG source

    @property
    def headline(self) -> str:
        return fill(self.claim.headline, self.numbers)

    @property
    def errata(self) -> tuple[str, ...]:
        return tuple(fill(text, self.numbers) for text in self.claim.errata)

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON data, without the figure. Nothing in it depends on the clock."""
        return {
            "name": self.claim.name,
            "title": self.claim.title,
            "statement": self.claim.statement,
            "source": self.claim.source,
            "method": self.claim.method,
            "settings": dict(self.settings),
            "verdict": self.verdict,
            "headline": self.headline,
            "checks": [
                {"text": o.text, "core": o.core, "passed": o.passed, "numbers": list(o.numbers)} for o in self.outcomes
            ],
            "numbers": {key: number_data(n) for key, n in self.numbers.items()},
            "errata": list(self.errata),
            "notes": list(self.notes),
        }


def number_data(number: Number) -> dict[str, Any]:
    """A number as strict JSON: a value that is not finite becomes None."""
    finite = {
        k: (v if math.isfinite(v) else None)
        for k, v in (("value", number.value), ("low", number.low), ("high", number.high))
    }
    return {"label": number.label, **finite, "n": number.n, "unit": number.unit}


def interval(number: Number) -> str:
    """A number with its interval, in the digits that the interval supports.

    >>> interval(Number.of("x", [1.0, 2.0, 3.0], "%"))
    '2.00 [-0.484, 4.48] %'
    >>> interval(Number.exact("x", 120_000)), interval(Number.exact("x", 1 / 3))
    ('120,000', '0.3333')
    """
    unit = f" {number.unit}" if number.unit else ""
    if number.low == number.value == number.high:
        whole = abs(number.value) < 1e15 and number.value == int(number.value)
        return f"{number.value:,.0f}{unit}" if whole else f"{number.value:.4g}{unit}"
    value = (
        0.0 if abs(number.value) < 1e-9 * (number.high - number.low) else number.value
    )  # a sum's rounding is no digit
    value, low, high = (f"{v:#.3g}".rstrip(".") for v in (value, number.low, number.high))
    return f"{value} [{low}, {high}]{unit}"


def fill(text: str, numbers: Numbers) -> str:
    """`text` with each `{key}` replaced by that number and its interval; KeyError where there is none.

    >>> fill("{a b} of all", {"a b": Number.exact("x", 3, "%")})
    '3 % of all'
    """
    return re.sub(r"\{([^{}]+)\}", lambda match: interval(numbers[match[1]]), text)


class _Read(dict[str, Number]):
    """Numbers that note which keys were looked up with `[]`, the only way in which checks take them."""

    def __init__(self, numbers: Numbers) -> None:
        super().__init__(numbers)
        self.read: dict[str, None] = {}

    def __getitem__(self, key: str) -> "Number":
        self.read[key] = None
        return super().__getitem__(key)


def _outcome(check: Check, numbers: Numbers) -> Outcome:
    seen = _Read(numbers)
    passed = bool(check.test(seen))
    return Outcome(check.text, check.core, passed, tuple(seen.read))


def judge(checks: Sequence[Check], numbers: Numbers) -> tuple[str, tuple[Outcome, ...]]:
    """The verdict that `checks` give on `numbers`, and how each of them came out."""
    outcomes = tuple(_outcome(check, numbers) for check in checks)
    if any(o.core and not o.passed for o in outcomes):
        return FAILS, outcomes
    if all(o.passed for o in outcomes):
        return HOLDS, outcomes
    return CONDITIONS, outcomes
