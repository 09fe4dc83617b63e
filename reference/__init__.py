"""Batch normalization: one executable definition, in NumPy and float64.

SPEC.md beside this file has the numbered clauses that the code and the cases cite.
"""

from typing import Any

from .backward import Gradients, inference_backward, train_backward
from .derivatives import SecondOrder, jvp, second_order
from .errors import DomainError
from .extensions.folding import affine_form, fold
from .extensions.renorm import RenormForward, renorm_backward, renorm_forward
from .extensions.synchronized import merge_moments
from .forward import TrainForward, batch_statistics, inference_forward, train_forward
from .layout import Layout
from .running import RunningState, population_statistics

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`bnconform.translate` belongs to the harness, which uses the definition: it is found by name, when asked for."""
    if name == "translate":
        import importlib

        return getattr(importlib.import_module("bnconform.conformance.moving"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "DomainError",
    "Gradients",
    "Layout",
    "RenormForward",
    "RunningState",
    "SecondOrder",
    "TrainForward",
    "affine_form",
    "batch_statistics",
    "fold",
    "inference_backward",
    "inference_forward",
    "jvp",
    "merge_moments",
    "population_statistics",
    "renorm_backward",
    "renorm_forward",
    "second_order",
    "train_backward",
    "train_forward",
]
