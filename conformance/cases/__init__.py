"""Cases: what is asked of an implementation, family by family.

The modules here *draft* cases (records plus input tensors); `freeze` adds the oracle's answers and writes the
golden files. A run reads only the golden files.
"""

from dataclasses import replace


def drafts():
    """All drafts of the suite, family by family."""
    from . import extensions, extremes, history, large, laws, layouts, mixtures, sizes, statistics, values
    from .quick import QUICK

    for module in (layouts, sizes, statistics, history, values, extremes, mixtures, extensions, large, laws):
        for family in module.FAMILIES:
            for made in family():
                yield replace(made, case=replace(made.case, quick=made.case.id in QUICK))


def large_draft(id):
    """The draft of a large case by its id, or None."""
    from . import large, laws, sizes

    families = (*large.FAMILIES, *laws.FAMILIES, *sizes.FAMILIES)
    found = (draft for family in families for draft in family() if draft.case.id == id)
    return next(found, None)
