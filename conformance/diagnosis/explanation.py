"""The record that says what is wrong, in words a porter can act on: where, when, what."""

from dataclasses import dataclass, field

from ..mistakes.point import WHERE

UNEXPLAINED = "unexplained"
LARGEST = {"float16": 65504.0, "float32": 3.4028235e38}  # squares are taken in no wider type than float32


@dataclass
class Found:
    """One answer of a search: where; the condition, None where none was found; a mask of the samples that it explains.

    tested: the candidate held against all samples, None where what happens stays open. counts: steps that it explains, steps
    where it would show and does not. alternatives: names that predict the same.
    """

    where: str
    condition: object
    samples: object
    tested: object = None
    counts: tuple = (0, 0)
    alternatives: list = field(default_factory=list)


@dataclass(frozen=True)
class Explanation:
    """One mistake, or "unexplained".

    name: of the vocabulary, made of where and what (DGAMMA_REVERSED), "A + B" for two at once, or "unexplained". text: the
    sentence for the report. where: the quantity, a key of `mistakes.point.WHERE`, or "". when: the condition in words, ""
    where none was found. what: the transform in words, "" where it stays open. outputs, cases: what it explains.
    """

    name: str
    text: str
    where: str = ""
    when: str = ""
    what: str = ""
    outputs: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    found: object = field(default=None, compare=False, repr=False)


def named(found, steps, checked: str) -> Explanation:
    """An answer of the search whose candidate predicts all it should."""
    candidate = found.tested.candidate
    when, seen = found.condition.words, f"{_steps(found.counts[0])} explained"
    if found.counts[1]:
        seen += f", {_steps(found.counts[1])} where it would show and does not"
    clause = f" [{candidate.clause}]" if candidate.clause else ""
    text = f"{candidate.words}, {when}{clause} ({seen}; {checked})"
    if candidate.says:
        text += f": {candidate.says}"
    text += _overflow(candidate.where, steps)
    if found.alternatives:
        text += f" (the same is predicted by {', '.join(found.alternatives[:3])})"
    return Explanation(candidate.name, text, candidate.where, when, candidate.words, *_what(steps), found)


def _overflow(where, steps):
    """What happens to squares that their type cannot hold, in words."""
    if where not in ("squares", "variance"):
        return ""
    sizes = [(step.channels["the largest |x|"], step.episode.case.x_dtype) for step in steps if step.channels]
    over = [size.max() for size, kind in sizes if size.size and size.max() ** 2 > LARGEST.get(kind, LARGEST["float32"])]
    return f"; squares of values like {max(over):.2g} overflow" if over else ""


def unexplained(found, steps, why: str) -> Explanation:
    """Where, when and one example of what nothing explains."""
    where = (
        f"the first deviation is in {WHERE.get(found.where, found.where)}" if found.where else "nothing can be measured"
    )
    when = found.condition.words if found.condition else ""
    seen = f"{_steps(found.counts[0])} deviate, {found.counts[1]} do not"
    text = f"unexplained ({why}); {where}, {when or 'under no condition that was found'} ({seen}){_example(steps)}"
    return Explanation(UNEXPLAINED, text, found.where, when, "", *_what(steps), found)


def _steps(count):
    return f"{count} step{'s' if count != 1 else ''}"


def _what(steps):
    outputs = {name.split(".", 1)[1] for step in steps for name, d in step.outputs.items() if (d > 1).any()}
    return tuple(sorted(outputs)), tuple(dict.fromkeys(step.episode.case.id for step in steps))


def _example(steps):
    """The largest deviation of the smallest step, in numbers."""
    if not steps:
        return ""
    step = min(steps, key=lambda s: s.episode.size)
    name, _ = max(step.outputs.items(), key=lambda item: item[1].max())
    channel = int(step.outputs[name].argmax())
    error = abs(step.got[name][channel] - step.right[name][channel])
    place = int(error.argmax()) if error.size else 0
    got, right = step.got[name][channel][place], step.right[name][channel][place]
    return f"; {name} of {step.episode.case.id}, channel {channel}: {got:.9g}, expected {right:.9g}"
