"""How far a correct implementation may stay from the exact value: running error analysis (BOUNDS.md)."""

from .layerless import fold_allowances, population_allowances
from .statistics import Allowance, Numerics, StateAllowance, Statistics, batch_allowance, inverse_std_error
from .step import step_allowances

__all__ = [
    "Allowance",
    "Numerics",
    "StateAllowance",
    "Statistics",
    "batch_allowance",
    "fold_allowances",
    "inverse_std_error",
    "population_allowances",
    "step_allowances",
]
