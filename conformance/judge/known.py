"""Known differences: data with reason, version range and evidence; each must still reproduce exactly as described."""

import json
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from ..records import Verdict


class KnownError(Exception):
    """A file of known differences is not usable; the text says what is wrong."""


@dataclass(frozen=True)
class Known:
    """One row of a group: outputs of cases that match one pattern, how they differ, and why.

    cases: pattern on case ids. outputs: patterns on `<step>.<output>`. kind: a verdict's kind ("nan",
    "raised:ValueError", ...). versions: PEP 440 specifier. link, script: the evidence, one at least.
    devices: where it shows. implementations: names of those it holds for, () for any.
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


GROUP = {"reason", "differs", "versions", "link", "script", "devices", "implementations"}
ROW = {"kind", "outputs", "cases", "implementations"}


def read(path) -> list[Known]:
    """Known differences from a JSON file: a list of groups, each one reason with its evidence and its rows.

    A group has `reason`, `link` or `script` (a text or its lines), perhaps `versions`, `devices` and `implementations`,
    and in `differs` its rows: `kind`, patterns of `outputs`, patterns of `cases`, perhaps `implementations` again where
    a row holds for fewer. Errors: KnownError naming the group.
    """
    try:
        groups = json.loads(Path(str(path)).read_text())
    except (OSError, ValueError) as error:
        raise KnownError(f"cannot read known differences from {path}: {error}") from None
    if not isinstance(groups, list):
        raise KnownError(f"{path} holds {type(groups).__name__}, expected a list of groups")
    return [entry for index, group in enumerate(groups) for entry in _entries(f"{path} group {index}", group)]


def _entries(where, group):
    _fields(where, group, {"reason", "differs"}, GROUP)
    if not (group.get("link") or group.get("script")):
        raise KnownError(f"{where} has neither link nor script, expected evidence")
    try:
        SpecifierSet(group.get("versions", ""))
    except InvalidSpecifier as error:
        raise KnownError(f"{where}: {error}") from None
    shared = {name: tuple(v) if isinstance(v, list) else v for name, v in group.items() if name != "differs"}
    if isinstance(group.get("script"), list):
        shared["script"] = "".join(f"{line}\n" for line in group["script"])
    for number, row in enumerate(group["differs"]):
        _fields(f"{where} row {number}", row, {"kind", "outputs", "cases"}, ROW)
        here = shared | {name: tuple(v) if isinstance(v, list) else v for name, v in row.items()}
        for pattern in row["cases"]:
            yield Known(**here | {"cases": pattern})


def _fields(where, fields, needed, allowed):
    """Errors: KnownError where fields are missing, unknown, or no list that must be one."""
    if not isinstance(fields, dict):
        raise KnownError(f"{where} is {type(fields).__name__}, expected fields {', '.join(sorted(needed))}")
    if needed - set(fields) or set(fields) - allowed:
        raise KnownError(f"{where} lacks {sorted(needed - set(fields))} or has unknown {sorted(set(fields) - allowed)}")
    for name in {"differs", "outputs", "cases", "devices", "implementations"} & set(fields):
        if not isinstance(fields[name], list) or not fields[name]:
            raise KnownError(f"{where}: {name} is {json.dumps(fields[name])[:40]}, expected a list")


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
            raise KnownError(
                f"a known difference matches no case: {entry.cases} {' '.join(entry.outputs)} ({entry.reason})"
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
    got = verdict.kind or "a pass"
    text = f"stale known difference: described as {covering[0].kind}, now {got} ({covering[0].reason})"
    if verdict.status == "pass":
        return replace(verdict, status="fail", kind="stale", message=text)
    return replace(verdict, message=f"{verdict.message}; {text}")
