"""A handle on one worker process: ask it for a case, survive whatever it does."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from bnconform.backends.contract import Conventions

from ..records import Case, Failure, Observation
from ..text import clean
from .family import MARK, Family, end_group, end_marked
from .wire import (
    HEADER,
    PREFIX,
    Question,
    WireError,
    lengths,
    pack,
    pack_question,
    read_fields,
    unpack,
    unpack_observation,
)

TICK = 0.1  # seconds between looks at memory, time and the stop sign
TAIL = 8000  # characters kept of what it prints
END = 12.0  # seconds that the end of a worker and of all that it started may take
WORDS = 6  # lines of it that a failure tells
GIB = 1 << 30
AGAIN = "asked a second time: "


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
    """What a worker says of itself: version, conventions and settings, or the problem that keeps it from working.

    code: module name -> hash of its file (`code.code_of`). compiles: it compiles for every shape. script: how its
    framework is called by hand (`search.script`).
    """

    version: str = ""
    conventions: Conventions | None = None
    seconds: float = 0.0
    problem: str = ""
    text: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)
    compiles: bool = False
    script: Mapping[str, str] = field(default_factory=dict)

    def difference(self, other: "Hello") -> str | None:
        """What tells another state of the implementation from this one, in words; None where both are the same."""
        if self.problem or other.problem:
            same = self.problem == other.problem
            return None if same else f"{other.problem or other.version}, before {self.problem or self.version}"
        if self.version != other.version:
            return f"version {other.version}, before {self.version}"
        if self.conventions != other.conventions:
            return "it declares other conventions"
        for what in ("settings", "code"):
            mine, theirs = getattr(self, what), getattr(other, what)
            names = sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))
            if names:
                return f"other {what}: {', '.join(names[:3])}{' …' if len(names) > 3 else ''}"
        return None


class Worker:
    """One process judging one implementation. `start`, `ask` as often as wanted, `stop`.

    memory: GiB that it and the processes it starts may occupy. stop: when set, waiting ends with Stopped. environment:
    variables that differ from those of a run.
    """

    def __init__(self, implementation, device, *, memory=8.0, start_timeout=180.0, stop=None, environment=None):
        self.implementation, self.device = implementation, device
        self.memory, self.start_timeout, self.environment = memory, start_timeout, environment or {}
        self.stopping = stop or threading.Event()
        self.mark, self.said, self.process = uuid.uuid4().hex, bytearray(), None

    def start(self) -> Hello:
        """Launch the process and wait for its first frame. Errors: WorkerLost, Stopped."""
        self.pipe, results = os.pipe()
        self.noise, prints = os.pipe()
        os.set_blocking(self.noise, False)
        command = [
            sys.executable,
            "-P",  # the current folder comes last on its path (`worker.main`)
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
                env=_environment() | self.environment | {MARK: self.mark},
            )
        finally:
            os.close(results)
            os.close(prints)
        os.set_blocking(self.process.stdin.fileno(), False)
        self.family = Family(self.process.pid)
        try:
            fields, _ = self._frame(self.start_timeout, HEADER)
            fields.pop("arrays", None)
            hello = read_fields(Hello, fields, "what it says of itself")
            if not (hello.conventions or hello.problem):
                raise WireError("it says neither what it declares nor what its problem is")
            return hello
        except WireError as error:
            raise WorkerLost("garbage", "pipe", f"{error}{self._last_words()}") from None

    def pose(self, case: Case, tensors: Mapping, timeout: float, *, twice=False, **words) -> Observation:
        """The observation of a problem.

        tensors: inputs by name, as `Golden.inputs` gives them; they travel with it. timeout: seconds that an answer may
        take. twice: asked again on a new layer, which gives `Observation.again` and `Observation.differing`. words:
        `Question`'s. Errors: WorkerLost, Stopped.
        """
        question = Question(case, tensors, **words)
        first = self._ask(question, timeout)
        if not twice or first.failure is not None:
            return first
        try:
            again = self._ask(question, timeout)
        except WorkerLost as lost:
            raise WorkerLost(lost.failure.kind, lost.failure.what, f"{AGAIN}{lost.failure.text}") from None
        return replace(first, again=again, differing=differing(first.outputs, again.outputs))

    def bench(self, do: str, timeout: float, **words) -> dict:
        """What `bench.timing` answers to a question. Errors: WorkerLost, Stopped."""
        try:
            self._write(pack({"bench": {"do": do} | words}), timeout)
            return self._frame(timeout, HEADER)[0]
        except OSError:
            raise self._lost() from None
        except WireError as error:
            raise WorkerLost("garbage", "pipe", f"{error}{self._last_words()}") from None

    def _ask(self, question, timeout):
        try:
            self._write(pack_question(question), timeout)
            header, arrays = self._frame(timeout, question.most)
            observation = unpack_observation(header, arrays, question.outputs)
        except OSError:
            raise self._lost() from None
        except WireError as error:
            raise WorkerLost("garbage", "pipe", f"{error}{self._last_words()}") from None
        if observation.case != question.case.id:
            raise WorkerLost(
                "garbage", "pipe", f"it answered {observation.case[:80]!r}, asked for {question.case.id!r}"
            )
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
        with suppress(OSError):
            self.process.stdin.close()  # its nurse hears that, and ends all
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(END)
        end_group(self.process.pid)  # where a backend has killed its nurse, or the system knows no subreaper
        end_marked(self.mark)
        self.process.wait()
        os.close(self.pipe)
        os.close(self.noise)
        self.process = None

    def _frame(self, timeout, most):
        """The next frame of at most `most` bytes. Errors: WireError, WorkerLost, Stopped."""
        deadline = time.monotonic() + timeout
        prefix = self._read(PREFIX.size, deadline, timeout)
        return unpack(prefix, self._read(lengths(prefix, most), deadline, timeout))

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
            status = self.process.wait(timeout=END)
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
        return clean("; it last said: " + " | ".join(last)) if last else ""


def differing(outputs: Mapping, again: Mapping) -> tuple[str, ...]:
    """Names of the outputs that have other bits, or are missing, in one of the two."""
    same = [name for name in outputs.keys() & again.keys() if outputs[name].tobytes() == again[name].tobytes()]
    return tuple(sorted((outputs.keys() | again.keys()) - set(same)))


def _environment() -> dict[str, str]:
    """One thread a worker (both cores are busy with workers), and quiet frameworks."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0", "PYTHONUNBUFFERED": "1"}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {**quiet, **threads, **os.environ}
