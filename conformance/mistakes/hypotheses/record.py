"""One mistake as data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ...diagnosis.rules import Rules


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """A mistake: its name, how a layer with it decides, what to tell the porter.

    text: what is wrong, ending in the clause. changes: fields of `Rules`. applies: cases that it can touch at all.
    freedom: numbers that were fitted to the data; the fewer, the better.
    """

    name: str
    text: str
    changes: Mapping[str, Any]
    detail: Mapping[str, Any] = field(default_factory=dict)
    applies: Callable = None
    freedom: int = 0
    parts: tuple = ()

    @cached_property
    def rules(self) -> Rules:
        return Rules(**self.changes)

    @cached_property
    def grain(self) -> float:
        """Unit roundoff of the narrowest type that a quantity is rounded to; 0 where nothing is."""
        kinds = {
            self.changes.get("state_type"),
            *(self.changes.get("types") or {}).values(),
            *(self.changes.get("narrow") or {}).values(),
        }
        coarse = {"x": 2.0**-8, "bfloat16": 2.0**-8, "float16": 2.0**-11, "float32": 2.0**-24}
        return max((coarse[kind] for kind in kinds if isinstance(kind, str) and kind in coarse), default=0.0)

    @property
    def complexity(self) -> tuple[int, int]:
        return (max(len(self.parts), 1), self.freedom)

    def touches(self, case) -> bool:
        return self.applies is None or bool(self.applies(case))

    def score(self, questions) -> float:
        """Largest misfit over all outputs of some cases."""
        return max((question.fits(question.predict(self)) for question in questions), default=0.0)

    def with_(self, other: "Hypothesis") -> "Hypothesis | None":
        """Both mistakes at once, or None where they decide the same thing."""
        shared = set(self.changes) & set(other.changes)
        if shared or self.name == other.name:
            return None
        return Hypothesis(
            f"{self.name} + {other.name}",
            f"{self.text}; and {other.text}",
            {**self.changes, **other.changes},
            {**self.detail, **other.detail},
            None,
            self.freedom + other.freedom,
            (self, other),
        )


def family(*names):
    """Cases of these families."""
    return lambda case: case.family in names


def modes(*names):
    """Cases with a step in one of these modes."""
    return lambda case: any(step.mode in names for step in case.steps)


def stateful(case):
    return case.has_state


def cumulative(case):
    return case.decay is None and case.has_state


def second_or_tangent(case):
    return any("u_x" in step.inputs or "x_dot" in step.inputs for step in case.steps)
