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
    """One difference: which outputs of which cases, how they differ, and why.

    cases: pattern on case ids. outputs: patterns on `<step>.<output>`. kind: a verdict's kind ("nan",
    "raised:ValueError", ...).
    versions: PEP 440 specifier. link, script: the evidence, one at least. devices: where it shows.
    """

    cases: str
    outputs: tuple[str, ...]
    kind: str
    reason: str
    versions: str = ""
    link: str | None = None
    script: str | None = None
    devices: tuple[str, ...] = ("cpu", "gpu")

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


FIELDS = {"cases", "outputs", "kind", "reason", "versions", "link", "script", "devices"}


def read(path) -> list[Known]:
    """Known differences from a JSON file. Errors: KnownError naming the entry."""
    try:
        data = json.loads(Path(str(path)).read_text())
    except (OSError, ValueError) as error:
        raise KnownError(f"cannot read known differences from {path}: {error}") from None
    if not isinstance(data, list):
        raise KnownError(f"{path} holds {type(data).__name__}, expected a list of entries")
    return [_entry(path, index, fields) for index, fields in enumerate(data)]


def _entry(path, index, fields):
    where = f"{path} entry {index}"
    missing = {"cases", "outputs", "kind", "reason"} - set(fields)
    if missing or set(fields) - FIELDS:
        raise KnownError(f"{where} lacks {sorted(missing)} or has unknown {sorted(set(fields) - FIELDS)}")
    if not (fields.get("link") or fields.get("script")):
        raise KnownError(f"{where} has neither link nor script, expected evidence")
    try:
        SpecifierSet(fields.get("versions") or "")
    except InvalidSpecifier as error:
        raise KnownError(f"{where}: {error}") from None
    clean = {
        key: tuple(value) if isinstance(value, list) else value for key, value in fields.items() if value is not None
    }
    return Known(**clean)


def builtin(implementation: str) -> list[Known]:
    """Those that come with the built-in implementation of that name; a variant has its own."""
    path = files("bnconform.backends") / "known" / f"{implementation}.json"
    return read(path) if path.is_file() else []


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
