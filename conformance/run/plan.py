"""What a run is to judge: which cases of which implementations, and how."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase

import bnconform
from bnconform.backends import registry

from ..golden.store import Golden
from ..judge import known as known_differences
from ..judge.levels import asks
from ..records import Case
from ..text import line
from .code import environment


class UsageError(Exception):
    """The run was asked for something that does not exist; one clear line."""


@dataclass(frozen=True)
class Options:
    """How to run. timeout: seconds a case may take. memory: GiB a worker may occupy. jobs: workers at a time.

    shard: (i, n), to judge only the i-th of n parts of the cases. level: judge what belongs to levels up to it.
    """

    device: str = "cpu"
    timeout: float = 60.0
    memory: float = 8.0
    jobs: int = 2
    known: tuple[str, ...] = ()
    shard: tuple[int, int] = (1, 1)
    level: str | None = None
    golden: Golden = field(default_factory=Golden)


@dataclass(frozen=True)
class Plan:
    """What a journal is the journal of. Two with equal plans (but for the shard) belong to one run.

    suite, golden: version and hash of what judges. cases: ids of all shards, in order. known: SHA-256 of each file of
    known differences. shard: (i, n), 1 <= i <= n. named: whether the implementations were asked for by name.
    environment: variables that may change numbers (`code.environment`).
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
    level: str | None = None
    named: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        if not 1 <= self.shard[0] <= self.shard[1]:
            raise ValueError(f"shard {self.shard}, expected (i, n) with 1 <= i <= n")

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
        level=options.level,
        named=named,
        environment=environment(),
    )


def check_name(name: str) -> registry.Entry:
    """The entry of that name; nothing of it is imported. Errors: UsageError, UnknownImplementation."""
    entry = registry.entry(name)
    module = name.partition(":")[0]
    if ":" in name and (not module or registry.spec_of(module.partition(".")[0]) is None):
        raise UsageError(f"no module named {line(module, 80)!r} (for {line(name, 80)!r})")
    return entry


def select(golden: Golden, patterns: tuple[str, ...] = (), quick: bool = False, level: str | None = None) -> list[Case]:
    """The cases that match any pattern (text contained in the id, or a shell pattern) and ask something up to the
    level. Errors: UsageError for none."""
    cases = [case for case in golden.cases.values() if (case.quick or not quick) and asks(case, level)]
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


def known_for(name, options):
    known = known_differences.builtin(name) + known_differences.of(name, options.known)
    if not options.golden.drawn:
        known = [entry for entry in known if not entry.drawn]
    if options.golden != Golden() and not options.golden.drawn:
        # cases of one's own: what is known of others has no place there
        return [entry for entry in known if any(fnmatchcase(case, entry.cases) for case in options.golden.cases)]
    outputs = {case.id: case.outputs() for case in options.golden.cases.values()}
    known_differences.check_ids(known, outputs)
    return known
