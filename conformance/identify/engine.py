"""All probes in order."""

from . import arithmetic, defaults, edges, formulas, layouts
from .finding import Finding
from .probe import Box

PROBES = (
    formulas.eps, formulas.ddofs, formulas.decays, defaults.defaults, arithmetic.variance, arithmetic.compute,
    arithmetic.reduction, layouts.layouts, layouts.types, formulas.modes, formulas.gradients, formulas.masks,
    edges.edges,
)  # fmt: skip


def identify(backend: type, device: str = "cpu", known=()) -> list[Finding]:
    """What `backend` does, row by row; a row that disagrees with what was declared has agrees = False.

    known: known differences of that implementation (`known.builtin`), which count as declared.
    """
    box = Box(backend, device)
    return [edges.excused(finding, known) for ask in PROBES for finding in ask(box, backend.conventions)]
