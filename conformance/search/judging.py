"""A problem that no golden file holds, judged: the oracle's answer, the allowance, the verdicts.

    expected = expect(draft, conventions)                        exact values and allowances
    verdicts("mine", observation, draft, conventions)            as `judge` gives them for golden cases

`screen` decides most elements by an enclosure, hundreds of times faster; `alarms` asks the oracle where it does not, so
that every alarm is the oracle's.
"""

from dataclasses import dataclass, replace

import numpy as np

from bnconform.backends.contract import Conventions
from bnconform.layout import Layout

from ..cases.draft import Draft
from ..golden.answer import answer
from ..judge.aggregate import aggregate
from ..judge.allowances import allowances, output_dtype
from ..judge.compare import BASIC, Expectation, judge
from ..operations import LIKE
from ..records import FAILED, Observation, Verdict
from .enclosure import enclosure

ASKED = 8  # channels of an answer that the oracle is asked about, those with the largest scores
ROUND = 1 - 2.0**-30  # an enclosure's allowance is computed from its values, not from the exact ones


def expect(draft: Draft, conventions: Conventions) -> Expectation:
    """The oracle's answer to a problem, and what an implementation with these conventions is allowed."""
    case, tensors = draft.case, draft.tensors
    exact = answer(case, tensors, conventions.running_ddof)
    wanted = {
        name: (value.round(output_dtype(case, name.split(".", 1)[1])), value.round("float64"))
        for name, value in exact.items()
    }
    allowed = allowances(case, tensors, conventions, wanted)
    return Expectation(wanted, allowed, allowed)


def verdicts(name: str, observation: Observation, draft: Draft, conventions: Conventions) -> list[Verdict]:
    """One verdict for every output of the problem, from the oracle's values alone."""
    expected = expect(draft, conventions) if observation.outputs else None
    found = judge(name, observation, draft.case, None, conventions, expected)
    return found + [
        Verdict(name, draft.case.id, output, "fail", None, "unrepeatable", "asked again, other bits came out [BN-8.3]")
        for output in observation.differing or ()
    ]


@dataclass(frozen=True)
class Screen:
    """What the enclosure says of an answer.

    scores: output -> the largest error / allowance of each channel (param_shape, flat), as far as the enclosure knows
    it. open: output -> which channels it does not decide. whole: something that is not a matter of one channel: a
    missing output, its shape or type, an input changed, sums of errors too large.
    """

    scores: dict[str, np.ndarray]
    open: dict[str, np.ndarray]
    whole: bool

    @property
    def clear(self) -> bool:
        """Whether everything is proven to be within its allowance."""
        return not self.whole and not any(channels.any() for channels in self.open.values())

    def worst(self) -> np.ndarray:
        """Channels that are open in some output, the largest score first."""
        channels = np.logical_or.reduce(list(self.open.values()))
        scores = np.fmax.reduce([np.where(self.open[name], score, 0) for name, score in self.scores.items()])
        return np.argsort(np.where(channels, -scores, np.inf), kind="stable")[: int(channels.sum())]


@np.errstate(all="ignore")
def screen(observation: Observation, draft: Draft, conventions: Conventions) -> Screen:
    """An answer held against the enclosure of the exact values."""
    values, radii, allowed = enclosure(draft, conventions)
    scores, open_, whole = {}, {}, bool(observation.failure or observation.changed or observation.differing)
    for name, value in values.items():
        got = observation.outputs.get(name)
        if got is None:
            whole |= not (name.split(".")[1] in BASIC and name.split(".")[1] not in conventions.exposes)
            continue
        kind = output_dtype(draft.case, name.split(".")[1], conventions)
        if got.shape != value.shape or got.dtype.name != kind:
            whole = True
            continue
        error = np.asarray(got.astype(value.dtype) - value, np.float64)
        scores[name], open_[name] = by_channel(draft.case, name, error, radii[name], allowed[name].element)
        together = aggregate(error, value.astype(np.float64), allowed[name])
        whole |= bool(got.size and together.score > ROUND)
    return Screen(scores, open_, whole)


@np.errstate(all="ignore")
def by_channel(case, name, error, radius, allowed):
    """(largest score, whether something is undecided) of each channel."""
    allowed = np.broadcast_to(allowed, error.shape)
    score = np.where(error == 0, 0.0, np.abs(error) / allowed)
    score = np.where(np.isfinite(error), score, np.inf)
    certain = (np.abs(error) + radius <= allowed * ROUND) | (error == 0) & (radius <= allowed)
    certain &= np.isfinite(error)
    if LIKE[name.rsplit(".", 1)[1]] != "x":
        return score.ravel(), ~certain.ravel()
    axes = Layout(error.shape, case.channel_axes).reduced_axes
    order = np.argsort(np.argsort(case.channel_axes))
    return (
        np.max(score, axes, initial=0.0).transpose(order).ravel(),
        np.any(~certain, axes).transpose(order).ravel(),
    )


def alarms(name: str, observation: Observation, draft: Draft, conventions: Conventions, seen: Screen) -> list[Verdict]:
    """The failed verdicts of an answer: the oracle's, on the channels that the enclosure leaves open."""
    if seen.clear:
        return []
    case = draft.case
    if not seen.whole and len(case.channel_axes) == 1 and not case.raises:
        draft, observation = only(draft, observation, np.sort(seen.worst()[:ASKED]))
    found = verdicts(name, observation, draft, conventions)
    return [verdict for verdict in found if verdict.status in FAILED]


def only(draft: Draft, observation: Observation | None, channels) -> tuple[Draft, Observation | None]:
    """Some channels of a problem with one channel axis, and of an answer to it: channels do not know each other."""
    case = draft.case
    axis = case.channel_axes[0]

    def take(name, array):
        along = axis if LIKE.get(name.rsplit(".", 1)[-1], "x") == "x" else 0
        # a mask, or what has the wrong shape, may have size 1 there
        return np.take(array, channels, along) if array.shape[along] == case.shape[axis] else array

    shape = tuple(len(channels) if a == axis else size for a, size in enumerate(case.shape))
    part = Draft(replace(case, shape=shape), {name: take(name, array) for name, array in draft.tensors.items()})
    if observation is None:
        return part, None
    return part, replace(observation, outputs={name: take(name, array) for name, array in observation.outputs.items()})
