"""The table of faults: every misbehaving backend of `faulty.py` is run, and what the user sees is written down.

python -m faults.table [PATH]        (default: FAULTS.md beside this module)
"""

import os
import re
import sys
import tempfile
from contextlib import chdir
from pathlib import Path

from faults.breaks import BREAKS, Break, play
from faults.faulty import VICTIM, Fault
from faults.faulty_system import FAULTS  # all of them: those of `faulty` are in it by then
from faults.misfortunes import MISFORTUNES, Misfortune
from faults.misfortunes import play as play_misfortune

from bnconform.conformance.run.plan import Options
from bnconform.conformance.run.schedule import Judged, Listener, run

BEFORE, AFTER = "shapes/dense", "shapes/ncl"
PAGE = Path(__file__).parent / "FAULTS.md"
WIDTH = 240  # characters of a message in the table

HEAD = f"""# What a misbehaving backend does to the run

Each row is a real backend (`faulty.py`, `faulty_system.py`), judged by itself on three cases: `{BEFORE}`,
`{VICTIM}`, in whose training step it misbehaves, and `{AFTER}`. "status" and "what the report says" are those of the
victim's worst output. "before, after" are the other two cases: nothing measured may be lost. Written by
`python -m faults.table`.

| the backend … | status | what the report says | before, after |
|---|---|---|---|
"""

BREAKS_HEAD = """
# What is left of a run that is broken off

Real runs of the command line (`breaks.py`) of two implementations on 46 cases. The backend strikes at its
coordinator in the middle of a case. "kept" are the results that the journal holds afterwards; "left" the processes
that live on; the last column compares the report of the run taken up with `--resume` to that of a run without a
break, by the hash of all but times.

| the run meets … | exit status | the last line on stderr | kept | left | resumed report |
|---|---|---|---|---|---|
"""


MISFORTUNES_HEAD = """
# What goes wrong around a run

Real runs of the command line (`misfortunes.py`), each in a folder of its own. The last two columns say whether the JSON
report and the table came; "–" where they were not asked for, or nothing was judged.

| what goes wrong | exit status | the last line on stderr | report | table |
|---|---|---|---|---|
"""


def judge_fault(fault: Fault) -> Judged:
    """The run over the three cases; the backend of an import fault is written to a folder of its own first."""
    golden = Options().golden
    cases = [golden.cases[name] for name in (BEFORE, fault.victim, AFTER)]
    options = Options(**dict(fault.options))
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        if fault.source is not None:
            Path("faulty_module.py").write_text(fault.source + "\n")
        return run([fault.implementation], cases, options, Listener())[0]


def statuses(judged: Judged, case: str) -> list[str]:
    """Statuses of the outputs of a case, each once."""
    return sorted({verdict.status for verdict in judged.verdicts if verdict.case == case})


def worst(judged: Judged, victim: str = VICTIM):
    """The verdict that says what happened: on the inputs, else the first of the victim's that is no pass, or its
    first."""
    found = [verdict for verdict in judged.verdicts if verdict.case == victim]
    found.sort(key=lambda verdict: verdict.output != "inputs")
    return next((v for v in found if v.status != "pass"), found[0])


def row(fault: Fault, judged: Judged) -> str:
    """One line of the table."""
    verdict = worst(judged, fault.victim)
    others = ", ".join(" and ".join(statuses(judged, case)) for case in (BEFORE, AFTER))
    text = re.sub(r"0x[0-9a-f]+|/\S*/", "", f"{verdict.kind}: {verdict.message}" if verdict.kind else "")
    text = text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
    return f"| {fault.says} | {verdict.status} | {text.replace('|', '·')} | {others} |\n"


def break_row(fault: Break) -> str:
    """One line of the second table."""
    with tempfile.TemporaryDirectory() as folder:
        found = play(fault, Path(folder))
    same = "equal" if found.plain == found.resumed else "NOT equal"
    return f"| {fault.name} | {found.status} | {found.said} | {found.kept} | {found.left} | {same} |\n"


def misfortune_row(misfortune: Misfortune) -> str:
    """One line of the third table. Errors: AssertionError, where a promise was not kept."""
    with tempfile.TemporaryDirectory() as folder:
        found = play_misfortune(misfortune, Path(folder))
    assert not found.broken, found
    came = " | ".join("came" if asked else "–" for asked in (misfortune.report, misfortune.table))
    return f"| {misfortune.says} | {found.status} | {found.said[:WIDTH]} | {came} |\n"


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    rows = [HEAD, *(row(fault, judge_fault(fault)) for fault in FAULTS.values())]
    path.write_text(
        "".join([*rows, BREAKS_HEAD, *map(break_row, BREAKS), MISFORTUNES_HEAD, *map(misfortune_row, MISFORTUNES)])
    )
    print(f"wrote {os.fspath(path)}: {len(FAULTS)} faults, {len(BREAKS)} broken runs, {len(MISFORTUNES)} misfortunes")


if __name__ == "__main__":
    main()
