"""The record that says what is wrong, in words a porter can act on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from .stages import first_deviation

UNEXPLAINED = "unexplained"


@dataclass(frozen=True)
class Explanation:
    """One mistake, or "unexplained".

    name: of the vocabulary, "A + B" for two at once. detail: got, expected, term, axis, ... outputs: failed outputs by
    name ("running_var"), cases: ids that it explains. score_before, score_after: largest error / allowance against the
    definition, and against the definition with this mistake put in. entry: where the first deviation enters.
    alternatives: names that predict the same in every case that was observed. aside: failing cases that the mistake
    reaches by a way that is not predicted (shards, masks, folding, higher derivatives, m <= 1).
    """

    name: str
    text: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    score_before: float | None = None
    score_after: float | None = None
    entry: str = ""
    alternatives: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()

    def to_json(self) -> dict:
        data = asdict(self)
        for name in ("score_before", "score_after"):
            value = data[name]
            data[name] = "inf" if value is not None and not np.isfinite(value) else value
        return data


def _outputs(failing):
    return tuple(sorted({name.split(".", 1)[-1] for question in failing for name in question.failed}))


def _before(failing):
    scores = [score for question in failing for score in question.scores.values() if score is not None]
    return max(scores, default=None)


def told(text, failing, after, entry):
    """The sentence for the report."""
    rest = "every other output matches" if after is not None and after <= 1 else ""
    where = f"; {entry}" if entry else ""
    return f"{text}; {rest}{where}" if rest else f"{text}{where}"


def combined(hypothesis, failing, alternatives=(), aside=()) -> Explanation:
    """An explanation of `failing` by one hypothesis, measured on these cases."""
    after = hypothesis.score(failing)
    entry = first_deviation(failing)
    text = told(hypothesis.text, failing, after, entry)
    if alternatives:
        text += f" (the same is predicted by {', '.join(alternatives)})"
    if aside:
        text += f"; not predicted beside it: {', '.join(q.case.id for q in aside[:4])}" + (
            f" and {len(aside) - 4} more" if len(aside) > 4 else ""
        )
    return Explanation(
        hypothesis.name,
        text,
        dict(hypothesis.detail),
        _outputs(failing),
        tuple(q.case.id for q in failing),
        _before(failing),
        after,
        entry,
        tuple(alternatives),
        tuple(q.case.id for q in aside),
    )


def unexplained(failing, effort: str) -> Explanation:
    """No hypothesis predicts what was observed here. effort: what was tried."""
    entry = first_deviation(failing)
    names = ", ".join(q.case.id for q in failing[:3]) + (f" and {len(failing) - 3} more" if len(failing) > 3 else "")
    text = f"unexplained: no hypothesis predicts what was observed in {names} ({effort})" + (
        f"; {entry}" if entry else ""
    )
    return Explanation(
        UNEXPLAINED, text, {}, _outputs(failing), tuple(q.case.id for q in failing), _before(failing), None, entry
    )
