"""The journal: results on disk as they come, so that an interrupted run goes on, and parts of a run are put together.

One JSON object a line, `{"crc": ..., "record": ...}` with the CRC-32 of the record's text. The first record is the
`Plan`:
what is judged, by which suite, under which options. Then, in any order, `hello` (what a worker said of itself) and
`case` (the verdicts of one case; where one failed also the observation, which diagnosis needs). Each line is written at
once and reaches the disk within a second; what a crash leaves behind the last whole line is cut off when the journal is
taken up again.
"""

import base64
import fcntl
import json
import os
import threading
import time
import zlib
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..records import Observation, Verdict
from .process import Hello
from .wire import PREFIX, pack_observation, unpack, unpack_observation

SCHEMA = "bnconform-journal/1"
SYNC = 1.0  # seconds between two fsyncs: a line costs milliseconds, a run has thousands


class JournalError(Exception):
    """A journal cannot be used as asked; one clear line."""


class JournalFull(JournalError):
    """The journal cannot be written any more; the text says why, and what is in it."""


@dataclass(frozen=True)
class Plan:
    """What a journal is the journal of. Two with equal plans (but for the shard) belong to one run.

    suite, golden: version and hash of what judges. cases: ids of all shards, in order. known: SHA-256 of each file of
    known differences. shard: (i, n), 1 <= i <= n. named: whether the implementations were asked for by name.
    """

    suite: str
    golden: str
    cases: tuple[str, ...]
    implementations: tuple[str, ...]
    device: str = "cpu"
    timeout: float = 60.0
    memory: float = 8.0
    known: tuple[str, ...] = ()
    shard: tuple[int, int] = (1, 1)
    named: bool = True

    @classmethod
    def from_json(cls, fields: dict) -> "Plan":
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()})

    def own_cases(self) -> tuple[str, ...]:
        """Those of the shard: every n-th, so that shards are alike in kind and weight."""
        number, of = self.shard
        return self.cases[number - 1 :: of]

    def difference(self, other: "Plan", apart: tuple[str, ...] = ()) -> str | None:
        """The first field in which another plan differs, in words."""
        for name, mine in asdict(self).items():
            theirs = getattr(other, name)
            if mine != theirs and name not in apart:
                return f"{name}: {_short(theirs)}, expected {_short(mine)}"
        return None


def _short(value):
    return f"{len(value)} of them" if isinstance(value, tuple) and len(value) > 12 else str(value)[:80]


@dataclass(frozen=True)
class Result:
    """One case of one implementation. retry_budget: the supervisor's after it. seconds: spent on it, by activity.
    differing: as observed."""

    case: str
    verdicts: tuple[Verdict, ...]
    observation: Observation | None = None
    retry_budget: tuple[int, int] = (0, 0)
    seconds: dict[str, float] = field(default_factory=dict)
    differing: tuple[str, ...] | None = None

    def to_json(self) -> dict:
        frame = self.observation and base64.b64encode(pack_observation(self.observation)).decode()
        return asdict(self) | {"verdicts": [v.to_json() for v in self.verdicts], "observation": frame}

    @classmethod
    def from_json(cls, fields: dict) -> "Result":
        observation = fields["observation"] and _observation(base64.b64decode(fields["observation"]))
        verdicts = tuple(Verdict.from_json(verdict) for verdict in fields["verdicts"])
        return cls(
            fields["case"],
            verdicts,
            observation,
            tuple(fields["retry_budget"]),
            fields["seconds"],
            _tuple(fields["differing"]),
        )


def _tuple(values):
    return values if values is None else tuple(values)


def _observation(frame):
    return unpack_observation(*unpack(frame[: PREFIX.size], frame[PREFIX.size :]))


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
        """An empty journal; at `path` it replaces whatever was there."""
        journal = cls(plan)
        if path is not None:
            journal._open(path)
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
        try:
            records, whole = _records(Path(path).read_bytes())
        except OSError as error:
            raise JournalError(f"cannot read {path}: {error.strerror}") from None
        if not records or records[0].get("schema") != SCHEMA:
            raise JournalError(f"{path} is no journal of a run (expected {SCHEMA} in its first line)")
        try:
            journal = cls(Plan.from_json(records[0]["plan"]))
            for record in records[1:]:
                journal._take(record)
        except (KeyError, TypeError, ValueError) as error:
            raise JournalError(f"{path} holds a record that cannot be read: {error!r}") from None
        return journal, whole

    def _take(self, record):
        if "hello" in record:
            self.hellos[record["implementation"]] = Hello.from_json(record["hello"])
        else:
            result = Result.from_json(record["result"])
            self.results[record["implementation"]][result.case] = result

    def put_hello(self, implementation: str, hello: Hello) -> None:
        """Keep what a worker said of itself. Errors: JournalError if another version spoke before; JournalFull."""
        before = self.hellos.setdefault(implementation, hello)
        if (before.version, before.conventions, before.problem) != (hello.version, hello.conventions, hello.problem):
            now, was = hello.version or hello.problem, before.version or before.problem
            raise JournalError(f"{implementation} is now {now}, in the journal {was}: a run of both would be neither")
        if before is hello:
            self._write({"implementation": implementation, "hello": asdict(hello)})

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

    def close(self) -> None:
        if self.file is not None:
            os.close(self.file)
            self.file = None

    def _open(self, path):
        self.path = Path(path)
        try:
            self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise JournalError(f"another run is writing {path}") from None
        except OSError as error:
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
                os.ftruncate(self.file, end)
                self.broken = f"cannot write the journal {self.path}: {error.strerror}"
                raise JournalFull(self.broken) from None


def _line(record) -> bytes:
    text = json.dumps(record, allow_nan=False)
    return f'{{"crc": {zlib.crc32(text.encode())}, "record": {text}}}\n'.encode()


def _records(blob: bytes) -> tuple[list[dict], int]:
    """The records up to the first line that is not whole, and their length in bytes."""
    records, whole = [], 0
    for line in blob.splitlines(keepends=True):
        try:
            fields = json.loads(line)
            if not line.endswith(b"\n") or _line(fields["record"]) != line:
                break
        except (ValueError, KeyError, TypeError):
            break
        records.append(fields["record"])
        whole += len(line)
    return records, whole
