"""A run that is broken off keeps what was measured, leaves no process behind, and taken up again gives the same
report."""

import pytest
from faults.breaks import BREAKS, play


@pytest.mark.parametrize("fault", BREAKS, ids=lambda fault: fault.name)
def test_broken_run_taken_up_gives_the_same_report(fault, tmp_path):
    outcome = play(fault, tmp_path)
    assert outcome.status == fault.status, outcome
    assert outcome.kept > 3
    assert outcome.left == 0
    assert outcome.resumed == outcome.plain
    if fault.name != "SIGKILL":
        assert f"{outcome.kept} results are in a.json.journal; go on with the same command and --resume" in outcome.said
