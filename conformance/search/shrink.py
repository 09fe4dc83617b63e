"""From a failing problem to the smallest that still fails the same way: same output, same kind of failure.

Greedy, from large cuts to small ones, each tried on the implementation and judged by the oracle: steps, channels,
sizes, memory, parameters, then the numbers themselves. What an edit makes that nobody takes is not taken either.
"""

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bnconform.backends.contract import Conventions
from bnconform.backends.needs import refusal

from ..cases.draft import Draft
from ..records import FAILED, Verdict
from . import edits
from .judging import alarms, screen, verdicts

SMALL = 512  # values for which the oracle alone is the quickest judge
SECONDS = 10.0


def failing(asker, draft: Draft, conventions: Conventions, twice=False) -> list[Verdict]:
    """The failed verdicts of an implementation on a problem."""
    if refusal(conventions, draft.case, "cpu"):
        return []
    observation = asker.ask(draft, twice)
    if edits.count(draft) <= SMALL:
        return [v for v in verdicts(asker.name, observation, draft, conventions) if v.status in FAILED]
    return alarms(asker.name, observation, draft, conventions, screen(observation, draft, conventions))


class Shrinker:
    """Attempts on one problem. wanted: (output without its step, kind) that must still fail."""

    def __init__(self, asker, conventions: Conventions, draft: Draft, verdict: Verdict, seconds=SECONDS):
        self.asker, self.conventions, self.draft = asker, conventions, draft
        self.output, self.kind = verdict.output.split(".")[-1], verdict.kind
        self.until, self.tried = time.monotonic() + seconds, 0
        self.seen: dict[bytes, bool] = {}

    def verdict(self, draft: Draft) -> Verdict | None:
        """The verdict that fails as wanted."""
        found = failing(self.asker, draft, self.conventions, self.kind == "unrepeatable")
        return next((v for v in found if (v.output.split(".")[-1], v.kind) == (self.output, self.kind)), None)

    def take(self, draft: Draft | None) -> bool:
        """Keep the smaller problem if it fails as well."""
        if draft is None or time.monotonic() > self.until or size(draft) >= size(self.draft):
            return False
        key = _key(draft)
        if key not in self.seen:
            self.tried += 1
            try:
                self.seen[key] = self.verdict(draft) is not None
            except ValueError:  # outside the definition's domain
                self.seen[key] = False
        if self.seen[key]:
            self.draft = draft
        return self.seen[key]

    def shrink(self) -> Draft:
        """Passes until one changes nothing, or the time is over."""
        while time.monotonic() < self.until:
            before = size(self.draft)
            self.take(edits.dense(self.draft))
            for each in (self._steps, self._outputs, self._channels, self._sizes, self._plain, self._parameters):
                each()
            self._numbers()
            if size(self.draft) == before:
                break
        return self.draft

    def _steps(self):
        """Fewer calls: runs of half of them, a quarter, ... go, then one by one."""
        run = max(1, len(self.draft.case.steps) // 2)
        while run:
            start = len(self.draft.case.steps) - run
            while start >= 0 and len(self.draft.case.steps) > run:
                kept = [i for i in range(len(self.draft.case.steps)) if not start <= i < start + run]
                self.take(edits.keep_steps(self.draft, kept))
                start = min(start, len(self.draft.case.steps)) - run
            run //= 2

    def _outputs(self):
        """Only the output that fails, and inputs that it does not need."""
        if self.output in {o for step in self.draft.case.steps for o in step.outputs}:
            self.take(edits.compare_only(self.draft, self.output))
        for index, step in enumerate(self.draft.case.steps[:8]):
            for name in ("mask", "dy"):
                self.take(edits.without_input(self.draft, index, name))
            plain = {name: value for name, value in step.options.items() if name == "n"}
            if plain != step.options:
                self.take(edits.with_step(self.draft, index, replace(self.draft.case.steps[index], options=plain)))

    def _channels(self):
        """One channel, where that does: the one that fails, or the first."""
        case = self.draft.case
        if len(case.channel_axes) > 1 or case.shape[case.channel_axes[0]] == 1:
            return
        if self.take(edits.channel(self.draft, 0)):
            return
        found = self.verdict(self.draft)
        worst = found.worst_index if found and found.worst_index else ()
        at = worst[case.channel_axes[0]] if len(worst) == len(case.shape) else worst[0] if worst else 0
        # the oracle may have been asked about some channels only: `at` counts those
        self.take(edits.channel(self.draft, min(at, case.shape[case.channel_axes[0]] - 1)))

    def _sizes(self):
        """Every axis in all steps at once, then the batch of each step."""
        for axis in range(len(self.draft.case.shape)):
            self._lower("0.x", axis, None)
        if 0 not in self.draft.case.channel_axes:
            for step in range(min(len(self.draft.case.steps), 8)):
                self._lower(f"{step}.x", 0, step)

    def _lower(self, name: str, axis: int, step: int | None):
        """The least size of an axis: the smallest ones first, then by halving what is taken off."""

        def now():
            return self.draft.tensors[name].shape[axis]

        for size in (1, 2, 3, 4):
            if size < now() and self.take(edits.cut(self.draft, axis, size, step)):
                return
        less = now() // 2
        while less:
            if less >= now() or not self.take(edits.cut(self.draft, axis, now() - less, step)):
                less //= 2

    def _plain(self):
        """Lower rank, contiguous memory, one type."""
        for rank in range(2, len(self.draft.case.shape)):
            if self.take(edits.flat(self.draft, rank)):
                break
        for index, step in enumerate(self.draft.case.steps[:8]):
            first, _, second = step.memory.partition("|")
            for memory in ("contiguous", first, f"{first}|contiguous", f"contiguous|{second or first}"):
                if memory != step.memory and self.take(
                    edits.with_step(self.draft, index, replace(self.draft.case.steps[index], memory=memory))
                ):
                    break

    def _parameters(self):
        for name in ("gamma", "beta", "state"):
            if self.take(edits.without_parameter(self.draft, name)):
                continue
        case = self.draft.case
        for eps in (1.0, 0.5, 0.001):
            if case.eps == eps or self.take(edits.with_case(self.draft, eps=eps)):
                break
        for decay in (0.5, 0.75):
            if case.decay in (None, decay) or self.take(edits.with_case(self.draft, decay=decay)):
                break
        plain = {"gamma": 1.0, "beta": 0.0, "running_mean": 0.0, "running_var": 1.0}
        for name in plain.keys() & self.draft.tensors.keys():
            if not self.take(edits.with_values(self.draft, name, plain[name])):
                self._round(name)

    def _numbers(self):
        """Round numbers: counts up from 0, all alike, then as few digits as do."""
        names = [name for name in self.draft.tensors if name.endswith((".x", ".dy"))]
        if len(names) > 16:  # a long history: all steps alike
            same = {name: self.draft.tensors[f"0.{name.split('.')[1]}"] for name in names}
            if all(same[name].shape == self.draft.tensors[name].shape for name in names):
                self.take(Draft(self.draft.case, self.draft.tensors | same))
            return
        for name in names:
            for values in _patterns(self.draft.tensors[name]):
                if time.monotonic() > self.until or self.take(edits.with_values(self.draft, name, values)):
                    break
            else:
                self._round(name)
            if self.draft.tensors[name].size <= 8:
                self._one_by_one(name)

    def _round(self, name):
        """The fewest decimal digits."""
        values = self.draft.tensors[name].astype(np.float64)
        for digits in (1, 2, 3, 4):
            if self.take(edits.with_values(self.draft, name, _digits(values, digits))):
                return

    def _one_by_one(self, name):
        """Each number on its own: 0, 1, or fewer digits."""
        for index in np.ndindex(self.draft.tensors[name].shape):
            old = self.draft.tensors[name].astype(np.float64)
            if old[index] in (0.0, 1.0):
                continue
            for value in (0.0, 1.0, float(np.round(old[index])), _digits(old[index], 1), _digits(old[index], 2)):
                new = old.copy()
                new[index] = value
                if value == old[index] or self.take(edits.with_values(self.draft, name, new)):
                    break


def _patterns(old) -> Iterator[np.ndarray]:
    """Arrays of that shape that a short expression gives."""
    count = np.arange(old.size, dtype=np.float64).reshape(old.shape)
    yield from (np.ones(old.shape), count % 2, count % 4, count)  # what `_digits_in` knows as patterns
    with np.errstate(all="ignore"):
        wide = old.astype(np.float64)
        yield np.round(wide / np.max(np.abs(wide), initial=0.0) * 4)


def _digits(values, digits):
    """Rounded to so many significant decimal digits."""
    with np.errstate(all="ignore"):
        unit = 10.0 ** (np.floor(np.log10(np.abs(values))) - digits + 1)
        return np.where(np.asarray(values) == 0, 0.0, np.round(values / unit) * unit)


def size(draft: Draft) -> tuple:
    """What shrinking lowers, the weightiest first: values, calls, rank, then what there is to say of each call and
    number."""
    case = draft.case
    words = sum(word != "contiguous" for step in case.steps for word in set(step.memory.split("|")))
    options = sum(len(set(step.options) - {"n"}) + len(step.inputs) + len(step.outputs) for step in case.steps)
    parameters = case.has_gamma + case.has_beta + case.has_state + len({case.x_dtype, case.param_dtype})
    digits = len(repr(case.eps)) + len(repr(case.decay)) + sum(map(_digits_in, draft.tensors.values()))
    return edits.count(draft), len(case.steps), len(case.shape), words, options, parameters, digits


def _digits_in(values) -> int:
    """How much there is to read in an array: the place of its pattern, or its digits."""
    for place, pattern in enumerate(_patterns(values)):
        if place < 4 and np.array_equal(values.astype(np.float64), pattern):
            return place + (values.size > 1)
    if values.size > 64:
        return 8 * values.size
    return 4 + sum(len(f"{value:g}") if float(f"{value:g}") == value else 12 for value in map(float, values.ravel()))


def _key(draft: Draft) -> bytes:
    """What tells problems apart."""
    return repr(draft.case).encode() + b"".join(
        name.encode() + value.tobytes() for name, value in sorted(draft.tensors.items())
    )


def shrink(asker, conventions: Conventions, draft: Draft, verdict: Verdict, seconds=SECONDS) -> Draft:
    """The smallest problem found within the time that fails as `verdict` says."""
    return Shrinker(asker, conventions, draft, verdict, seconds).shrink()
