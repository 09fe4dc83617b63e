"""The search: round after round of problems, drawn or climbed, asked of a worker process and judged.

What a round asks is a function of seed and number alone, and of earlier answers only while it climbs: a search that was
broken off goes on with the next round.
"""

import json
import time
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

import numpy as np

from ..cases.draft import Draft
from ..records import Failure, Observation, Verdict
from ..run.process import Hello, Worker, WorkerLost
from .climb import COUNTS, Climb
from .draw import draw
from .judging import Screen, alarms, screen

CLIMB_EVERY, GENERATIONS, CHANNELS = 32, 12, 256
KINDS = 12  # different cases of a seed for who compiles each
TWICE_EVERY = 4


@dataclass
class Find:
    """A wrong answer: the round that asked, its failed verdicts, the worst of them first, and the problem."""

    round: int
    verdicts: list[Verdict]
    draft: Draft

    @property
    def signatures(self) -> set[tuple[str, str, str]]:
        """What is wrong: finds that have nothing new are not told."""
        return {signature(verdict, self.draft) for verdict in self.verdicts}


def signature(verdict: Verdict, draft: Draft) -> tuple[str, str, str]:
    """(output without its step, kind, type of x); of a call that raised, what it said instead, without its numbers."""
    if verdict.score is None and ":" in verdict.kind:
        return "call", verdict.kind, "".join(c for c in verdict.message if not c.isdigit())[:60]
    return verdict.output.split(".")[-1], verdict.kind, draft.case.x_dtype


class Asker:
    """A worker that is replaced whenever it is lost, asked for answers to drafts."""

    def __init__(self, name: str, device="cpu", timeout=60.0, memory=8.0):
        self.name, self.timeout = name, timeout
        self.worker = Worker(name, device, memory=memory)
        self.hello: Hello = self.worker.start()

    def ask(self, draft: Draft, twice=False) -> Observation:
        """The observation, or how the worker was lost."""
        try:
            return self.worker.pose(draft.case, draft.tensors, self.timeout, twice=twice)
        except WorkerLost as lost:
            failure: Failure = lost.failure
            self.worker.stop()
            self.worker.start()
            return Observation(draft.case.id, {}, failure=failure)

    def close(self) -> None:
        self.worker.stop()


@dataclass
class Search:
    """One search of one implementation.

    output: judge this output alone, or "" for all. worst: output -> the largest score met that is no alarm.
    """

    asker: Asker
    seed: int = 0
    output: str = ""
    round: int = 0
    problems: int = 0
    calls: int = 0
    finds: list[Find] = field(default_factory=list)
    worst: dict[str, float] = field(default_factory=dict)

    def __post_init__(self):
        self.conventions = self.asker.hello.conventions
        self.kinds = KINDS if self.asker.hello.compiles else 0

    def run(self, seconds: float, each=lambda search: None) -> None:
        """Rounds until the time is over; each: called after every round."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.step()
            each(self)

    def step(self) -> None:
        """One round: a problem drawn, or in every 32nd a population climbed."""
        if self.round % CLIMB_EVERY == CLIMB_EVERY - 1:
            self._climb()
        else:
            draft = draw(self.seed, self.round, self.conventions, kinds=self.kinds)
            self._judge(draft, twice=self.round % TWICE_EVERY == 0)
        self.round += 1

    def _climb(self):
        rng = np.random.default_rng([self.seed, self.round // CLIMB_EVERY % (self.kinds or 1 << 30)])
        dtype, m = str(rng.choice(self.conventions.dtypes)), int(rng.choice(COUNTS))
        climb = Climb(f"search/{self.seed}-{self.round}", rng, self.conventions, dtype, m, CHANNELS)
        for _ in range(GENERATIONS):
            climb.generation(lambda draft: self._judge(draft).scores)

    def _judge(self, draft: Draft, twice=False) -> Screen:
        draft = self._narrowed(draft)
        observation = self.asker.ask(draft, twice)
        seen = screen(observation, draft, self.conventions)
        self.calls += 1
        self.problems += prod(draft.case.shape[axis] for axis in draft.case.channel_axes)
        failed = alarms(self.asker.name, observation, draft, self.conventions, seen) if self._new(draft, seen) else []
        found = Find(self.round, sorted(failed, key=lambda v: -(v.score or 0)), draft)
        if found.signatures - self.known:
            self.finds.append(found)
        if seen.clear:
            self._remember(seen)
        return seen

    @property
    def known(self) -> set[tuple[str, str, str]]:
        """The signatures of all finds."""
        return set().union(*(find.signatures for find in self.finds))

    def _new(self, draft, seen):
        """Whether the oracle is to be asked: not again about an output of a type that is known to be wrong."""
        known = {(output, dtype) for output, _, dtype in self.known}
        open_ = {(name.split(".")[1], draft.case.x_dtype) for name, channels in seen.open.items() if channels.any()}
        return seen.whole or bool(open_ - known)

    def _narrowed(self, draft):
        """The same, with only the output that is searched compared; inputs and state go their way."""
        if not self.output:
            return draft
        steps = tuple(
            type(step)(
                step.mode, step.inputs, tuple(o for o in step.outputs if o == self.output), step.memory, step.options
            )
            for step in draft.case.steps
        )
        return Draft(type(draft.case)(**{**vars(draft.case), "steps": steps}), draft.tensors)

    def _remember(self, seen):
        for name, scores in seen.scores.items():
            output, top = name.split(".")[1], float(np.max(scores, initial=0.0))
            if np.isfinite(top):
                self.worst[output] = max(top, self.worst.get(output, 0.0))

    def save(self, path: Path) -> None:
        """Where to go on: the next round, the counts, and the rounds of the finds."""
        kept = {name: getattr(self, name) for name in ("seed", "output", "round", "problems", "calls", "worst")}
        kept |= {"implementation": self.asker.name, "found": [find.round for find in self.finds]}
        path.write_text(json.dumps(kept, indent=1) + "\n")

    def resume(self, path: Path) -> None:
        """Go on where `save` left off; the rounds that found something are asked again. Errors: ValueError."""
        try:
            kept = json.loads(path.read_text())
            found, name = kept.pop("found"), kept.pop("implementation")
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"cannot go on from {path}: {error}") from None
        if (name, kept["seed"], kept["output"]) != (self.asker.name, self.seed, self.output):
            raise ValueError(f"{path} is of {name}, seed {kept['seed']}, output {kept['output'] or 'all'}")
        for self.round in dict.fromkeys(found):
            self.step()
        for field_, value in kept.items():
            setattr(self, field_, value)
