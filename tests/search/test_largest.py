"""The largest known errors are what they are said to be, on what is installed."""

import pytest

from bnconform.backends.registry import entry
from bnconform.conformance.search.hunt import Asker
from bnconform.conformance.search.largest import PAGE, again, kept, load, text

CELLS = load()


@pytest.mark.parametrize("name", dict.fromkeys(cell.implementation for cell in CELLS))
def test_cell_is_what_it_was(name):
    """Of who compiles for every shape and type, those in float32 here; `largest --check` asks all."""
    if entry(name).missing():
        pytest.skip(f"{', '.join(entry(name).missing())} is not installed")
    cells = [cell for cell in CELLS if cell.implementation == name]
    asker = Asker(name)
    try:
        if asker.hello.version != cells[0].version:
            pytest.skip(f"{asker.hello.version} is installed, the cells are of {cells[0].version}")
        for cell in cells:
            if cell.dtype == "float32" or not asker.hello.compiles:
                found = again(asker, cell)
                assert kept(cell, found), (cell, found)
    finally:
        asker.close()


def test_page_is_that_of_the_cells():
    assert PAGE.read_text() == text(CELLS)
