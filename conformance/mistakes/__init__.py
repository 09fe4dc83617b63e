"""Wrong implementations of batch normalization, and which case notices which.

`names` is the vocabulary of mistakes, `sound`, `layer` and `extended` a right layer in small parts, the modules named
in `MODULES` the mutants, each a part replaced; `wrapped` makes mistakes around real layers. `bench` scores a mutant
case by case, `kills` keeps the scores in `kills.json`:

    python -m bnconform.conformance.mistakes            compute, and write kills.json
    python -m bnconform.conformance.mistakes --check    compute, and fail where kills.json says otherwise
"""

import importlib

from .record import MUTANTS, Mutant

MODULES = (
    "estimator", "running", "state", "eps", "layouts", "precision", "parameters", "gradients", "edges", "extensions",
    "folding", "conduct", "textbook",
)  # fmt: skip


def mutants() -> dict[str, Mutant]:
    """All mutants of the right layer by name, in the order of the modules."""
    for module in MODULES:
        importlib.import_module(f"{__name__}.{module}")
    return dict(MUTANTS)
