"""The mistakes that are tried: tables of a name, words, and the rules that a layer with that mistake follows."""

from functools import cache

from .record import Hypothesis


@cache
def singles(running_ddof: int) -> tuple[Hypothesis, ...]:
    """Every single mistake, the likelier first: where two predict the same, the first names it."""
    from . import arithmetic, extensions, gradients, mode, outputs, running, statistics

    modules = (running, mode, outputs, gradients, statistics, extensions, arithmetic)
    return tuple(found for module in modules for found in module.hypotheses(running_ddof))
