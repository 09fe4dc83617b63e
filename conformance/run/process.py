"""A handle on one worker process: ask it for a case, survive whatever it does."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field

from bnconform.backends.contract import Conventions

from ..records import Case, Failure, Observation
from .family import MARK, Family, end_group, end_marked
from .wire import PREFIX, WireError, lengths, pack_problem, unpack, unpack_observation

TICK = 0.1  # seconds between looks at memory, time and the stop sign
TAIL = 8000  # characters kept of what it prints
WORDS = 6  # lines of it that a failure tells
GIB = 1 << 30


# problems that are nobody's failure, as the table says them: nothing is there to be judged
ABSENT = {"NotInstalled": "not installed", "NoDevice": "no such device"}


class WorkerLost(Exception):
    """The worker gave no answer: `failure` says why. It must be stopped and started anew."""

    def __init__(self, kind: str, what: str, text: str):
        super().__init__(text)
        self.failure = Failure(kind, what, text)


class Stopped(Exception):
    """The run is to end; nothing is said about the case that was asked."""


@dataclass(frozen=True)
class Hello:
    """What a worker says of itself: version, conventions and settings, or the problem that keeps it from working."""

    version: str = ""
    conventions: Conventions | None = None
    seconds: float = 0.0
    problem: str = ""
    text: str = ""
    settings: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, fields: dict) -> "Hello":
        """From plain data, where JSON has turned the conventions' tuples into lists."""
        conventions = fields.get("conventions")
        if conventions:
            plain = {key: tuple(value) if isinstance(value, list) else value for key, value in conventions.items()}
            fields = fields | {"conventions": Conventions(**plain)}
        return cls(**fields)


