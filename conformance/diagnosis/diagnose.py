"""From failed verdicts to explanations: where, when and what, each name held against problems drawn for the purpose."""

import numpy as np

from . import fresh, structure
from .bounds import bounded
from .conditions import Table
from .episode import Episode, Facts
from .explanation import UNEXPLAINED, Explanation, named, unexplained
from .search import Search

BUDGET = 20.0  # processor seconds of a search
ASTRAY = 0.02  # share of fresh samples that a name may miss: next to rounding boundaries, and to what was solved for
HUGE = 2  # slow cases that are looked at, where no quick one failed

_FACTS: dict = {}


def facts_of(case, golden, conventions) -> Facts:
    """The facts of a golden case, computed once a process."""
    key = (str(golden.folder), case.id, repr(conventions))
    if key not in _FACTS:
        wanted = None if case.law else golden.wanted(case, conventions.running_ddof)
        _FACTS[key] = Facts(case, golden.inputs(case), conventions, wanted)
    return _FACTS[key]


@np.errstate(all="ignore")
def explain(implementation, failed, observations, golden, conventions, ask=None, budget=BUDGET) -> list[Explanation]:
    """What is wrong with an implementation, in as few mistakes as explain all failed verdicts.

    failed: its `Verdict`s that are no pass. observations: case id -> `Observation`, of passed cases too (the more, the
    safer the name). golden, conventions: what it was judged by. ask(draft) -> `Observation` or None: puts a problem to the
    implementation that no golden file holds; without it names are given unchecked, and say so. budget: processor seconds.
    """
    return Diagnosis(implementation, failed, observations, golden, conventions, ask, budget).explanations()


