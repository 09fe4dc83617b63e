"""All probes in order."""

from bnconform.backends.contract import Conventions

from ..text import line
from . import arithmetic, defaults, edges, formulas, layouts
from .finding import Finding
from .probe import Box

PROBES = (
    formulas.eps, formulas.ddofs, formulas.decays, defaults.defaults, arithmetic.variance, arithmetic.compute,
    arithmetic.reduction, layouts.layouts, layouts.types, formulas.modes, formulas.gradients, formulas.masks,
    edges.edges,
)  # fmt: skip


def identify(backend: type, device: str = "cpu", known=()) -> list[Finding]:
    """What a backend of this process does, row by row (`identify_box`)."""
    return identify_box(Box.of(backend, device), backend.conventions, known)


def identify_box(box: Box, conventions: Conventions, known=()) -> list[Finding]:
    """What the box does, row by row; a row that disagrees with what was declared has agrees = False.

    known: known differences of that implementation (`known.builtin`), which count as declared.
    """
    return [edges.excused(finding, known) for ask in PROBES for finding in _rows(ask, box, conventions)]


def _rows(ask, box, conventions):
    """The rows of one probe; an answer that lacks what it is read for, or has another shape, is a row of its own."""
    try:
        yield from ask(box, conventions)
    except Exception as error:
        evidence = line(f"no answer of the form that was asked for: {type(error).__name__}: {error}", 120)
        yield Finding(ask.__name__, "cannot be told", evidence, "the contract", False)
