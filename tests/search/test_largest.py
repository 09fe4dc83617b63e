"""The largest known errors are what they are said to be, on what is installed."""

import pytest

from bnconform.backends.registry import BUILTIN, entry
from bnconform.conformance.search.hunt import Asker
from bnconform.conformance.search.largest import PAGE, again, load, text

CELLS = load()


@pytest.mark.parametrize("name", [entry.name for entry in BUILTIN])
def test_cell_is_reproduced(name):
    cells = [cell for cell in CELLS if cell.implementation == name]
    assert cells
    if entry(name).missing():
        pytest.skip(f"{', '.join(entry(name).missing())} is not installed")
    asker = Asker(name)
    try:
        if asker.hello.version != cells[0].version:
            pytest.skip(f"{asker.hello.version} is installed, the cells are of {cells[0].version}")
        for cell in cells:
            same, score, ulp = again(asker, cell)
            if same:
                assert (score, ulp) == (pytest.approx(cell.score, rel=1e-3), pytest.approx(cell.ulp, rel=1e-3))
            else:  # another processor may add in another order
                assert score <= max(1, 4 * cell.score), cell
    finally:
        asker.close()


def test_page_is_that_of_the_cells():
    assert PAGE.read_text() == text(CELLS)
