"""A handle on one worker process: ask it for a case, survive whatever it does."""

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from bnconform.backends.contract import Conventions

from .records import Failure, Observation
from .wire import LIMIT, PREFIX, WireError, unpack, unpack_observation

TICK = 0.2  # seconds between looks at whether the process still lives
TAIL = 2000  # characters of its stderr kept


class WorkerLost(Exception):
    """The worker gave no answer: `failure` says why."""

    def __init__(self, failure: Failure):
        super().__init__(failure.text)
        self.failure = failure


@dataclass(frozen=True)
class Hello:
    """What a worker says of itself: version and conventions, or the problem that keeps it from working."""

    version: str = ""
    conventions: Conventions | None = None
    seconds: float = 0.0
    problem: str = ""
    text: str = ""


class Worker:
    """One process judging one implementation. `start`, `ask` as often as wanted, `stop`."""

    def __init__(self, implementation: str, device: str, *, start_timeout: float = 180.0):
        self.implementation, self.device, self.start_timeout = implementation, device, start_timeout
        self.process = self.pipe = self.noise = None

    def start(self) -> Hello:
        """Launch the process and wait for its first frame. Errors: WorkerLost."""
        read_end, write_end = os.pipe()
        self.noise = tempfile.TemporaryFile()
        command = [sys.executable, "-m", "bnconform.conformance.worker", self.implementation, self.device, str(write_end)]
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=self.noise,
                stderr=self.noise,
                pass_fds=[write_end],
                start_new_session=True,
                env=_environment(),
            )
        finally:
            os.close(write_end)
        self.pipe = read_end
        fields, _ = self._frame(self.start_timeout)
        if "conventions" in fields:
            fields["conventions"] = _conventions(fields["conventions"])
        return Hello(**fields)

    def ask(self, case_id: str, timeout: float) -> Observation:
        """The observation of one case. Errors: WorkerLost after which the worker must be started anew."""
        try:
            self.process.stdin.write(f"{case_id}\n".encode())
            self.process.stdin.flush()
        except OSError:
            raise self._lost() from None
        return unpack_observation(*self._frame(timeout))

    def stop(self) -> None:
        """End the process and everything it started."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process.stdin.close()
        os.close(self.pipe)
        self.noise.close()
        self.process = None

    def _frame(self, timeout):
        deadline = time.monotonic() + timeout
        header_size, data_size = PREFIX.unpack(self._read(PREFIX.size, deadline))
        if header_size + data_size > LIMIT:
            raise WorkerLost(Failure("garbage", "frame", f"a result of {header_size + data_size} bytes, expected at most {LIMIT}"))
        header = self._read(header_size, deadline)
        try:
            return unpack(header, self._read(data_size, deadline))
        except WireError as error:
            raise WorkerLost(Failure("garbage", "frame", str(error))) from None

    def _read(self, size, deadline):
        parts = bytearray()
        while len(parts) < size:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise WorkerLost(Failure("timed out", "", f"no answer in time{self._last_words()}"))
            ready, _, _ = select.select([self.pipe], [], [], min(TICK, remaining))
            if ready:
                chunk = os.read(self.pipe, min(1 << 20, size - len(parts)))
                if not chunk:
                    raise self._lost()
                parts += chunk
            elif self.process.poll() is not None:
                raise self._lost()
        return bytes(parts)

    def _lost(self) -> WorkerLost:
        """Why the process is gone: its signal or exit status, and the last it said."""
        try:
            status = self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return WorkerLost(Failure("died", "pipe", f"it closed its result pipe and lives on{self._last_words()}"))
        if status < 0:
            name = signal.Signals(-status).name
            return WorkerLost(Failure("died", name, f"killed by {name}{self._last_words()}"))
        return WorkerLost(Failure("died", f"exit {status}", f"exited with status {status}{self._last_words()}"))

    def _last_words(self) -> str:
        size = self.noise.seek(0, os.SEEK_END)
        self.noise.seek(max(0, size - TAIL))
        lines = self.noise.read().decode(errors="replace").strip().splitlines()[-6:]
        return "; it last said: " + " | ".join(lines) if lines else ""


def _conventions(fields: dict) -> Conventions:
    """Conventions as they were before JSON turned tuples into lists."""
    return Conventions(**{key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()})


def _environment() -> dict[str, str]:
    """One thread a worker (both cores are busy with workers), and quiet frameworks."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0", "PYTHONUNBUFFERED": "1"}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {**quiet, **threads, **os.environ}
