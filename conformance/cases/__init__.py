"""Cases: what is asked of an implementation, family by family.

The modules here *draft* cases (records plus input tensors); `freeze` adds the oracle's answers and writes the
golden files. A run reads only the golden files.
"""

from dataclasses import replace


def drafts():
    """All drafts of the suite, family by family."""
    from . import extensions, extremes, large, laws, layouts, statistics, values
    from .quick import QUICK

    for module in (layouts, statistics, values, extremes, extensions, large, laws):
        for family in module.FAMILIES:
            for made in family():
                yield replace(made, case=replace(made.case, quick=made.case.id in QUICK))


def large_draft(id):
    """The draft of a large case by its id, or None."""
    from . import large, laws

    found = (draft for family in (*large.FAMILIES, *laws.FAMILIES) for draft in family() if draft.case.id == id)
    return next(found, None)
