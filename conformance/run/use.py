"""Wrong use of a command: found before any work is done, and told in one clear line."""

import os
import sys
from pathlib import Path

from bnconform.backends.registry import UnknownImplementation

from ..golden.tensors import GoldenError
from ..judge.known import KnownError
from ..report.files import obstacle
from ..report.formats import FORMATS
from ..report.reading import ReportError
from ..text import line
from .conclude import tell
from .journal import JournalError
from .plan import UsageError

WRONG_USE = (UsageError, KnownError, GoldenError, JournalError, UnknownImplementation, ReportError)


def refuse(error: Exception):
    """One clear line and exit 2."""
    tell(line(error))
    sys.exit(2)


def writable(path: str | None) -> Path | None:
    """A path whose folder exists, checked before any work is done. Errors: UsageError."""
    if path is None:
        return None
    why = obstacle(Path(path))
    if why:
        raise UsageError(f"cannot write {path}: {why}")
    return Path(path)


def all_writable(*paths: str | None) -> list[Path | None]:
    """The same for several, which must not be one and the same."""
    named = [os.path.realpath(path) for path in paths if path]
    if len(set(named)) < len(named):
        raise UsageError(f"{max(named, key=named.count)} is named for two reports")
    return [writable(path) for path in paths]


def reports(options: dict, *others: str | None) -> dict[str, Path]:
    """The reports that are asked for, by format; they are taken out of a command's options.

    others: paths that none of them may be. Errors: UsageError for what cannot be written, or is named twice.
    """
    named = {kind: options.pop(f"{kind}_path", None) for kind in FORMATS}
    paths = all_writable(*named.values(), *others)
    return {kind: path for kind, path in zip(named, paths) if path}
