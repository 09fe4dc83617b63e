"""The run: implementations × cases -> report. One worker process an implementation, results as they come."""

import threading
import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import lru_cache

from bnconform.backends import registry
from bnconform.backends.contract import Conventions

from ..golden.store import Golden
from ..golden.tensors import GoldenError
from ..judge import known as known_differences
from ..judge.compare import BASIC, judge
from ..judge.levels import within
from ..records import FAILED, Case, Observation, Verdict
from ..text import clean
from .code import changed
from .journal import Journal, Result
from .plan import Options, known_for, plan
from .process import AGAIN, Hello, Stopped
from .supervisor import RetryBudget, Supervisor

UNKNOWN = Conventions(running_ddof=0, exposes=BASIC)  # of what cannot be loaded: no output is excused


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

    def judged(self, implementation: str, case: str, verdicts: list[Verdict]) -> None: ...

    def noted(self, implementation: str, text: str) -> None: ...

    def finished(self, judged: Judged) -> None: ...


def run(
    implementations: list[str], cases: list[Case], options: Options, listener: Listener, journal: Journal | None = None
) -> list[Judged]:
    """Judge every implementation on every case; order of the answer as asked.

    journal: takes the results as they come; what it already has is not judged again, unless the implementation is no
    longer what it was.
    """
    if journal is None:
        journal = Journal(plan(implementations, cases, options))
    known = {name: known_for(name, options) for name in implementations}
    stop = threading.Event()
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
    return [judged_of(journal, name) for name in implementations]


def longest_first(implementations: list[str]) -> list[str]:
    """A long one started last would be waited for alone: what loads most starts first."""
    return sorted(implementations, key=lambda name: -len(registry.entry(name).needs))


def judge_one(
    name: str, known: list, options: Options, listener: Listener, journal: Journal, stop: threading.Event
) -> None:
    """One implementation through its cases that the journal does not have."""
    own, before = journal.plan.own_cases(), journal.hellos.get(name)
    listener.started(name, len(own))
    if journal.missing(name) or changed(before.code):  # else it was finished before, and needs no worker any more
        supervisor = Supervisor(name, options, stop)
        try:
            _begin(supervisor, journal, listener)
            missing = journal.missing(name)
            _tell(listener, journal, name, [case for case in own if case not in missing])
            for case in missing:
                journal.put(name, _result(supervisor, options.golden.cases[case], known, listener))
        except Stopped:
            return
        finally:
            supervisor.close()
    else:
        _tell(listener, journal, name, own)
    listener.finished(judged_of(journal, name))


def _tell(listener, journal, name, cases):
    """What an earlier run has judged."""
    for case in cases:
        listener.judged(name, case, list(journal.results[name][case].verdicts))


def _begin(supervisor, journal, listener):
    """Hear who it is. Results of another state of it are forgotten and judged again; where it cannot be loaded any
    more they are kept, and the cases that are left have crashed."""
    name = supervisor.name
    hello, before = supervisor.open(), journal.hellos.get(name)
    if before and hello.problem and not before.problem:
        supervisor.hello = replace(hello, problem="LoadFailed", text=f"it could be loaded before: {hello.text}")
        return
    count = len(journal.results[name])
    other = journal.put_hello(name, hello)
    if other:
        listener.noted(name, f"it is not what it was ({other}): its {count} results from before are judged again")
    _take_up(supervisor, list(journal.results[name].values()))


def _take_up(supervisor, results):
    """The supervisor's retry_budget as it was after the last result of an interrupted run."""
    if results:
        supervisor.retry_budget = RetryBudget(*results[-1].retry_budget)


def _result(supervisor, case, known, listener):
    verdicts, observation = judge_case(supervisor, case, known)
    listener.judged(supervisor.name, case.id, verdicts)
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
    """Whether diagnosis wants the observation: something failed, or its passing refutes wrong names cheaply. Of large
    cases and laws it reads none."""
    if case.large or case.law:
        return False
    wanted = FAILED if not case.quick else (*FAILED, "pass")
    return any(verdict.status in wanted for verdict in verdicts)


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
    """The way of one case: asked of the supervisor, compared, held against what is known.

    Where it was asked a second time, that answer is judged like the first; the observation is that of the worse.
    """
    observation = supervisor.observe(case, twice=case.id in asked_twice(supervisor.options.golden))
    started, again = time.perf_counter(), observation.again
    verdicts = _held(supervisor, observation, case, known)
    told = replace(observation, again=None)
    if again is not None and (worse := _worse(verdicts, _held(supervisor, again, case, known))):
        verdicts = [worse.pop(v.output, v) for v in verdicts] + list(worse.values())
        told = replace(again, differing=observation.differing)
    if supervisor.lost_between:
        verdicts.append(_lost_between(supervisor.name, case, supervisor.lost_between))
    for one in filter(None, (observation, again)):
        supervisor.seconds["compile"] += one.compiling
        supervisor.seconds["run"] += one.seconds - one.compiling
    supervisor.seconds["compare"] += time.perf_counter() - started
    return verdicts, told


def _held(supervisor, observation, case, known):
    """Verdicts on an observation."""
    conventions = supervisor.hello.conventions or UNKNOWN
    try:
        verdicts = judge(supervisor.name, observation, case, supervisor.options.golden, conventions)
    except GoldenError:
        raise
    except Exception as error:  # a declaration that does not fit, or an error of this suite: seen, and the run goes on
        text = f"it could not be judged: {type(error).__name__}: {clean(error)}"
        verdicts = [
            Verdict(supervisor.name, case.id, output, "crashed", kind="unjudged", message=text)
            for output in case.outputs()
        ]
    asked = [verdict for verdict in verdicts if within(case, verdict.output, supervisor.options.level)]
    return known_differences.apply(asked, known, supervisor.hello.version, supervisor.options.device)


def _worse(first, second):
    """Output -> verdict on the second answer, of the outputs that fail only then."""
    failed = {verdict.output for verdict in first if verdict.status in FAILED}
    lost = [verdict for verdict in second if verdict.status in FAILED and verdict.output not in failed]
    return {verdict.output: replace(verdict, message=AGAIN + verdict.message) for verdict in lost}


def _lost_between(name, case, failure):
    text = f"{failure.text} (after it had answered the case before this one)"
    return Verdict(name, case.id, "worker", "crashed", kind=f"died:{failure.what}", message=text)


@lru_cache(maxsize=4)
def asked_twice(golden: Golden) -> frozenset[str]:
    """The first quick case of each family: is all right, and are the bits the same, when it is done again, on a new
    layer?"""
    first = {}
    for case in golden.cases.values():
        if case.quick and not case.raises:
            first.setdefault(case.family, case.id)
    return frozenset(first.values())
