"""Known differences: data with reason, version range and evidence; each must still reproduce exactly as described."""

import json
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from ..records import Verdict
from ..schema import SchemaError, parse
from ..schema import read as schema_read
from ..text import line

MOST = 1 << 24  # bytes of a file
# parts of the suite's outputs; the largest of a built-in implementation are 5 % for one reason and 10 % in all
MOST_OF_ONE, MOST_OF_ALL = 0.10, 0.25


class KnownError(Exception):
    """A file of known differences is not usable; the text says what is wrong."""


@dataclass(frozen=True)
class Known:
    """One row of a group: outputs of cases that match one pattern, how they differ, and why.

    cases: pattern on case ids. outputs: patterns on `<step>.<output>`. kind: a verdict's kind ("nan",
    "raised:ValueError", ...). versions: PEP 440 specifier. link, script: the evidence, one at least.
    devices: where it shows. implementations: names of those it holds for, () for any. drawn: it shows with some inputs
    and not with the frozen ones: held against what was drawn from a seed alone, where it need not show either.
    """

    cases: str
    outputs: tuple[str, ...]
    kind: str
    reason: str
    versions: str = ""
    link: str | None = None
    script: str | None = None
    devices: tuple[str, ...] = ("cpu", "gpu")
    implementations: tuple[str, ...] = ()
    drawn: bool = False

    def covers(self, verdict: Verdict) -> bool:
        return fnmatchcase(verdict.case, self.cases) and any(fnmatchcase(verdict.output, o) for o in self.outputs)

    def applies(self, version: str, device: str) -> bool:
        """Whether this version on this device is meant; an unreadable version is taken to be."""
        if device not in self.devices:
            return False
        try:
            return SpecifierSet(self.versions).contains(Version(version.split()[0]), prereleases=True)
        except (InvalidVersion, IndexError):
            return True


@dataclass(frozen=True)
class _Row:
    """A row of a group as the file has it."""

    kind: str
    outputs: tuple[str, ...]
    cases: tuple[str, ...]
    implementations: tuple[str, ...] = ()
    drawn: bool = False


@dataclass(frozen=True)
class _Group:
    """One reason with its evidence and its rows, as the file has it."""

    reason: str
    differs: tuple[_Row, ...]
    versions: str = ""
    link: str | None = None
    script: str | None = None
    devices: tuple[str, ...] = ("cpu", "gpu")
    implementations: tuple[str, ...] = ()


def read(path) -> list[Known]:
    """Known differences from a JSON file: a list of groups, each one reason with its evidence and its rows.

    A group has `reason`, `link` or `script` (a text or its lines), perhaps `versions`, `devices` and `implementations`,
    and in `differs` its rows: `kind`, patterns of `outputs`, patterns of `cases`, perhaps `implementations` again where
    a row holds for fewer, and `drawn`. Errors: KnownError naming the group.
    """
    try:
        file = Path(str(path))
        if file.exists() and not (file.is_file() and file.stat().st_size <= MOST):
            raise KnownError(f"cannot read known differences from {path}: expected a file of at most {MOST:,} bytes")
        groups = parse(file.read_bytes(), str(path))
        if not isinstance(groups, list):
            raise KnownError(f"{path} holds {type(groups).__name__}, expected a list of groups")
        return [entry for index, group in enumerate(groups) for entry in _entries(f"{path} group {index}", group)]
    except OSError as error:
        raise KnownError(f"cannot read known differences from {path}: {error.strerror}") from None
    except SchemaError as error:
        raise KnownError(f"cannot read known differences from {path}: {error}") from None


