"""A mutant: a wrong backend, what is wrong with it, and the register of all."""

import re
from dataclasses import dataclass

from .names import NAMES


@dataclass(frozen=True)
class Mutant:
    """One wrong implementation.

    name: kebab-case. diagnosis: what an explanation must say, a name of `names.NAMES` or two joined by " + ".
    clause: what it violates. says: one sentence. detail: which part, where the name alone leaves it open.
    backend: the class, under the contract of `backends.contract`.
    """

    name: str
    diagnosis: str
    clause: str
    says: str
    detail: str
    backend: type


MUTANTS: dict[str, Mutant] = {}


def kebab(name: str) -> str:
    """A class name as a mutant's name.

    >>> kebab("RunningVarDdof0")
    'running-var-ddof0'
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def mutant(diagnosis: str, clause: str, detail: str = ""):
    """Register a backend class as a mutant; its name comes from the class, its sentence from the docstring."""

    def register(cls):
        for part in diagnosis.split(" + "):
            if part not in NAMES:
                raise ValueError(f"{cls.__name__} has diagnosis {part!r}, expected a name of names.py")
        entry = Mutant(kebab(cls.__name__), diagnosis, clause, " ".join(cls.__doc__.split()), detail, cls)
        if entry.name in MUTANTS:
            raise ValueError(f"two mutants are called {entry.name}")
        MUTANTS[entry.name] = entry
        return cls

    return register
