"""Mistakes of batch normalization, as a grammar on one right layer; and which case notices which.

`point` is the grammar (where × what × when), `whats` and `whens` its words, `chain`, `layer` and `extended` the right layer
whose quantities they act on, `listed` the mutants by name, `wrapped` mistakes made around real layers. `bench` scores a
mutant case by case, `kills` keeps the scores in `kills.json`:

    python -m bnconform.conformance.mistakes            compute, and write kills.json
    python -m bnconform.conformance.mistakes --check    compute, and fail where kills.json says otherwise
"""

import importlib

MODULES = (
    "estimator", "running", "state", "eps", "layouts", "precision", "parameters", "gradients", "edges", "extensions",
    "folding", "conduct", "textbook", "reports", "sizes",
    "memory", "history", "types",
)  # fmt: skip


def mutants():
    """All mutants by name (`record.Mutant`), in the order of the modules."""
    for module in MODULES:
        importlib.import_module(f"{__name__}.listed.{module}")
    from .record import MUTANTS

    return dict(MUTANTS)
