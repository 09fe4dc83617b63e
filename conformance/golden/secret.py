"""Golden values that lie nowhere: the cases with inputs drawn afresh from a seed, answered when they are asked for.

An implementation that conforms on the frozen vectors because it has read them fails here: no stored answer is the
answer to these questions, and a worker gets the questions alone.
"""

import secrets
import threading
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from ..cases.bits import salted
from ..records import Case
from .store import Golden, by_part

_ONE_AT_A_TIME = threading.RLock()  # implementations beside each other ask for the same


@dataclass(frozen=True)
class Secret(Golden):
    """The cases of this package's golden files, drawn from `edition` (the seed, as text)."""

    drawn = True

    @classmethod
    def of(cls, seed: int | None) -> "Secret":
        """Drawn from `seed`, or from one that nobody knew before. folder: no folder, but a name to tell it apart."""
        edition = str(secrets.randbits(63) if seed is None else seed)
        return cls(Path(f"secret seed {edition}"), edition)

    @classmethod
    def again(cls, hash: str) -> Golden:
        """The golden vectors that a plan names by their hash, as far as this package has them."""
        words = hash.split()
        drawn = len(words) == 5 and words[:2] == ["secret", "seed"] and words[2].isdecimal()
        return cls.of(int(words[2])) if drawn else Golden()

    @cached_property
    def cases(self) -> dict[str, Case]:
        return Golden().cases

    @property
    def hash(self) -> str:
        return f"secret seed {self.edition} of {Golden().hash}"

    @cached_property
    def _drafts(self):
        from ..cases import drafts

        with _ONE_AT_A_TIME, salted(f"secret seed {self.edition}: "):
            return {draft.case.id: draft for draft in drafts()}

    @lru_cache(maxsize=1024)
    def _answered(self, id):
        from .answer import golden_tensors  # the oracle loads only where it is needed

        return by_part(golden_tensors(self._drafts[id]))

    def inputs(self, case: Case):
        return {name: array.copy() for name, array in self._drafts[case.id].tensors.items()}

    def _part(self, case: Case, part: str):
        with _ONE_AT_A_TIME:
            return dict(self._answered(case.id).get((case.id, part), {}))
