"""From deviating samples to words: where, when and what.

A sample is one channel of one step. A candidate *supports* a sample that deviates if it predicts all outputs there; a sample
that is right *refutes* it if it predicts others there. Its condition must hold for the first and not for the second, so
that what happens and when are searched apart.
"""

import time
from dataclasses import dataclass

import numpy as np

from ..mistakes.point import ORDER, Point
from ..mistakes.whats import formula
from . import solve
from .bounds import Bound, within
from .candidates import COLUMNS, ROWS, Candidate, generic, listed
from .conditions import Condition, Table
from .episode import SLACK, Episode
from .explanation import Found

SCREEN = 5  # deviating steps on which every candidate is tried first
TRIED = 40  # candidates that are tried on everything
PARTNERS = 24  # candidates that explain an output, paired with one another
BETTER = 4.0  # a prediction that is not within the allowance must be this much nearer than the right one
STUBBORN = 0.1  # share of samples that a candidate may predict nearly
FLIPPED = 0.1  # of the values next to a rounding boundary may come out on the other side
FAMILIES = {
    "fold": ("fold_",),
    "population": ("population_", "mean", "variance", "m", "sum", "rows", "axes", "deviation"),
}


def _informative(step):
    """What tells candidates apart comes first: several channels and values, wide types, few steps, small."""
    case, count = step.episode.case, len(step.deviation)
    values = next(iter(step.got.values())).shape[1]
    odd = (
        step.mode not in ("train", "infer")
        or case.x_dtype in ("float16", "bfloat16")
        or "mask" in case.steps[step.index].inputs
    )
    plain = count > 1 and (values > 4 or step.mode == "fold")
    several = (step.deviation > 1).sum() > 1
    return (odd, not plain, not several, case.family in ("nonfinite", "degenerate", "conditioning"), step.episode.size)


def _failing(step):
    """Names of the outputs that fail in a step."""
    return frozenset(name.split(".")[1] for name in step.failed)


@dataclass
class Tested:
    """A candidate held against all samples: masks over the samples of all steps, one after the other."""

    candidate: Candidate
    support: np.ndarray
    refuted: np.ndarray
    nearly: np.ndarray
    condition: Condition | None = None

    @property
    def cost(self):
        return self.candidate.cost + (99 if self.condition is None else 0.5 * self.condition.cost)


