"""The journal: results on disk as they come, so that an interrupted run goes on, and parts of a run are put together.

One JSON object a line, `{"crc": ..., "record": ...}` with the CRC-32 of the record's text. The first record is the
`Plan`: what is judged, by which suite, under which options. Then, in any order, `hello` (what a worker said of itself;
one that differs from an earlier one begins that implementation anew) and `case` (the verdicts of one case; where one
failed also the observation, which diagnosis needs). Each line is written at once and reaches the disk within a second;
what a crash leaves behind the last whole line is cut off when the journal is taken up again.
"""

import base64
import binascii
import fcntl
import json
import os
import stat
import threading
import time
import zlib
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..records import Observation, Verdict
from ..schema import SchemaError, read
from ..text import line
from .plan import Plan
from .process import Hello
from .wire import PREFIX, WireError, pack_observation, unpack, unpack_observation

SCHEMA = "bnconform-journal/1"
SYNC = 1.0  # seconds between two fsyncs: a line costs milliseconds, a run has thousands
LINE = 1 << 28  # bytes of a line, at most


class JournalError(Exception):
    """A journal cannot be used as asked; one clear line."""


class JournalFull(JournalError):
    """The journal cannot be written any more; the text says why, and what is in it."""


@dataclass(frozen=True)
class Result:
    """One case of one implementation. retry_budget: the supervisor's after it. seconds: spent on it, by activity.
    differing: as observed."""

    case: str
    verdicts: tuple[Verdict, ...]
    observation: Observation | None = None
    retry_budget: tuple[int, int] = (0, 0)
    seconds: Mapping[str, float] = field(default_factory=dict)
    differing: tuple[str, ...] | None = None

    def to_json(self) -> dict:
        frame = self.observation and base64.b64encode(pack_observation(self.observation)).decode()
        others = {key: getattr(self, key) for key in ("case", "retry_budget", "seconds", "differing")}
        return others | {"verdicts": [verdict.to_json() for verdict in self.verdicts], "observation": frame}

    @classmethod
    def from_json(cls, fields: dict) -> "Result":
        """Inverse of `to_json`. Errors: SchemaError, WireError, ValueError, KeyError."""
        verdicts = tuple(map(Verdict.from_json, fields.pop("verdicts")))
        frame = fields.pop("observation")
        observation = frame and _observation(base64.b64decode(frame, validate=True))
        return read(_Rest, fields, "a result").result(verdicts, observation)


@dataclass(frozen=True)
class _Rest:
    """What a result has beside its verdicts and its observation, which have readers of their own."""

    case: str
    retry_budget: tuple[int, int]
    seconds: Mapping[str, float]
    differing: tuple[str, ...] | None

    def result(self, verdicts, observation):
        return Result(self.case, verdicts, observation, self.retry_budget, dict(self.seconds), self.differing)


def _observation(frame):
    fields, arrays = unpack(frame[: PREFIX.size], frame[PREFIX.size :])
    return unpack_observation(fields, arrays, arrays)