class Worker:
    """One process judging one implementation. `start`, `ask` as often as wanted, `stop`.

    memory: GiB that it and the processes it starts may occupy. stop: when set, waiting ends with Stopped.
    """

    def __init__(self, implementation, device, *, memory=8.0, start_timeout=180.0, stop=None):
        self.implementation, self.device = implementation, device
        self.memory, self.start_timeout = memory, start_timeout
        self.stopping = stop or threading.Event()
        self.mark, self.said, self.process = uuid.uuid4().hex, bytearray(), None

    def start(self) -> Hello:
        """Launch the process and wait for its first frame. Errors: WorkerLost, Stopped."""
        self.pipe, results = os.pipe()
        self.noise, prints = os.pipe()
        os.set_blocking(self.noise, False)
        command = [
            sys.executable,
            "-m",
            "bnconform.conformance.run.worker",
            self.implementation,
            self.device,
            str(results),
        ]
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=prints,
                stderr=prints,
                pass_fds=[results],
                start_new_session=True,
                env=_environment() | {MARK: self.mark},
            )
        finally:
            os.close(results)
            os.close(prints)
        os.set_blocking(self.process.stdin.fileno(), False)
        self.family = Family(self.process.pid)
        return Hello.from_json(self._frame(self.start_timeout)[0])

    def ask(self, case_id: str, timeout: float) -> Observation:
        """The observation of one golden case. Errors: WorkerLost, Stopped."""
        return self._answer(f"{case_id}\n".encode(), case_id, timeout)

    def pose(self, case: Case, tensors: dict, timeout: float, *, twice=False) -> Observation:
        """The observation of a problem that no golden file holds: its tensors travel with it.

        tensors: inputs by name, as `Golden.inputs` gives them. twice: asked again on a new layer, and
        `Observation.differing` says whether all bits were the same. Errors: WorkerLost, Stopped.
        """
        return self._answer(pack_problem(case, tensors, twice), case.id, timeout)

    def _answer(self, question, case_id, timeout):
        try:
            self._write(question, timeout)
            observation = unpack_observation(*self._frame(timeout))
        except OSError:
            raise self._lost() from None
        except WireError as error:
            raise WorkerLost("garbage", "pipe", str(error)) from None
        if observation.case != case_id:
            raise WorkerLost("garbage", "pipe", f"it answered {observation.case}, asked for {case_id}")
        self._check_memory()  # also where it was too quick to be watched: what leaks stays
        return observation

    def _write(self, question, timeout):
        """A problem may be larger than the pipe: a worker that does not read must not stop us for ever."""
        pipe, left, deadline = self.process.stdin.fileno(), memoryview(question), time.monotonic() + timeout
        while left:
            heard, open_, _ = select.select([self.noise], [pipe], [], TICK)
            if heard and not self._listen():
                time.sleep(TICK / 10)
            if open_:
                left = left[os.write(pipe, left) :]
            elif self.stopping.is_set():
                raise Stopped
            elif time.monotonic() > deadline:
                raise WorkerLost("timed out", "", f"the question was not read within {timeout:g} s (--timeout)")

    def lost_meanwhile(self) -> Failure | None:
        """Why it is gone, if it died while nothing was asked of it."""
        return None if self.process.poll() is None else self._lost().failure

    def stop(self) -> None:
        """End the process and everything it started."""
        if self.process is None:
            return
        end_group(self.process.pid)
        end_marked(self.mark)
        self.process.wait()
        self.process.stdin.close()
        os.close(self.pipe)
        os.close(self.noise)
        self.process = None

    def _frame(self, timeout):
        deadline = time.monotonic() + timeout
        try:
            prefix = self._read(PREFIX.size, deadline, timeout)
            return unpack(prefix, self._read(lengths(prefix), deadline, timeout))
        except WireError as error:
            raise WorkerLost("garbage", "pipe", f"{error}{self._last_words()}") from None

    def _read(self, size, deadline, timeout):
        parts = bytearray()
        while len(parts) < size:
            if not self._ready(deadline):
                raise WorkerLost("timed out", "", f"no answer within {timeout:g} s (--timeout){self._whereabouts()}")
            chunk = os.read(self.pipe, min(1 << 20, size - len(parts)))
            if not chunk:
                raise self._lost()
            parts += chunk
        return bytes(parts)

    def _ready(self, deadline):
        """Whether a result can be read before the deadline; listens, and looks after memory, meanwhile."""
        look = time.monotonic() + TICK
        while True:
            heard = select.select([self.pipe, self.noise], [], [], TICK)[0]
            if self.noise in heard and not self._listen():
                time.sleep(TICK / 10)  # it closed its output, which therefore is always ready
            if self.pipe in heard:
                return True
            if self.stopping.is_set():
                raise Stopped
            now = time.monotonic()
            if now > deadline:
                return False
            if now > look:
                self._check_memory()
                look = now + TICK

    def _listen(self):
        """Take in what it printed, and keep the end of it. False where its output is closed."""
        try:
            heard = os.read(self.noise, 1 << 16)
        except BlockingIOError:
            return True
        self.said = (self.said + heard)[-TAIL:]
        return bool(heard)

    def _check_memory(self):
        if self.family.resident() > self.memory * GIB:
            raise WorkerLost(
                "died",
                "memory limit",
                f"it occupied more than the {self.memory:g} GiB allowed (--memory){self._last_words()}",
            )

    def _lost(self) -> WorkerLost:
        """Why the process is gone: its signal or exit status, and the last it said."""
        try:
            status = self.process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return WorkerLost("died", "pipe", f"it closed its result pipe and lives on{self._last_words()}")
        if status < 0:
            name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
            return WorkerLost("died", name, f"killed by {name}{self._last_words()}")
        return WorkerLost("died", f"exit {status}", f"exited with status {status}{self._last_words()}")

    def _whereabouts(self) -> str:
        """What it is at: the worker prints its Python stack when it gets SIGUSR1."""
        self.process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline and b"worker.py" not in self.said:
            if select.select([self.noise], [], [], TICK)[0] and not self._listen():
                break
        return self._last_words()

    def _last_words(self) -> str:
        """The end of what it printed; where that is a stack, its innermost lines and what was printed just before."""
        for _ in range(64):  # some megabytes: it may print without end
            if not (select.select([self.noise], [], [], 0)[0] and self._listen()):
                break
        lines = [line.strip() for line in self.said.decode(errors="replace").splitlines() if line.strip(" ^~")]
        stacks = [i for i, line in enumerate(lines) if "most recent call first" in line]
        start = max(0, stacks[-1] - WORDS // 2) if stacks else -WORDS
        last = [line for line in lines[start:] if "most recent call first" not in line][:WORDS]
        return "; it last said: " + " | ".join(last) if last else ""


def _environment() -> dict[str, str]:
    """One thread a worker (both cores are busy with workers), and quiet frameworks."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0", "PYTHONUNBUFFERED": "1"}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {**quiet, **threads, **os.environ}
