"""The run: implementations × cases -> report. One worker process an implementation, results as they come."""

import hashlib
import platform
import threading
import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import bnconform
from bnconform.backends import registry
from bnconform.backends.contract import Conventions

from ..golden.store import Golden, GoldenError
from ..judge import known as known_differences
from ..judge.compare import BASIC, judge
from ..records import FAILED, Case, Observation, Verdict
from .journal import Journal, Plan, Result
from .process import Hello, Stopped
from .supervisor import RetryBudget, Supervisor

UNKNOWN = Conventions(running_ddof=0, exposes=BASIC)  # of what cannot be loaded: no output is excused


class UsageError(Exception):
    """The run was asked for something that does not exist; one clear line."""


@dataclass(frozen=True)
class Options:
    """How to run. timeout: seconds a case may take. memory: GiB a worker may occupy. jobs: workers at a time.

    shard: (i, n), to judge only the i-th of n parts of the cases.
    """

    device: str = "cpu"
    timeout: float = 60.0
    memory: float = 8.0
    jobs: int = 2
    known: tuple[str, ...] = ()
    shard: tuple[int, int] = (1, 1)
    golden: Golden = field(default_factory=Golden)


def plan(implementations: list[str], cases: list[Case], options: Options, named: bool = True) -> Plan:
    """What a run is to judge, as its journal says it."""
    return Plan(
        suite=bnconform.__version__,
        golden=options.golden.hash,
        cases=tuple(case.id for case in cases),
        implementations=tuple(implementations),
        device=options.device,
        timeout=options.timeout,
        memory=options.memory,
        known=tuple(hashlib.sha256(repr(known_differences.read(path)).encode()).hexdigest() for path in options.known),
        shard=options.shard,
        named=named,
    )


@dataclass(frozen=True)
class Judged:
    """All about one implementation: who it is, its verdicts, the observations that tell, seconds by activity.

    twice: case -> outputs that had other bits the second time, of the cases that were asked twice.
    """

    name: str
    hello: Hello
    device: str
    verdicts: tuple[Verdict, ...]
    observations: dict[str, Observation] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    twice: dict[str, tuple[str, ...]] = field(default_factory=dict)

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
        raise UsageError(
            f"no case matches {' or '.join(patterns) or 'the selection'}: a run of zero cases proves nothing"
        )
    return cases


def matches(case_id: str, pattern: str) -> bool:
    """Exact id, shell pattern, or part of the id."""
    return case_id == pattern or fnmatchcase(case_id, pattern) or pattern in case_id


def run(
    implementations: list[str], cases: list[Case], options: Options, listener: Listener, journal: Journal | None = None
) -> list[Judged]:
    """Judge every implementation on every case; order of the answer as asked.

    journal: takes the results as they come; what it already has is not judged again. It is closed at the end.
    """
    if journal is None:
        journal = Journal(plan(implementations, cases, options))
    known = {name: known_for(name, options) for name in implementations}
    stop = threading.Event()
    try:
        with ThreadPoolExecutor(max(1, options.jobs)) as pool:
            try:
                futures = [
                    pool.submit(judge_one, name, known[name], options, listener, journal, stop)
                    for name in longest_first(implementations)
                ]
                for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                    future.result()
            except BaseException:  # an interrupt, a full disk, a damaged golden file: nobody goes on
                stop.set()
                pool.shutdown(cancel_futures=True)
                raise
    finally:
        journal.close()
    return [judged_of(journal, name) for name in implementations]


def longest_first(implementations: list[str]) -> list[str]:
    """A long one started last would be waited for alone: what loads most starts first."""
    return sorted(implementations, key=lambda name: -len(registry.entry(name).needs))


def judge_one(
    name: str, known: list, options: Options, listener: Listener, journal: Journal, stop: threading.Event
) -> None:
    """One implementation through its cases that the journal does not have."""
    own, missing = journal.plan.own_cases(), journal.missing(name)
    listener.started(name, len(own))
    for case in [case for case in own if case not in missing]:
        listener.judged(name, options.golden.cases[case], list(journal.results[name][case].verdicts))
    if missing:  # else it was finished before, and needs no worker any more
        supervisor = Supervisor(name, options, stop)
        _take_up(supervisor, list(journal.results[name].values()))
        try:
            journal.put_hello(name, supervisor.open())
            for case in missing:
                journal.put(name, _result(supervisor, options.golden.cases[case], known, listener))
        except Stopped:
            return
        finally:
            supervisor.close()
    listener.finished(judged_of(journal, name))


def _take_up(supervisor, results):
    """The supervisor's retry_budget as it was after the last result of an interrupted run."""
    if results:
        supervisor.retry_budget = RetryBudget(*results[-1].retry_budget)


def _result(supervisor, case, known, listener):
    verdicts, observation = judge_case(supervisor, case, known)
    listener.judged(supervisor.name, case, verdicts)
    retry_budget = supervisor.retry_budget.in_a_row, supervisor.retry_budget.in_all
    return Result(
        case.id,
        tuple(verdicts),
        observation if telling(case, verdicts) else None,
        retry_budget,
        supervisor.take_seconds(),
        observation.differing,
    )


def telling(case: Case, verdicts: list[Verdict]) -> bool:
    """Whether diagnosis wants the observation: something failed, or its passing refutes wrong names cheaply."""
    if any(verdict.status in FAILED for verdict in verdicts):
        return True
    return case.quick and not case.large and any(verdict.status == "pass" for verdict in verdicts)


def judged_of(journal: Journal, name: str) -> Judged:
    """All that a journal knows about one implementation, in the order of the cases."""
    results = journal.results[name]
    ordered = [results[case] for case in journal.plan.own_cases() if case in results]
    return Judged(
        name,
        journal.hellos[name],
        journal.plan.device,
        tuple(verdict for result in ordered for verdict in result.verdicts),
        {result.case: result.observation for result in ordered if result.observation},
        journal.seconds(name),
        {result.case: result.differing for result in ordered if result.differing is not None},
    )


def judge_case(
    supervisor: Supervisor, case: Case, known: list[known_differences.Known]
) -> tuple[list[Verdict], Observation]:
    """The way of one case: asked of the supervisor, compared, held against what is known."""
    observation = supervisor.observe(case)
    if observation.failure and observation.failure.what == GoldenError.__name__:
        raise GoldenError(observation.failure.text)  # no backend's fault: the run ends
    started = time.perf_counter()
    conventions = supervisor.hello.conventions or UNKNOWN
    try:
        verdicts = judge(supervisor.name, observation, case, supervisor.options.golden, conventions)
    except GoldenError:
        raise
    except Exception as error:  # a declaration that does not fit, or an error of this suite: seen, and the run goes on
        text = f"it could not be judged: {type(error).__name__}: {error}"
        verdicts = [
            Verdict(supervisor.name, case.id, output, "crashed", kind="unjudged", message=text)
            for output in case.outputs()
        ]
    if supervisor.lost_between:
        text = f"{supervisor.lost_between.text} (after it had answered the case before this one)"
        verdicts.append(
            Verdict(
                supervisor.name, case.id, "worker", "crashed", kind=f"died:{supervisor.lost_between.what}", message=text
            )
        )
    verdicts = known_differences.apply(verdicts, known, supervisor.hello.version, supervisor.options.device)
    supervisor.seconds["compile"] += observation.compiling
    supervisor.seconds["run"] += observation.seconds - observation.compiling
    supervisor.seconds["compare"] += time.perf_counter() - started
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


def machine() -> dict:
    """The machine in words."""
    return {"system": platform.platform(), "processor": platform.machine(), "python": platform.python_version()}
