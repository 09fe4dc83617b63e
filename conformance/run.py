"""The run: implementations × cases -> report. One worker process an implementation, results as they come."""

import platform
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Callable

from bnconform.backends.contract import Conventions

from . import known as known_differences
from .compare import judge
from .golden import Golden
from .process import Hello, Worker, WorkerLost
from .records import Case, Failure, Observation, Verdict

GIVE_UP = 5  # deaths in a row after which an implementation is not started again


class UsageError(Exception):
    """The run was asked for something that does not exist; one clear line."""


@dataclass(frozen=True)
class Options:
    """How to run. timeout: seconds a case may take. jobs: workers at a time."""

    device: str = "cpu"
    timeout: float = 120.0
    jobs: int = 2
    known: tuple[str, ...] = ()
    golden: Golden = field(default_factory=Golden)


@dataclass(frozen=True)
class Judged:
    """All about one implementation: who it is, its verdicts, observations of its failures, seconds by activity."""

    name: str
    hello: Hello
    device: str
    verdicts: tuple[Verdict, ...]
    failing: dict[str, Observation] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def version(self) -> str:
        return self.hello.version


class Listener:
    """What a face may want to hear while a run goes on; every method may be left out."""

    def started(self, implementation: str, total: int) -> None: ...

    def judged(self, implementation: str, case: Case, verdicts: list[Verdict]) -> None: ...

    def finished(self, judged: Judged) -> None: ...


def select(golden: Golden, patterns: tuple[str, ...] = (), quick: bool = False) -> list[Case]:
    """The cases that match any pattern (text contained in the id, or a shell pattern). Errors: UsageError for none."""
    cases = [case for case in golden.cases.values() if case.quick or not quick]
    if patterns:
        cases = [case for case in cases if any(matches(case.id, pattern) for pattern in patterns)]
    if not cases:
        raise UsageError(f"no case matches {' or '.join(patterns) or 'the selection'}: a run of zero cases proves nothing")
    return cases


def matches(case_id: str, pattern: str) -> bool:
    """Exact id, shell pattern, or part of the id."""
    return case_id == pattern or fnmatchcase(case_id, pattern) or pattern in case_id


def run(implementations: list[str], cases: list[Case], options: Options, listener: Listener) -> list[Judged]:
    """Judge every implementation on every case; order of the answer as asked."""
    with ThreadPoolExecutor(max(1, options.jobs)) as pool:
        futures = [pool.submit(judge_one, name, cases, options, listener) for name in implementations]
        return [future.result() for future in futures]


def judge_one(name: str, cases: list[Case], options: Options, listener: Listener) -> Judged:
    """One implementation through all cases, its worker replaced whenever it dies."""
    listener.started(name, len(cases))
    desk = Desk(name, options)
    verdicts, failing = [], {}
    try:
        hello = desk.open()
        known = known_for(name, options)
        for case in cases:
            found, observation = judge_case(desk, case, known)
            verdicts += found
            if any(verdict.status == "fail" for verdict in found):
                failing[case.id] = observation
            listener.judged(name, case, found)
    finally:
        desk.close()
    judged = Judged(name, hello, options.device, tuple(verdicts), failing, desk.seconds)
    listener.finished(judged)
    return judged


def judge_case(desk: "Desk", case: Case, known: list[known_differences.Known]) -> tuple[list[Verdict], Observation]:
    """The way of one case: asked of the desk, compared, held against what is known."""
    observation = desk.observe(case)
    started = time.perf_counter()
    conventions = desk.hello.conventions or Conventions(running_ddof=0)
    verdicts = judge(desk.name, observation, case, desk.options.golden, conventions)
    verdicts = known_differences.apply(verdicts, known, desk.hello.version, desk.options.device)
    desk.seconds["backend"] += observation.seconds
    desk.seconds["compare"] += time.perf_counter() - started
    return verdicts, observation


def known_for(name, options):
    known = known_differences.builtin(name)
    for path in options.known:
        known += known_differences.read(path)
    if options.golden != Golden():  # cases of one's own: what is known of others has no place there
        return [entry for entry in known if any(fnmatchcase(case, entry.cases) for case in options.golden.cases)]
    outputs = {case.id: case.outputs() for case in options.golden.cases.values()}
    known_differences.check_ids(known, outputs)
    return known


class Desk:
    """Keeps one worker alive, and says for each case what came of it."""

    def __init__(self, name, options):
        self.name, self.options = name, options
        self.worker, self.hello, self.deaths = None, Hello(), 0
        self.seconds = {"start": 0.0, "backend": 0.0, "compare": 0.0}

    def open(self) -> Hello:
        """Start the worker and hear who it is."""
        started = time.perf_counter()
        self.hello = self._start()
        self.seconds["start"] = time.perf_counter() - started
        return self.hello

    def _start(self):
        self.worker = Worker(self.name, self.options.device)
        try:
            return self.worker.start()
        except WorkerLost as lost:
            self.worker.stop()
            self.worker = None
            return Hello(problem="LoadFailed", text=lost.failure.text)

    def observe(self, case) -> Observation:
        if self.hello.problem == "NotInstalled":
            return Observation(case.id, {}, failure=Failure("unsupported", "", self.hello.text))
        if self.hello.problem:
            return Observation(case.id, {}, failure=Failure("died", "load", self.hello.text))
        if self.deaths >= GIVE_UP:
            return Observation(case.id, {}, failure=Failure("died", "given up", f"not tried: {self.deaths} workers died in a row"))
        if self.worker is None and self._start().problem:
            self.deaths += 1
            return Observation(case.id, {}, failure=Failure("died", "load", "the worker could not be started again"))
        started = time.perf_counter()
        try:
            observation = self.worker.ask(case.id, self.options.timeout)
            self.deaths = 0
            return observation
        except WorkerLost as lost:
            self.deaths += 1
            self.close()
            return Observation(case.id, {}, failure=lost.failure, seconds=time.perf_counter() - started)

    def close(self):
        if self.worker is not None:
            self.worker.stop()
            self.worker = None


def machine() -> dict:
    """The machine in words."""
    return {"system": platform.platform(), "processor": platform.machine(), "python": platform.python_version()}