class Diagnosis:
    """All that was observed of one implementation, and what is asked of it beyond."""

    def __init__(self, implementation, failed, observations, golden, conventions, ask, budget):
        self.golden, self.conventions, self.ask, self.budget = golden, conventions, ask, budget
        verdicts = {}
        for verdict in failed:
            if verdict.implementation == implementation:
                verdicts.setdefault(verdict.case, []).append(verdict)
        self.episodes = []
        for case_id, observation in observations.items():
            case = golden.cases.get(case_id)
            refused = observation.failure is not None and observation.failure.kind == "unsupported"
            if case is not None and not (refused and case_id not in verdicts):
                self.episodes.append(self._episode(case, observation, verdicts.get(case_id, ())))
        self.all, self.points = self.episodes, []
        self.answered = self._answered()

    def _episode(self, case, observation, verdicts):
        if case.raises:
            return Episode(Facts(case, self.golden.inputs(case), self.conventions, {}), observation, verdicts)
        if case.large and not verdicts:
            return Episode(Facts(case, {}, self.conventions, {}), observation, verdicts)
        return Episode(facts_of(case, self.golden, self.conventions), observation, verdicts, by_itself=bool(case.law))

    def _answered(self):
        """The episodes with values; of huge ones only as many as are needed."""
        usable = [e for e in self.all if not e.case.raises and e.got]
        small = [e for e in usable if e.quick]
        if any(e.failed for e in small):
            return small
        huge = sorted((e for e in usable if not e.quick and e.failed), key=lambda e: e.size)
        return small + huge[:HUGE]

    def explanations(self) -> list[Explanation]:
        """Attributes, values, what raises, errors that did not come."""
        found = structure.attributes(self.all, self.condition_of) + structure.lost(self.all)
        found += self.values()
        found += self.raising(found)
        found = structure.without_consequences(found)
        touched = {case for x in found if x.where == "done" for case in x.cases}  # x is another there the next time
        found = [x for x in found if x.name != UNEXPLAINED or not set(x.cases) <= touched or not x.cases]
        found += structure.silent_errors(self.all, found, self.condition_of)
        return found

    # values

    def values(self):
        """Explanations of wrong values; a name is dropped if it does not predict fresh problems."""
        search = Search(self.answered, self.conventions, self.budget)
        if not search.deviates.any():
            return []
        bound = bounded(search, self.conventions)
        answers, wrong = [bound] if bound else search.run(), {}
        if bound and bound.where == "arithmetic":  # what predicts values says more than what bounds them
            exact = search.run()
            answers = [bound] if any(answer.tested is None for answer in exact) else exact
        for attempt in range(2):
            wrong = self.checked(answers, search, seed=17 + attempt)
            if not wrong or attempt:
                break
            search.add(self.fresh_episodes)
            answers = search.run()
        self.points = [a.tested.candidate.points for a in answers if a.tested and id(a) not in wrong]
        return [self._told(answer, search, wrong.get(id(answer), "")) for answer in answers]

    def _told(self, answer, search, wrong):
        steps = [step for step in search.steps_of(answer.samples) if step.episode.case.family != "fresh"]
        if answer.tested is None or wrong:
            return unexplained(answer, steps, wrong or f"{search.tried} mistakes and pairs of mistakes were tried")
        return named(answer, steps, self.checks.get(id(answer), "not held against fresh problems"))

    def checked(self, answers, search, seed) -> dict[int, str]:
        """Answer (by id) -> why its name cannot be right, for those that do not predict what fresh problems give."""
        self.fresh_episodes, self.checks = [], {}
        named_ones = [answer for answer in answers if answer.tested is not None]
        if self.ask is None or not named_ones:
            return {}
        failing = [step.episode for step in search.steps_of(search.deviates)]
        for draft in fresh.problems(list(dict.fromkeys(failing)), seed):
            observation = self.ask(draft)
            if observation is not None and observation.outputs:
                facts = Facts(draft.case, draft.tensors, self.conventions)
                self.fresh_episodes.append(Episode(facts, observation, (), by_itself=True))
        steps = [step for episode in self.fresh_episodes for step in episode.steps]
        if not steps:
            return {}
        alone, wrong = len(named_ones) == len(answers), {}
        held = [search.held(step, named_ones) for step in steps]
        count = sum(len(step.deviation) for step in steps)
        unpredicted = sum((~found.any(axis=0) & (step.deviation > 1)).sum() for (found, _), step in zip(held, steps))
        for place, answer in enumerate(named_ones):
            shown = sum(found[place].sum() for found, _ in held)
            missed = sum((refuted[place] & ~found.any(axis=0)).sum() for found, refuted in held)
            missed += unpredicted if alone else 0
            self.checks[id(answer)] = f"and {shown} of {count} samples of {len(self.fresh_episodes)} fresh problems"
            if missed > ASTRAY * count or not shown:
                wrong[id(answer)] = (
                    f"{answer.tested.candidate.name} fitted, and missed {missed} of {count} fresh samples"
                )
        return wrong

    # conditions on whole cases

    def condition_of(self, among, hit) -> str:
        """The simplest condition that holds for the episodes `hit` and no other, in words; "" if there is none."""
        steps, inside = [], []
        for episode in among:
            if episode.case.raises:
                continue
            reached = episode.raised if episode in hit and episode.raised is not None else None
            for step in episode.plain_steps():
                wrong = episode in hit and (reached is None or step.index == reached)
                if reached is not None and step.index != reached:
                    continue
                steps.append(step)
                inside.append(np.full(len(step.deviation), wrong))
        if not steps:
            return ""
        inside = np.concatenate(inside)
        condition = Table(steps).separating(inside, ~inside) if inside.any() else None
        return condition.words if condition else ""

    def raising(self, found):
        """What raises though no mistake that was named makes it."""
        raised = [e for e in self.all if e.raised is not None and e.case.raises is None and e.failed]
        left = [e for e in raised if not any(self._raises(points, e) for points in self.points)]
        if not left:
            return []
        among = [e for e in self.all if e in left or e not in raised]
        return structure.raising(among, left, self.condition_of)

    def _raises(self, points, episode):
        episode.play(points, forced=False)
        return episode.raised_there is not None
