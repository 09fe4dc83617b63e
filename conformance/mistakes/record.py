"""A mutant: points of the grammar with a name, and the register of all."""

from dataclasses import dataclass
from functools import cached_property

from .extended import layer
from .names import NAMES
from .point import Point


@dataclass(frozen=True)
class Mutant:
    """One wrong implementation.

    name: kebab-case. diagnosis: a name of `names.NAMES`, or two joined by " + ". clause: what it violates. says: one
    sentence. points: where, what and when; conventions: what it declares otherwise than the right layer. at_size: it
    shows at sizes alone that a quick run does not have.
    """

    name: str
    diagnosis: str
    clause: str
    says: str
    points: tuple[Point, ...]
    conventions: tuple = ()
    at_size: bool = False

    @cached_property
    def backend(self) -> type:
        """The class, under the contract of `backends.contract`."""
        return layer(self.points, name=self.name.title().replace("-", ""), **dict(self.conventions))


MUTANTS: dict[str, Mutant] = {}


def mutant(
    name: str, diagnosis: str, clause: str, says: str, *points: Point, at_size: bool = False, **conventions
) -> Mutant:
    """Register a mutant."""
    for part in diagnosis.split(" + "):
        if part not in NAMES:
            raise ValueError(f"{name} has diagnosis {part!r}, expected a name of names.py")
    if name in MUTANTS:
        raise ValueError(f"two mutants are called {name}")
    MUTANTS[name] = Mutant(name, diagnosis, clause, says, points, tuple(conventions.items()), at_size)
    return MUTANTS[name]