class Journal:
    """What is known of a run so far, in memory, and on disk where a path is given.

    hellos: implementation -> Hello. results: implementation -> case id -> Result, in the order they came.
    """

    def __init__(self, plan: Plan):
        self.plan, self.hellos, self.results = plan, {}, {name: {} for name in plan.implementations}
        self.path = self.file = self.broken = None
        self.lock, self.synced = threading.Lock(), 0.0

    @classmethod
    def create(cls, plan: Plan, path: Path | None) -> "Journal":
        """An empty journal; at `path` it replaces an earlier one. Errors: JournalError if something else lies there."""
        journal = cls(plan)
        if path is not None:
            journal._open(path)
            if not _is_ours(path):
                journal.close()
                raise JournalError(f"{path} is there and is no journal of a run: it is not replaced")
            os.ftruncate(journal.file, 0)
            journal._write({"schema": SCHEMA, "plan": asdict(plan)})
        return journal

    @classmethod
    def resume(cls, plan: Plan, path: Path) -> "Journal":
        """The journal at `path`, to be continued. Errors: JournalError if it is of another run."""
        journal, whole = cls.read(path)
        difference = plan.difference(journal.plan)
        if difference:
            raise JournalError(f"{path} is the journal of another run: {difference}")
        journal._open(path)
        os.ftruncate(journal.file, whole)
        return journal

    @classmethod
    def read(cls, path: Path) -> tuple["Journal", int]:
        """What a journal holds, and the length of its whole lines in bytes; it stays untouched."""
        journal, whole = None, 0
        try:
            for record, size in _records(path):
                if journal is None:
                    if record.get("schema") != SCHEMA:
                        break
                    journal = cls(read(Plan, record["plan"], "the plan"))
                else:
                    journal._take(record)
                whole += size
        except OSError as error:
            raise JournalError(f"cannot read {path}: {error.strerror}") from None
        except (SchemaError, WireError, KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
            raise JournalError(f"{path} holds a record that cannot be read: {line(repr(error), 300)}") from None
        if journal is None:
            raise JournalError(f"{path} is no journal of a run (expected {SCHEMA} in its first line)")
        return journal, whole

    def _take(self, record):
        name = record["implementation"]
        if "hello" in record:
            self._begin(name, read(Hello, record["hello"], "a hello"))
        else:
            result = Result.from_json(record["result"])
            if result.case not in self.plan.own_cases():
                raise SchemaError(f"case {result.case[:80]!r} is not in its plan")
            self.results[name][result.case] = result

    def _begin(self, implementation, hello):
        self.hellos[implementation], self.results[implementation] = hello, {}

    def put_hello(self, implementation: str, hello: Hello) -> str | None:
        """Keep what a worker said of itself. Where another state of it spoke before, what that gave is forgotten, and
        the difference returned. Errors: JournalFull."""
        before = self.hellos.get(implementation)
        difference = before and before.difference(hello)
        if before is None or difference:
            self._write({"implementation": implementation, "hello": asdict(hello)})
            self._begin(implementation, hello)
        return difference

    def put(self, implementation: str, result: Result) -> None:
        """Keep the result of a case. Errors: JournalFull."""
        self._write({"implementation": implementation, "result": result.to_json()})
        self.results[implementation][result.case] = result  # after it was written: what is counted is on disk

    def missing(self, implementation: str) -> list[str]:
        """Ids of the shard's cases that have no result yet."""
        return [case for case in self.plan.own_cases() if case not in self.results[implementation]]

    def seconds(self, implementation: str) -> dict[str, float]:
        """Seconds by activity, over all results."""
        total = Counter()
        for result in self.results[implementation].values():
            total.update(result.seconds)
        return dict(total)

    def count(self) -> int:
        """Results it has."""
        return sum(map(len, self.results.values()))

    @property
    def on_disk(self) -> bool:
        """Whether what was written still lies at the path: somebody may have removed it meanwhile."""
        return self.file is not None and _same(self.file, self.path)

    def remove(self) -> None:
        """Take it from the disk, while it is still this run's own."""
        if self.on_disk:
            with suppress(OSError):
                os.unlink(self.path)

    def close(self) -> None:
        """Give up the lock: from here on the path may be another run's."""
        if self.file is not None:
            os.close(self.file)
            self.file = None

    def _open(self, path):
        self.path = Path(path)
        try:
            while self.file is None:
                self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK, 0o644)
                if not stat.S_ISREG(os.fstat(self.file).st_mode):
                    raise JournalError(f"cannot write the journal {path}: it is no regular file")
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not _same(self.file, path):  # its last owner removed it just then
                    self.close()
        except BlockingIOError:
            self.close()
            raise JournalError(f"another run is writing {path}") from None
        except JournalError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise JournalError(f"cannot write the journal {path}: {error.strerror}") from None

    def _write(self, record):
        """One whole line or none: what a full disk took of it is taken back."""
        with self.lock:
            if self.broken:
                raise JournalFull(self.broken)
            if self.file is None:
                return
            line = memoryview(_line(record))
            end = os.fstat(self.file).st_size
            try:
                while line:
                    line = line[os.write(self.file, line) :]
                if time.monotonic() > self.synced + SYNC:
                    os.fsync(self.file)
                    self.synced = time.monotonic()
            except OSError as error:
                with suppress(OSError):
                    os.ftruncate(self.file, end)
                self.broken = f"cannot write the journal {self.path}: {error.strerror}"
                raise JournalFull(self.broken) from None


def _same(file, path):
    try:
        here = os.stat(path)
    except OSError:
        return False
    return os.path.samestat(here, os.fstat(file))


def _is_ours(path):
    """Whether a file is empty or begins as a journal does."""
    with open(path, "rb") as stream:
        head = stream.read(200)
    return not head or (head.startswith(b'{"crc": ') and SCHEMA.encode() in head)


def _line(record) -> bytes:
    text = json.dumps(record, allow_nan=False)
    return f'{{"crc": {zlib.crc32(text.encode())}, "record": {text}}}\n'.encode()


def _records(path) -> Any:
    """(record, its bytes) up to the first line that is not whole."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(0, "it is no regular file")
        while (line := stream.readline(LINE)).endswith(b"\n"):
            try:
                fields = json.loads(line)
                if _line(fields["record"]) != line or not isinstance(fields["record"], dict):
                    return
            except (ValueError, KeyError, TypeError, RecursionError):
                return
            yield fields["record"], len(line)