class Search:
    """The steps of all episodes, and candidates held against them."""

    def __init__(self, episodes: list[Episode], conventions, budget: float):
        self.until, self.tried = time.process_time() + budget, 0
        self.conventions, self.episodes = conventions, list(episodes)
        self._prepare()

    def _prepare(self):
        self.steps = [step for episode in self.episodes for step in episode.steps]
        self.table = Table(self.steps)
        self.deviates = self._flat([step.deviation > 1 for step in self.steps])
        self.deviating = [step for step in self.steps if (step.deviation > 1).any()]

    def add(self, episodes):
        """More to explain."""
        self.episodes += episodes
        self._prepare()

    def _flat(self, masks):
        return np.concatenate([np.asarray(mask, bool) for mask in masks]) if masks else np.zeros(0, bool)

    @property
    def late(self) -> bool:
        return time.process_time() > self.until

    # one candidate in one step

    def judge(self, step, candidate, predicted):
        """(supports, refutes, nearly supports: it comes much nearer than the right layer) by channel."""
        count, deviates = len(step.deviation), step.deviation > 1
        if predicted is None:
            return np.zeros(count, bool), ~deviates, np.zeros(count, bool)
        near, off = step.distances(predicted)
        if candidate.grain and (off > 1).any():
            parts = [self._grained(step, name, candidate, predicted.get(name)) for name in step.got]
            off = np.max(parts, axis=0)
        nearer = near * BETTER <= step.deviation
        supports = deviates & (off <= 1) & ((near <= 2) | nearer | bool(candidate.grain))
        if candidate.grain and supports.any():
            supports &= self._moves(step, candidate, predicted)
        return supports, ~deviates & (off > 1), deviates & ~supports & nearer

    def _grained(self, step, name, candidate, predicted):
        """Distances where some values may have been rounded to the other side."""
        got, distance = step.got[name], step.distance(name, predicted)[1]
        if predicted is None or predicted.shape != got.shape or (distance <= 1).all():
            return distance
        with np.errstate(all="ignore"):
            size = np.nanmax(np.where(np.isfinite(predicted), np.abs(predicted), 0), axis=1, initial=0.0)
            error = np.where(got == predicted, 0.0, np.abs(got - predicted))
            unit = SLACK * (
                step.allowed[name] + 2e-7 * np.abs(predicted) * (step.episode.facts.kind(name) != "float64")
            )
            far = error > unit
            bounded = (error <= 4 * candidate.grain * size[:, None]).all(axis=1)
            few = far.mean(axis=1) <= (FLIPPED if got.shape[1] > 1 else 0)
        return np.where(bounded & few, np.minimum(distance, 1.0), distance)

    def _moves(self, step, candidate, predicted):
        """Whether a rounding explains what deviates: that it comes nearer than the right layer, in the failed outputs."""
        nearer = np.zeros(len(step.deviation), bool)
        for name in step.failed:
            if name in predicted and predicted[name].shape == step.got[name].shape:
                nearer |= (step.distance(name, predicted[name])[0] * 2 <= step.outputs[name]) & (step.outputs[name] > 1)
        return nearer

    def evaluate(self, candidate, episode):
        """step index -> what `judge` says, of one episode."""
        play = None if candidate.forced else episode.play(candidate.points, forced=False)
        predict = lambda index: play[index] if play else episode.predict(candidate.points, index)
        return {step.index: self.judge(step, candidate, predict(step.index)) for step in episode.steps}

    def test(self, candidate) -> Tested:
        """A candidate held against everything."""
        found = [self.evaluate(candidate, episode) for episode in self.episodes]
        masks = zip(*(by_step[index] for by_step in found for index in by_step))
        tested = Tested(candidate, *map(self._flat, masks))
        if tested.support.any():
            tested.condition = self.table.separating(tested.support, tested.refuted)
        return tested

    def held(self, step, answers):
        """(samples of a fresh step that each answer predicts, those that refute it), a row an answer."""
        found, refuted = np.zeros((2, len(answers), len(step.deviation)), bool)
        for place, answer in enumerate(answers):
            if isinstance(answer.tested, Bound):
                found[place] = within(step, answer.tested.conventions) & (step.deviation > 1)
                continue
            holds, candidate = answer.condition.holds(step), answer.tested.candidate
            play = None if candidate.forced else step.episode.play(candidate.points, forced=False)
            predicted = play[step.index] if play else step.episode.predict(candidate.points, step.index)
            supports, refutes, nearly = self.judge(step, candidate, predicted)
            found[place], refuted[place] = holds & (supports | nearly), holds & refutes
        return found, refuted

    # which candidates

    def screen(self):
        """Deviating steps of different kinds, the small ones first."""
        order = sorted(self.deviating, key=_informative)
        chosen, seen = [], set()
        for step in order:
            kind = (step.mode, _failing(step))
            if kind not in seen:
                chosen.append(step)
                seen.add(kind)
        return chosen[:SCREEN]

    def reach(self, steps):
        """Quantities that move everything that deviates in one of these steps."""
        nudge = formula(
            "nudged", lambda v, at: v * 1.001 + 1e-3 if isinstance(v, float | np.ndarray | np.generic) else v
        )
        found = []
        for where in dict.fromkeys((*COLUMNS, *ROWS)):
            if any(self._reaches(where, nudge, step) for step in steps):
                found.append(where)
        return sorted(found, key=ORDER.__getitem__)

    def _reaches(self, where, nudge, step):
        predicted = step.episode.predict((Point(where, nudge),), step.index)
        if predicted is None:
            return False
        deviating = [name for name, d in step.outputs.items() if (d > 1).any()]
        return all(
            name in predicted and not np.array_equal(predicted[name], step.right[name], equal_nan=True)
            for name in deviating
        )

    def screened(self, steps, candidates):
        """(candidate, samples it supports in these steps), and for pairs (candidate, outputs it explains)."""
        alone, partly = [], []
        for candidate in candidates:
            if self.late:
                break
            self.tried += 1
            supports = outputs = 0
            for step in steps:
                predicted = step.episode.predict(candidate.points, step.index, candidate.forced)
                good = self.judge(step, candidate, predicted)[0]
                supports += good.sum() / (step.deviation > 1).sum()
                if not good.any() and predicted:
                    outputs += self._explained(step, predicted)
                if not good.any() and step is steps[0]:
                    break  # what does not explain the first step is not tried on the others
            if supports:
                alone.append((supports, candidate))
            elif outputs:
                partly.append((outputs, candidate))
        key = lambda pair: (-pair[0], pair[1].cost)
        return [c for _, c in sorted(alone, key=key)], [c for _, c in sorted(partly, key=key)]

    def _explained(self, step, predicted):
        """How many deviating outputs come nearer, none of the others getting worse."""
        gain = 0
        for name, deviation in step.outputs.items():
            off = step.distance(name, predicted.get(name))[1]
            if not (deviation > 1).any():
                continue
            gain += bool(((off <= 1) & (deviation > 1)).any())
        return gain

    # the search

    def run(self) -> list[Found]:
        """What explains the deviating samples: the fewest candidates; what is left stays open."""
        left, found = self.deviates.copy(), []
        while left.any() and len(found) < 4:
            answer = self._best(left)
            if answer is None:
                break
            found.append(answer)
            left &= ~answer.samples
        for answer in [answer for answer in found if self._coincidental(answer, left)]:
            found.remove(answer)
            left |= answer.samples
        if left.any():
            found.append(self.open(left))
        return found

    def _coincidental(self, answer, left):
        """Whether it leaves more open than it explains, of the same outputs and where its own condition holds."""
        outputs = frozenset().union(*map(_failing, self.steps_of(answer.samples)))
        alike = [answer.condition.holds(step) & (_failing(step) <= outputs) for step in self.steps]
        return (self._flat(alike) & left).sum() > answer.samples.sum()

    def steps_of(self, left):
        """The deviating steps with samples that are left."""
        ends = np.cumsum([len(step.deviation) for step in self.steps])
        starts = ends - [len(step.deviation) for step in self.steps]
        return [step for step, a, b in zip(self.steps, starts, ends) if left[a:b].any()]

    def _best(self, left):
        self.deviating = self.steps_of(left)
        steps = self.screen()
        wheres = self.reach(steps)
        self.wheres = wheres
        solved, self.able = solve.candidates(steps[:3], wheres)
        pool = [*listed(self.conventions.running_ddof), *solved]
        pool += [candidate for where in wheres for candidate in generic(where)]
        alone, partly = self.screened(steps, pool)
        answer = self._choose(alone, left)
        if answer is None or (left & ~answer.samples).any():
            pairs = self._pairs(steps, [*alone[:6], *partly[:PARTNERS]])
            both = self._choose(pairs, left)
            if both is not None and (answer is None or (left & both.samples).sum() > (left & answer.samples).sum()):
                return both
        return answer

    def _pairs(self, steps, parts):
        found = []
        for first in parts[:8]:
            for second in parts:
                if first.points != second.points and first.where <= second.where:
                    name = " + ".join(sorted({*first.name.split(" + "), *second.name.split(" + ")}))
                    points = (*first.points, *second.points)
                    found.append(Candidate(points, name, first.cost + second.cost, "", first.forced and second.forced))
        return self.screened(steps, found)[0]

    def _choose(self, candidates, left):
        """The candidate that explains most of what is left, the simplest of those that explain as much."""
        best, rest = None, []
        for candidate in candidates[:TRIED]:
            if self.late and best is not None:
                break
            tested = self.test(candidate)
            gain = int((tested.support & left).sum())
            if tested.condition is None or not gain:
                continue
            key = (-gain, tested.cost)
            if best is None or key < best[0]:
                best = (key, tested)
            rest.append((key, tested))
        if best is None:
            return None
        (gain, _), tested = best
        same = [t for (g, _), t in rest if g == gain and t is not tested and abs(t.cost - tested.cost) < 0.1]
        names = [t.candidate.name for t in same if t.candidate.name != tested.candidate.name]
        counts = self._counts(tested)
        samples = tested.support.copy()
        if tested.nearly.sum() <= STUBBORN * samples.sum():  # a stubborn sample is no reason to doubt all others
            samples |= tested.nearly
        return Found(tested.candidate.where, tested.condition, samples, tested, counts, list(dict.fromkeys(names)))

    def _counts(self, tested):
        """(steps that it explains, steps where it would show and does not)."""
        ends = np.cumsum([len(step.deviation) for step in self.steps])[:-1]
        count = lambda mask: sum(part.any() for part in np.split(mask, ends))
        return count(tested.support), count(tested.refuted)

    def open(self, left) -> Found:
        """Where and when of samples that nothing explains."""
        steps = self.steps_of(left)
        condition = self.table.separating(left, ~self.deviates) or self.table.nearly(left, ~self.deviates)
        where = getattr(self, "able", None) or None
        if where:
            where = where[0]
        else:
            where = self._first_output(steps)
        return Found(where, condition, left, None, (len(steps), len(self.steps) - len(steps)))

    def _first_output(self, steps):
        names = {n.split(".")[1] for s in steps for n, d in s.outputs.items() if (d > 1).any()}
        quantity = {"batch_mean": "mean", "batch_var": "variance", "weight": "fold_weight", "bias": "fold_bias"}
        wheres = [quantity.get(name, name) for name in names]
        return min(wheres, key=lambda name: ORDER.get(name, 999)) if wheres else ""
