"""What goes wrong around a run costs at most its own part."""

import pytest
from faults.misfortunes import MISFORTUNES, play


@pytest.mark.parametrize("misfortune", MISFORTUNES, ids=lambda misfortune: misfortune.says)
def test_misfortune_costs_its_own_part_alone(misfortune, tmp_path):
    outcome = play(misfortune, tmp_path)
    assert outcome.broken == (), outcome
