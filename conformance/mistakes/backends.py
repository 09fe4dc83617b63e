"""Mutants as implementations that a run can be asked for: bnconform.conformance.mistakes.backends:running-var-biased."""

from . import mutants


def __getattr__(name: str) -> type:
    known = mutants()
    if name not in known:
        raise AttributeError(f"no mutant {name!r}; `bnconform mutants` lists all")
    return known[name].backend
