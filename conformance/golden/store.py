"""Golden files: inputs and the oracle's outputs, frozen.

A family is one safetensors file; `manifest.json` holds the case records, the files' SHA-256 and the versions, and
`manifest.sha256` the hash of all that. Tensor names are `<case>|<part>|<name>`: part "in" for inputs ("gamma", "0.x"),
"want" for the correctly rounded outputs ("0.y"), "want64" for the same values rounded to float64 where the output's
type is narrower, and "want-ddof1" or "want64-ddof1" where running_ddof = 1 gives other values than 0. Of cases marked
`large` the manifest holds hashes only.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path

import numpy as np

from ..records import Case
from ..schema import parse, read
from .tensors import Frozen, GoldenError, decode

FOLDER = Path(__file__).parent / "v1"
PIN = "manifest.sha256"  # the hash of what manifest.json says; that of this edition comes with the package


def hash_of(data) -> str:
    """SHA-256 over plain data, in whatever lines it is written."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True)
class Manifest:
    """A folder of golden files: its edition, its files, the hashes of its large cases, and its questions."""

    schema: str
    version: str
    files: Mapping[str, Frozen]
    large: Mapping[str, Frozen]
    cases: tuple[Case, ...]
    edition: int = 1


@dataclass(frozen=True)
class Golden:
    """One folder of golden files. edition: tells apart what a folder held at different times, to all that remember
    answers."""

    folder: Path = FOLDER
    edition: str = ""
    drawn = False  # whether the inputs are others than the frozen ones

    @cached_property
    def manifest(self) -> "Manifest":
        """What the folder says of itself, after its hash was checked: questions are protected as answers are."""
        path, pin = self.folder / "manifest.json", self.folder / PIN
        try:
            data, pinned = parse(path.read_bytes(), str(path)), pin.read_text().strip()
            if (got := hash_of(data)) != pinned:
                raise GoldenError(
                    f"{path} has SHA-256 {got[:16]}…, expected {pinned[:16]}… of {PIN} beside it: the file is damaged"
                )
            return read(Manifest, data, path.name)
        except (OSError, ValueError) as error:
            raise GoldenError(f"cannot read {path}: {error}") from None

    @cached_property
    def cases(self) -> dict[str, Case]:
        """All cases by id, in the order of the manifest."""
        return {case.id: case for case in self.manifest.cases}

    @property
    def hash(self) -> str:
        """SHA-256 over what the manifest says, in whatever lines: all questions, and every file by its own hash."""
        return self.manifest and (self.folder / PIN).read_text().strip()

    @cache
    def family(self, name: str) -> dict[str, np.ndarray]:
        """Arrays of a family's file, after its hash was checked."""
        path = self.folder / f"{name}.safetensors"
        try:
            blob = path.read_bytes()
        except OSError as error:
            raise GoldenError(f"cannot read {path}: {error}") from None
        if path.name not in self.manifest.files:
            raise GoldenError(f"{path} is not in the manifest beside it")
        expected, got = self.manifest.files[path.name].sha256, hashlib.sha256(blob).hexdigest()
        if got != expected:
            raise GoldenError(
                f"{path.name} has SHA-256 {got[:16]}…, expected {expected[:16]}… of the manifest: the file is damaged"
            )
        return decode(blob)

    @lru_cache(maxsize=2)
    def large(self, id: str) -> dict[str, np.ndarray]:
        """Arrays of a case that is not frozen, made again and checked against its hashes."""
        from .large import load

        if id not in self.manifest.large:
            raise GoldenError(f"the manifest in {self.folder} has no hashes of the large case {id}")
        return load(self.cases[id], self.manifest.large[id])

    def inputs(self, case: Case) -> dict[str, np.ndarray]:
        """Input tensors of a case by name ("gamma", "0.x"), fresh copies."""
        return {name: array.copy() for name, array in self._part(case, "in").items()}

    def wanted(self, case: Case, running_ddof: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Output name -> (correctly rounded in the output's type, the same value in float64)."""
        wanted = self._part(case, "want")
        wide = self._part(case, "want64")
        if running_ddof:
            wanted |= self._part(case, "want-ddof1")
            wide |= self._part(case, "want64-ddof1")
        return {name: (array, wide.get(name, array)) for name, array in wanted.items()}

    def _part(self, case: Case, part: str) -> dict[str, np.ndarray]:
        parts = by_part(self.large(case.id)) if case.large else self._parts(case.family)
        return dict(parts.get((case.id, part), {}))

    @cache
    def _parts(self, family: str) -> dict[tuple[str, str], dict[str, np.ndarray]]:
        return by_part(self.family(family))


def by_part(arrays):
    """Arrays by case and part: looking through a family for each of its cases would cost the square of their number."""
    parts = defaultdict(dict)
    for key, array in arrays.items():
        case, part, name = key.split("|")
        parts[case, part][name] = array
    return parts
