"""*When*: the simplest condition that holds for all samples where something happens, and for none where it does not."""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

NICE = sorted({2**k for k in range(40)} | {10**k for k in range(10)} | {5 * 10**k for k in range(9)})


EXCEPTIONS = 0.1  # samples where nothing is seen of what stays open, as a share of those where it is


@dataclass(frozen=True)
class Condition:
    """words, and a test of one sample's attributes: holds(step) -> boolean column (C,)."""

    words: str
    holds: object
    cost: int = 1

    def __and__(self, other):
        both = lambda step: self.holds(step) & other.holds(step)
        return Condition(f"{self.words} and {other.words}", both, self.cost + other.cost + 1)


ALWAYS = Condition("always", lambda step: np.ones(len(step.deviation), bool), 0)


def value_of(step, name):
    """An attribute as an array (C,); None where the sample has none."""
    count = len(step.deviation)
    if name in step.channels:
        return step.channels[name]
    value = step.attributes.get(name)
    return None if value is None else np.full(count, value)


def equals(name, wanted, words, cost=1) -> Condition:
    def holds(step):
        value = value_of(step, name)
        return np.zeros(len(step.deviation), bool) if value is None else value == wanted

    return Condition(words, holds, cost)


def beyond(name, limit, above, words, cost=2) -> Condition:
    def holds(step):
        value = value_of(step, name)
        if value is None:
            return np.zeros(len(step.deviation), bool)
        return value > limit if above else value < limit

    return Condition(words, holds, cost)


class Table:
    """All samples of some steps, attribute by attribute."""

    def __init__(self, steps):
        self.steps = steps
        self.names = list(dict.fromkeys(name for s in steps for name in (*s.attributes, *s.channels)))

    @cached_property
    def columns(self):
        """name -> (values, present) over all samples."""
        found = {}
        for name in self.names:
            values = [value_of(step, name) for step in self.steps]
            present = np.concatenate([np.full(len(s.deviation), v is not None) for s, v in zip(self.steps, values)])
            kind = next(v.dtype for v in values if v is not None)
            filler = "" if kind.kind == "U" else 0
            full = [np.full(len(s.deviation), filler) if v is None else v for s, v in zip(self.steps, values)]
            found[name] = np.concatenate(full), present
        return found

    def separating(self, inside, outside):
        """The simplest condition that holds for all samples of `inside` and none of `outside`, or None.

        inside, outside: masks over all samples, step after step.
        """
        if not outside.any():
            return ALWAYS
        found = [c for c, mask in self._predicates(inside, outside) if not mask[outside].any()]
        if found:
            return min(found, key=lambda c: c.cost)
        loose = sorted(self._predicates(inside, outside, loose=True), key=lambda pair: pair[0].cost)[:120]
        pairs = [
            (one.cost + two.cost, one & two)
            for (one, first), (two, second) in combinations(loose, 2)
            if not (first & second & outside).any()
        ]
        return min(pairs, key=lambda pair: pair[0])[1] if pairs else None

    def nearly(self, inside, outside):
        """The condition that holds for all samples of `inside` and fewest of `outside`, where those are few; or None."""
        found = [(c, (mask & outside).sum()) for c, mask in self._predicates(inside, outside, loose=True)]
        best = min(found, key=lambda pair: (pair[1], pair[0].cost), default=None)
        return best[0] if best and best[1] <= EXCEPTIONS * inside.sum() else None

    def _predicates(self, inside, outside, loose=False):
        """(condition, mask) for all that hold on `inside`; loose: those that keep out some of `outside`."""
        for name, (values, present) in self.columns.items():
            if not present[inside].all():
                continue
            mine, theirs = values[inside], values[outside & present]
            if values.dtype.kind == "f" or values.dtype.kind in "iu":
                yield from self._thresholds(name, values, present, mine, theirs, loose)
            if values.dtype.kind != "f" or name in ("eps", "decay"):
                yield from self._equalities(name, values, present, mine, theirs, loose)

    def _equalities(self, name, values, present, mine, theirs, loose):
        first = mine[0]
        apart = (theirs != first).any() or not present.all() if loose else not (theirs == first).any()
        if (mine == first).all() and apart:
            cost = 3 if "multiple" in name or "power" in name else 1  # a threshold is simpler
            yield equals(name, first, said(name, first), cost), present & (values == first)

    def _thresholds(self, name, values, present, mine, theirs, loose):
        if np.isnan(mine.astype(float)).any() or not len(theirs):
            return
        whole = values.dtype.kind in "iu"
        for above in (True, False):
            edge = mine.min() if above else mine.max()
            kept_out = theirs[theirs < edge] if above else theirs[theirs > edge]
            if not len(kept_out) or (not loose and len(kept_out) < np.sum(~np.isnan(theirs.astype(float)))):
                continue
            near = kept_out.max() if above else kept_out.min()
            if above:
                limit = between(near, edge, whole)
                words = f"only where {name} > {limit:g}"
            else:
                limit = between(edge, near, whole) if not whole else edge + 1
                words = f"only where {name} < {limit:g}"
            limit_value = limit
            mask = present & (values > limit_value if above else values < limit_value)
            cost = (
                2 if name in ("m", "N", "C", "channel", "training step", "step", "spatial size", "rank", "eps") else 3
            )
            yield beyond(name, limit_value, above, words, cost), mask


def between(low, high, whole):
    """A round number t with low <= t < high: what is above t begins at `high`."""
    nice = [n for n in NICE if low <= n < high]
    if whole:
        powers = [n for n in nice if n & (n - 1) == 0]
        return (powers or nice or [low])[-1] if not powers else powers[-1]
    if 0 < low < high < 1e290:
        tens = [10.0**k for k in range(int(np.ceil(np.log10(low))), int(np.floor(np.log10(high))) + 1)]
        return tens[len(tens) // 2] if tens else float(f"{np.sqrt(low * high):.2g}")
    return float((low + min(high, 1e290)) / 2)


def said(name, value):
    """An equality in words."""
    if isinstance(value, np.bool_ | bool):
        if " not a multiple of " in name:
            return f"only where {name if value else name.replace(' not a ', ' is a ')}"
        return f"only {name}" if value else f"only where not {name}"
    if name == "mode":
        modes = {"train": "only in training", "infer": "only in inference", "frozen": "only with frozen statistics"}
        return modes.get(str(value), f"only in {value}")
    return f"only where {name} is {value}"
