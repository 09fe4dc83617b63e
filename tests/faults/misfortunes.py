"""What may go wrong around a run: places that cannot be written, readers that go away, a terminal without letters.

Each is a real run of the command line in a folder of its own, under a shell. What is promised: the exit status, the
line on standard error, and that everything else comes.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

BACKENDS = """
import os, pathlib, psutil, signal
from bnconform.backends.numpy_ import NumpyReference

class Wrong(NumpyReference):
    def train(self, x, dy):
        out = super().train(x, dy)
        return out | {"y": out["y"] + 1}

class Remover(NumpyReference):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        for path in pathlib.Path().glob("*.journal"):
            path.unlink()

class Odd(NumpyReference):
    def infer(self, x, dy):
        raise ValueError("[/] [cpu] \\x1b[2J \\ud800 \\u202e \\x00 " + "x" * 5_000_000)
"""

# Ctrl-C in the diagnosis: the module that is loaded when it begins strikes
INTERRUPTED = """
import os, signal, sys
class Striker:
    def find_spec(self, name, path=None, target=None):
        if name == "bnconform.conformance.diagnosis.search":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Striker())
"""


@dataclass(frozen=True)
class Misfortune:
    """One thing that goes wrong. command: a line for the shell, `bnconform` being what is tried. status, said: exit
    status and words on standard error. modules: name -> source of modules that Python finds first. files: what lies in
    the folder before. kept: what of it must be as it was. report: whether r.json must be a whole report afterwards.
    table: whether the table must be on standard output."""

    says: str
    command: str
    status: int = 0
    said: str = ""
    modules: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    kept: tuple[str, ...] = ()
    report: bool = True
    table: bool = True


RUN = "bnconform run numpy -k shapes/two"

MISFORTUNES = (
    Misfortune(
        "the disk is full at the JSON report", f"{RUN} --json /dev/full", 74, "cannot write /dev/full", report=False
    ),
    Misfortune(
        "the disk is full at the HTML report", f"{RUN} --json r.json --html /dev/full", 74, "cannot write /dev/full"
    ),
    Misfortune(
        "the disk is full at the JUnit report", f"{RUN} --json r.json --junit /dev/full", 74, "cannot write /dev/full"
    ),
    Misfortune(
        "the disk is full at the table", f"{RUN} --json r.json > /dev/full", 74, "cannot write the tables", table=False
    ),
    Misfortune("standard output is closed", f"{RUN} --json r.json >&-", table=False),
    Misfortune("standard output and error are closed", f"{RUN} --json r.json >&- 2>&-", table=False),
    Misfortune(
        "the reader of the table goes away", f"set -o pipefail; {RUN} numpy-ddof0 --json r.json | head -1", table=False
    ),
    Misfortune("the terminal knows ASCII alone", f"PYTHONIOENCODING=ascii {RUN} --json r.json"),
    Misfortune(
        "`MPLBACKEND` names what is not there",
        f"MPLBACKEND=module://inline {RUN} -k conditioning/mean-std-1e1 --json r.json --html r.html",
    ),
    Misfortune(
        "matplotlib is broken",
        f"{RUN} -k conditioning/mean-std-1e1 --json r.json --html r.html",
        modules=(("matplotlib", "raise OSError('libfreetype.so.6: cannot open shared object file')"),),
    ),
    Misfortune(
        "Ctrl-C in the diagnosis",
        "bnconform run backends:Wrong -k shapes/two --json r.json",
        130,
        "go on with the same command and --resume",
        modules=(("sitecustomize", INTERRUPTED),),
    ),
    Misfortune("the journal is removed", "bnconform run backends:Remover -k shapes/two --json r.json"),
    Misfortune(
        "the backend's words are no text",
        "bnconform run backends:Odd -k shapes/two --json r.json --html r.html --junit r.xml --markdown r.md",
        1,
    ),
    Misfortune("the JSON report goes to a pipe", f"{RUN} --json >(cat > r.json); sleep 0.3"),
    Misfortune(
        "the JSON report goes to standard output",
        f"{RUN} --json /dev/stdout > both; sed -n '/^{{/,/^}}/p' both > r.json; cat both",
    ),
    Misfortune("the JSON report goes to a device", f"{RUN} --json /dev/null; test -c /dev/null", report=False),
    Misfortune(
        "the JSON report goes to a pipe that nobody reads",
        f"mkfifo p; {RUN} --json p; s=$?; test -p p && exit $s",
        74,
        "cannot write p",
        report=False,
    ),
    Misfortune(
        "the JSON report goes to a symbolic link",
        f"ln -s target r.json; {RUN} --json r.json; test -L r.json && test -f target",
        files=(("target", "old"),),
    ),
    Misfortune(
        "`--journal` names a file of somebody's",
        f"{RUN} --json r.json --journal precious.py",
        2,
        "precious.py is there and is no journal of a run: it is not replaced",
        files=(("precious.py", "answer = 42\n"),),
        kept=("precious.py",),
        report=False,
        table=False,
    ),
    Misfortune(
        "`--journal` names a device",
        f"{RUN} --journal /dev/null",
        2,
        "it is no regular file",
        report=False,
        table=False,
    ),
    Misfortune(
        "two reports have one name",
        f"{RUN} --json r --html r",
        2,
        "r is named for two reports",
        report=False,
        table=False,
    ),
    Misfortune(
        "`--known` is a device", f"{RUN} --known /dev/zero", 2, "expected a file of at most", report=False, table=False
    ),
    Misfortune(
        "the package of a backend ends Python when it is imported",
        "bnconform run pk.m:B numpy -k shapes/two --json r.json",
        1,
        modules=(("pk/__init__", "import os; os._exit(0)"), ("pk/m", "")),
    ),
    Misfortune(
        "a module called like one of Python's lies in the current folder",
        f"{RUN} --json r.json",
        files=(("platform.py", "raise SystemExit('not that one')"), ("numpy.py", "raise SystemExit('not that one')")),
    ),
    Misfortune(
        "`identify` meets a backend that ends Python",
        "bnconform identify exits:B",
        1,
        "exited with status 0",
        modules=(("exits", "import os; os._exit(0)"),),
        report=False,
        table=False,
    ),
)


@dataclass(frozen=True)
class Outcome:
    """What came of it. said: the last line on standard error. broken: promises that were not kept."""

    status: int
    said: str
    broken: tuple[str, ...]


def play(misfortune: Misfortune, folder: Path) -> Outcome:
    """Run it in `folder`, which must be empty."""
    modules = folder / "modules"
    for name, source in (("backends", BACKENDS), *misfortune.modules):
        (modules / name).parent.mkdir(parents=True, exist_ok=True)
        (modules / f"{name}.py").write_text(source)
    place = folder / "here"
    place.mkdir()
    for name, text in misfortune.files:
        (place / name).write_text(text)
    inherited = [os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    path = os.pathsep.join([str(modules), *inherited])
    tried = f'bnconform() {{ "{sys.executable}" -P -m bnconform.conformance.cli "$@"; }}\n{misfortune.command}'
    environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"} | {"PYTHONPATH": path}
    done = subprocess.run(
        ["bash", "-c", tried], cwd=place, env=environment, capture_output=True, text=True, timeout=120, errors="replace"
    )
    said = done.stderr.strip().splitlines()
    return Outcome(done.returncode, said[-1] if said else "", tuple(_broken(misfortune, done, place)))


def _broken(misfortune, done, place):
    if done.returncode != misfortune.status:
        yield f"exit status {done.returncode}, expected {misfortune.status}"
    if misfortune.said not in done.stderr:
        yield f"nothing is said of {misfortune.said!r}"
    if "Traceback" in done.stdout + done.stderr or "Exception ignored" in done.stderr:
        yield "a traceback"
    if any(sign in done.stdout + done.stderr for sign in "\x1b\x00\u202e"):
        yield "signs that move the terminal"
    if misfortune.report and not _whole(place / "r.json"):
        yield "no whole report"
    if misfortune.table and "score: largest that passed" not in done.stdout:
        yield "no table"
    for name, text in misfortune.files:
        if name in misfortune.kept and (place / name).read_text() != text:
            yield f"{name} was replaced"


def _whole(path):
    try:
        return bool(json.loads(path.read_text())["results"])
    except (OSError, ValueError, KeyError):
        return False
