"""All probes in order."""

from . import arithmetic, defaults, edges, formulas, layouts
from .finding import Finding
from .probe import Box

PROBES = (
    formulas.eps, formulas.ddofs, formulas.decays, defaults.defaults, arithmetic.variance, arithmetic.compute,
    arithmetic.reduction, layouts.layouts, layouts.types, formulas.modes, formulas.gradients, formulas.masks,
)  # fmt: skip


def identify(backend: type, device: str = "cpu", known=()) -> list[Finding]:
    """What `backend` does, row by row; a row that disagrees with what was declared has agrees = False.

    known: known differences of that implementation (`known.builtin`), which count as declared at the edges.
    """
    box = Box(backend, device)
    found = [finding for ask in PROBES for finding in ask(box, backend.conventions)]
    return found + list(edges.edges(box, backend.conventions, known))
