"""Cases: what is asked of an implementation, family by family.

The modules here *draft* cases (records plus input tensors); `freeze` adds the oracle's answers and writes the
golden files. A run reads only the golden files.
"""


def drafts():
    """All drafts of the suite, family by family."""
    from . import extensions, layouts, statistics, values

    for module in (layouts, statistics, values, extensions):
        for family in module.FAMILIES:
            yield from family()
