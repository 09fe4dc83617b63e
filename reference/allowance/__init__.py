"""How far a correct implementation may stay from the exact value: running error analysis (BOUNDS.md)."""

from .statistics import Allowance, Numerics, StateAllowance, Statistics, batch_allowance, inverse_std_error
from .step import step_allowances

__all__ = [
    "Allowance",
    "Numerics",
    "StateAllowance",
    "Statistics",
    "batch_allowance",
    "inverse_std_error",
    "step_allowances",
]
