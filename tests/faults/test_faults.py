"""Nothing a backend does takes the run down: every fault of the table, run for real."""

import psutil
import pytest
from faults import table
from faults.breaks import BREAKS
from faults.faulty_system import ORPHAN
from faults.misfortunes import MISFORTUNES
from faults.table import FAULTS

from bnconform.conformance.run.family import MARK
from bnconform.conformance.run.process import Worker


@pytest.fixture
def marks(monkeypatch):
    """Marks of all workers that a test starts."""
    found, start = set(), Worker.start

    def spying_start(worker):
        found.add(worker.mark)
        return start(worker)

    monkeypatch.setattr(Worker, "start", spying_start)
    return found


def alive(marks):
    """Processes that carry one of the marks."""
    found = []
    for process in psutil.process_iter():
        try:
            ours = process.environ().get(MARK) in marks or process.cmdline() == ORPHAN
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            pass
    return found


@pytest.mark.parametrize("name", FAULTS)
def test_fault_costs_its_case_alone(name, marks):
    fault = FAULTS[name]
    judged = table.judge_fault(fault)
    found = table.worst(judged, fault.victim)
    assert (found.status, found.kind.startswith(fault.kind)) == (fault.status, True), found
    assert fault.text in found.message
    others = ["crashed"] if fault.kind == "died:load" else ["pass"]
    assert table.statuses(judged, table.BEFORE) == table.statuses(judged, table.AFTER) == others
    assert not alive(marks)


def test_page_tells_every_fault_and_break():
    lines = table.PAGE.read_text().splitlines()
    rows = [
        line.split(" | ")[0].removeprefix("| ")
        for line, following in zip(lines, [*lines[1:], ""])
        if line.startswith("| ") and not following.startswith("|---")
    ]
    told = [fault.says for fault in FAULTS.values()] + [fault.name for fault in BREAKS]
    told += [misfortune.says for misfortune in MISFORTUNES]
    assert rows == told
