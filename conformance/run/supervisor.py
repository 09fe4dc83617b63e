"""The supervisor: keeps one worker alive, and says for each case what came of it."""

import threading
import time
from dataclasses import dataclass

from ..records import Failure, Observation
from .process import ABSENT, Hello, Worker, WorkerLost

ACTIVITIES = ("start", "compile", "run", "compare")  # where time goes; "start" is the process and its imports


@dataclass
class RetryBudget:
    """When a backend that loses its workers is given up: so much trouble in a row, or in all.

    A death costs 1, a time limit 2, because it was waited for. A backend that dies on every case is given up after six
    starts; one that hangs on every case after three time limits.
    """

    in_a_row: int = 0
    in_all: int = 0

    MOST_IN_A_ROW = 6
    MOST_IN_ALL = 40

    def lose(self, failure: Failure) -> None:
        cost = 2 if failure.kind == "timed out" else 1
        self.in_a_row += cost
        self.in_all += cost

    def give_up(self) -> None:
        self.in_all = self.MOST_IN_ALL

    @property
    def gone(self) -> bool:
        return self.in_a_row >= self.MOST_IN_A_ROW or self.in_all >= self.MOST_IN_ALL


class Supervisor:
    """Observes cases of one implementation, its worker replaced whenever it is lost.

    options: `run.Options`. stop: when set, waiting ends with `process.Stopped`.
    """

    def __init__(self, name: str, options, stop: threading.Event | None = None):
        self.name, self.options, self.stop = name, options, stop
        self.worker, self.hello, self.retry_budget = None, Hello(), RetryBudget()
        self.take_seconds()
        self.lost_between = None  # how a worker was lost between two cases: told with the next one

    def take_seconds(self) -> dict[str, float]:
        """Seconds by activity since the last call: starting (imports included), compiling, running, comparing."""
        taken = getattr(self, "seconds", {})
        self.seconds = dict.fromkeys(ACTIVITIES, 0.0)
        return taken

    def open(self) -> Hello:
        """Start the worker and hear who it is."""
        self.hello = self._start()
        return self.hello

    def _start(self) -> Hello:
        started = time.perf_counter()
        self.worker = Worker(self.name, self.options.device, memory=self.options.memory, stop=self.stop)
        try:
            return self.worker.start()
        except WorkerLost as lost:
            self.close()
            if lost.failure.kind == "timed out":
                self.retry_budget.give_up()  # a start that hangs is waited for once
            return Hello(problem="LoadFailed", text=lost.failure.text)
        except BaseException:
            self.close()
            raise
        finally:
            self.seconds["start"] += time.perf_counter() - started

    def observe(self, case, tensors=None, *, twice=False, **words) -> Observation:
        """What the implementation gives for a case, or why it gives nothing.

        tensors, twice, words: as of `Worker.pose`; the golden inputs of the case where no tensors are given. Errors:
        process.Stopped, GoldenError.
        """
        self.lost_between = None
        failure = self._refusal() or self._ready()
        if failure:
            return Observation(case.id, {}, failure=failure)
        if tensors is None:
            tensors = self.options.golden.inputs(case)
        started = time.perf_counter()
        try:
            observation = self.worker.pose(case, tensors, self.options.timeout, twice=twice, **words)
            self.retry_budget.in_a_row = 0
            return observation
        except WorkerLost as lost:
            self._lose(lost.failure)
            return Observation(case.id, {}, failure=lost.failure, seconds=time.perf_counter() - started)

    def _refusal(self):
        """Why the case is not tried at all."""
        if self.hello.problem in ABSENT:
            return Failure("unsupported", "", self.hello.text)
        if self.hello.problem:
            return Failure("died", "load", self.hello.text)
        if self.retry_budget.gone:
            return Failure("died", "given up", "not tried: too many workers were lost before")
        return None

    def _ready(self):
        """None once a worker waits for a question; else why none does."""
        gone = self.worker and self.worker.lost_meanwhile()
        if gone:
            self.lost_between = gone
            self._lose(gone)
        if self.worker is None:
            hello = self._start()
            other = self.hello.difference(hello)
            if hello.problem or other:
                text = hello.text or f"it is not what it was: {other}"
                failure = Failure("died", "load", f"the worker could not be started again: {text}")
                self._lose(failure)
                return failure
        return None

    def _lose(self, failure):
        self.retry_budget.lose(failure)
        self.close()

    def close(self) -> None:
        """End the worker, if there is one."""
        if self.worker is not None:
            self.worker.stop()
            self.worker = None