def _entries(where, data):
    if isinstance(data, dict) and isinstance(script := data.get("script"), list):
        data = data | {"script": "".join(f"{each}\n" for each in script)}
    group = schema_read(_Group, data, where)
    if not (group.link or group.script):
        raise KnownError(f"{where} has neither link nor script, expected evidence")
    try:
        SpecifierSet(group.versions)
    except InvalidSpecifier as error:
        raise KnownError(f"{where}: {line(error, 300)}") from None
    _some(where, group, "reason", "differs", "devices")
    if unknown := set(group.devices) - {"cpu", "gpu"}:
        raise KnownError(f"{where}: devices has {min(unknown)[:40]!r}, expected cpu or gpu")
    shared = {name: getattr(group, name) for name in ("reason", "versions", "link", "script", "devices")}
    for number, row in enumerate(group.differs):
        _some(f"{where} row {number}", row, "kind", "outputs", "cases")
        names = row.implementations or group.implementations
        for pattern in row.cases:
            yield Known(pattern, row.outputs, row.kind, implementations=names, drawn=row.drawn, **shared)


def _some(where, record, *names):
    """Errors: KnownError where one of the fields is empty: a kind "" would describe a pass."""
    for name in names:
        value = getattr(record, name)
        if not value or "" in (value if isinstance(value, tuple) else ()) or value == " " * len(value):
            raise KnownError(f"{where}: {name} is {json.dumps(value, default=str)}, expected something")


def builtin(implementation: str) -> list[Known]:
    """Those that come with the built-in implementation of that name: one file a framework in `backends/known`."""
    folder = files("bnconform.backends") / "known"
    return of(implementation, sorted((path for path in folder.iterdir() if path.name.endswith(".json")), key=str))


def of(implementation: str, paths) -> list[Known]:
    """What the files know of an implementation."""
    entries = [entry for path in paths for entry in read(path)]
    return [entry for entry in entries if not entry.implementations or implementation in entry.implementations]


def check_ids(known: list[Known], case_outputs: dict[str, tuple[str, ...]]) -> None:
    """Every entry must match an output of some case. Errors: KnownError."""
    for entry in known:
        matching = [o for case, outputs in case_outputs.items() if fnmatchcase(case, entry.cases) for o in outputs]
        if not any(fnmatchcase(o, pattern) for o in matching for pattern in entry.outputs):
            text = f"{entry.cases} {' '.join(entry.outputs)} ({entry.reason})"
            raise KnownError(f"a known difference matches no case: {line(text, 300)}")
    _check_extent(known, case_outputs)


def _check_extent(known, case_outputs):
    """One reason's evidence is of one behaviour: it cannot stand for a large part of the suite. Errors: KnownError."""
    everything = [(case, output) for case, outputs in case_outputs.items() for output in outputs]
    covered = {}
    for entry in known:
        cases = {case for case in case_outputs if fnmatchcase(case, entry.cases)}
        found = covered.setdefault(entry.reason, set())
        for case in cases:
            outputs = case_outputs[case]
            found |= {(case, o) for o in outputs if any(fnmatchcase(o, pattern) for pattern in entry.outputs)}
    parts = [(MOST_OF_ONE, f"({reason})", found) for reason, found in covered.items()]
    parts.append((MOST_OF_ALL, "by all of them together", set().union(*covered.values())))
    for most, what, found in parts:
        if len(found) > most * len(everything):
            raise KnownError(
                f"known differences excuse {len(found)} of {len(everything)} outputs {line(what, 300)}, "
                f"expected at most {most:.0%}: name the cases for which there is evidence"
            )


def apply(verdicts: list[Verdict], known: list[Known], version: str, device: str) -> list[Verdict]:
    """Verdicts with what is known marked "deviates", and what no longer reproduces as described marked a stale
    failure."""
    live = [entry for entry in known if entry.applies(version, device)]
    return [_apply_one(verdict, [entry for entry in live if entry.covers(verdict)]) for verdict in verdicts]


def _apply_one(verdict, covering):
    if not covering or verdict.status == "unsupported":
        return verdict
    for entry in covering:
        if verdict.kind == entry.kind:
            return replace(verdict, status="deviates", message=entry.reason, reference=entry.link or entry.script)
    covering = [entry for entry in covering if not entry.drawn]
    if not covering:
        return verdict
    got = verdict.kind or "a pass"
    text = f"stale known difference: described as {covering[0].kind}, now {got} ({covering[0].reason})"
    if verdict.status == "pass":
        return replace(verdict, status="fail", kind="stale", message=text)
    return replace(verdict, message=f"{verdict.message}; {text}")
