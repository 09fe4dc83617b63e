"""Runs that are broken off: by Ctrl-C, SIGTERM, SIGKILL of the coordinator, and a full disk; then taken up again.

Each is a real run of the command line in a folder of its own, on a backend that strikes at its own coordinator in the
middle of a case, once.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from bnconform.conformance.report.data import fingerprint
from bnconform.conformance.run.journal import Journal

BACKEND = """
import os, pathlib, time, psutil
from bnconform.backends.numpy_ import NumpyReference

class Striker(NumpyReference):
    def train(self, x, dy):
        number, struck = int(os.environ.get("STRIKE", 0)), pathlib.Path("struck")
        if number and self.config.x_dtype == "float16" and not struck.exists():
            struck.touch()
            os.kill(psutil.Process(os.getppid()).ppid(), number)  # its parent is its nurse
            time.sleep(60)
        return super().train(x, dy)
"""
COMMAND = [
    sys.executable,
    "-m",
    "bnconform.conformance.cli",
    "run",
    "striker:Striker",
    "numpy",
    "-k",
    "dtypes/*",
    "-k",
    "shapes/*",
]


@dataclass(frozen=True)
class Break:
    """One way to break a run off. signal: sent to the coordinator. room: bytes that a file may have."""

    name: str
    status: int
    signal: int = 0
    room: int | None = None


BREAKS = (
    Break("Ctrl-C", 130, signal.SIGINT),
    Break("SIGTERM", 143, signal.SIGTERM),
    Break("SIGKILL", -9, signal.SIGKILL),
    Break("no room for the journal", 74, room=60_000),
)


@dataclass(frozen=True)
class Outcome:
    """What came of it. said: the last line on stderr. kept: results in the journal. left: processes that live on.

    plain, resumed: fingerprints of the report of an uninterrupted run, and of the broken one taken up again.
    """

    status: int
    said: str
    kept: int
    left: int
    plain: str
    resumed: str


def play(fault: Break, folder: Path) -> Outcome:
    """Run to the break, look, take up, and compare with a run without a break; `folder` must be empty."""
    (folder / "striker.py").write_text(BACKEND)
    broken = _run(folder, "a.json", fault)
    kept = Journal.read(folder / "a.json.journal")[0].count()
    left = len(_left(folder))
    _run(folder, "a.json", extra=["--resume"])
    _run(folder, "b.json")
    resumed, plain = (fingerprint(json.loads((folder / name).read_text())) for name in ("a.json", "b.json"))
    said = broken.stderr.strip().splitlines()
    return Outcome(broken.returncode, said[-1] if said else "", kept, left, plain, resumed)


def _run(folder, report, fault=Break("", 0), extra=()):
    def limit():
        if fault.room:
            resource.setrlimit(resource.RLIMIT_FSIZE, (fault.room, fault.room))

    environment = os.environ | {"STRIKE": str(int(fault.signal))}
    command = [*COMMAND, "--json", report, *extra]
    return subprocess.run(
        command, cwd=folder, env=environment, preexec_fn=limit, capture_output=True, text=True, timeout=300
    )


def _left(folder):
    """Processes whose working directory is the folder, after they had a second to end."""
    deadline = time.monotonic() + 1
    while True:
        found = [process for process in psutil.process_iter() if _folder(process) == str(folder.resolve())]
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


def _folder(process):
    try:
        return process.cwd()
    except psutil.Error:
        return None
