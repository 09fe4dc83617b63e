"""Asking a black box: a drafted case is run, and the answer compared with what each possible reading would give."""

import numpy as np

from ..cases.draft import draft, step
from ..mistakes.extended import layer
from ..mistakes.point import ALWAYS, Point
from ..run.observe import observe

# As far as two readings may be told apart in single precision; a reading that fits better than this is taken.
CLOSE = 2e-4


class Box:
    """A backend that is asked, never read: its conventions stay closed here.

    observe(case, tensors, **words) -> Observation: how it is asked; words: `defaults`, of a layer that is built without
    being told eps and decay. What it gave is kept by case id.
    """

    def __init__(self, observe):
        self.observe, self.answers = observe, {}

    @classmethod
    def of(cls, backend: type, device: str = "cpu") -> "Box":
        """A backend of this process, which is trusted."""
        return cls(lambda case, tensors, **words: observe(case, backend, tensors, device, **words))

    def ask(self, asked, **words):
        """The observation of a draft."""
        if asked.case.id not in self.answers:
            self.answers[asked.case.id] = self.observe(asked.case, copied(asked.tensors), **words)
        return self.answers[asked.case.id]


def probe(name, **words):
    """A small case of its own for `identify`: sharp data, eps comparable to the variance."""
    words = {"shape": (6, 3, 5), "axes": (1,), "eps": 0.25, "decay": 0.75, "mean": 2.0, **words}
    return draft(f"identify/{name}", "a probe", "BN-2.3", **words)


@np.errstate(all="ignore")
def distance(box, asked, points, outputs, ddof=1):
    """Largest |got - predicted| over `outputs`, relative to the largest predicted value; infinite where it cannot
    be."""
    seen = box.ask(asked)
    predicted = observe(asked.case, layer(points, exactly=True, running_ddof=ddof), copied(asked.tensors)).outputs
    worst = 0.0
    for name in outputs:
        got = seen.outputs.get(name)
        if got is None or name not in predicted or got.shape != predicted[name].shape:
            return np.inf  # also where a reading does not allow these shapes
        got, want = got.astype(np.float64), predicted[name]
        same = (got == want) | np.isnan(got) & np.isnan(want)
        scale = np.max(np.abs(want[np.isfinite(want)]), initial=1e-30)
        error = np.where(same, 0.0, np.abs(got - want)) / scale
        worst = max(worst, float(np.max(np.where(np.isnan(error), np.inf, error), initial=0.0)))
    return worst


def closest(box, asked, readings, outputs, ddof=1, limit=CLOSE):
    """(name of the reading that fits, evidence); ("none of these", ...) where all are far, or the box failed.

    readings: name -> points of the grammar (`mistakes.point`), none for what is right.
    """
    failure = box.ask(asked).failure
    if failure is not None and not any(name in box.ask(asked).outputs for name in outputs):
        kind = "unsupported" if failure.kind == "unsupported" else f"raises {failure.what}"
        return kind, failure.text[:120]
    far = sorted((distance(box, asked, points, outputs, ddof), name) for name, points in readings.items())
    (best, name), rest = far[0], far[1:]
    evidence = f"error {best:.1e}" + (f"; {rest[0][1]}: {rest[0][0]:.1e}" if rest else "")
    return (name if best <= limit else "none of these"), evidence


def copied(tensors):
    return {name: array.copy() for name, array in tensors.items()}


def at(where, what, when=ALWAYS):
    """A reading with one difference from the definition."""
    return (Point(where, what, when),)


RIGHT = ()

__all__ = ["Box", "CLOSE", "RIGHT", "at", "closest", "copied", "distance", "probe", "step"]
