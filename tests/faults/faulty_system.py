"""Backends that misbehave towards the system: output, files, pipes, processes, time, memory, and at import (see
`faulty.py`)."""

import json
import os
import shutil
import signal
import sys
import threading
import time
import zlib

import numpy as np
from faults.faulty import ASKED_TWICE, FAULTS, VICTIM, Fault, fault

from bnconform.backends.numpy_ import NumpyReference
from bnconform.conformance.run.wire import MAGIC, PREFIX, pack


def hoard():
    """Allocate 32 MB a hundredth of a second, for ever."""
    kept = []
    while True:
        kept.append(np.ones(1 << 22))
        time.sleep(0.01)


ORPHAN = ["sleep", "3601.25"]
HOARD = "kept = []\nwhile True: kept.append(bytearray(b'x' * (1 << 25)))"


def orphan(command):
    """Start a process that forgets where it came from."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.closerange(0, 256)
            os.execve(shutil.which(command[0]), command, {})
        os._exit(0)


# --- noise, files, pipes


@fault("pass")
def prints_megabytes(layer, out, x):
    """prints 50 MB"""
    for _ in range(50):
        print("x" * 1_000_000)
    return out


@fault("timed out", "timed out", "no answer within 1 s", timeout=1.0)
def prints_forever(layer, out, x):
    """prints without end"""
    while True:
        print("and another thing")


@fault("pass")
def replaces_stdout(layer, out, x):
    """sets sys.stdout and sys.stderr to None and closes their files"""
    sys.stdout = sys.stderr = sys.__stdout__ = None
    os.close(1)
    os.close(2)
    return out


@fault("crashed", "raised:EOFError")
def reads_stdin(layer, out, x):
    """waits for input"""
    return input()


@fault("pass")
def changes_folder(layer, out, x):
    """changes the working directory"""
    os.chdir("/")
    return out


@fault("crashed", "died:exit 1", "Bad file descriptor")
def closes_files(layer, out, x):
    """closes all files but standard ones, the result pipe among them"""
    os.closerange(3, 256)
    return out


@fault("crashed", "garbage:pipe", "something else was written to it")
def writes_results(layer, out, x):
    """writes to the result pipe"""
    os.write(int(sys.argv[3]), b"{'status': 'pass', 'score': 0.0}" * 10)
    return out


def forge(frame):
    """Write bytes to the result pipe, as if they were an answer."""
    os.write(int(sys.argv[3]), frame)


def forged(arrays=None, **header):
    """A whole frame with a right checksum: an answer with other fields than it should have."""
    header = {"case": VICTIM, "changed": [], "failure": None, "seconds": [0.0, 0.0]} | header
    return pack(header, arrays)


@fault("crashed", "garbage:pipe", "seconds[1] is nan, expected a finite number")
def forges_nan(layer, out, x):
    """forges an answer in which a time is NaN"""
    forge(forged(seconds=[0.0, float("nan")]))


@fault("crashed", "garbage:pipe", "failure.kind is 3, expected text")
def forges_types(layer, out, x):
    """forges an answer whose fields have other types"""
    forge(forged(failure={"kind": 3, "what": [], "text": None}))


@fault("crashed", "garbage:pipe", "expected raised, died")
def forges_kind(layer, out, x):
    """forges a failure of a kind that there is not"""
    forge(forged(failure={"kind": "excused", "what": ""}))


@fault("crashed", "garbage:pipe", "recursion")
def forges_depth(layer, out, x):
    """forges an answer with 50,000 brackets within one another"""
    text = b'{"case": ' + 50_000 * b"["
    forge(PREFIX.pack(MAGIC, zlib.crc32(text), len(text), 0) + text)


@fault("crashed", "garbage:pipe", "expected at most 1 MiB")
def forges_size(layer, out, x):
    """announces an answer of 4 GiB"""
    forge(PREFIX.pack(MAGIC, 0, 100, 1 << 32))


@fault("crashed", "garbage:pipe", "which nobody asked for")
def forges_names(layer, out, x):
    """forges an answer with outputs that nobody asked for"""
    forge(forged({"9.y": np.ones(3)}))


@fault("crashed", "died:", "TypeError")
def breaks_library(layer, out, x):
    """replaces json.dumps"""
    json.dumps = None
    return out


# --- processes and threads


@fault("pass")
def forks(layer, out, x):
    """forks, and returns in both processes"""
    os.fork()
    return out


@fault("pass")
def leaves_child(layer, out, x):
    """starts a process in a session of its own, which never ends"""
    if os.fork() == 0:
        os.setsid()
        time.sleep(3600)
    return out


@fault("pass")
def leaves_orphan(layer, out, x):
    """starts a process of nobody's: its parent gone, in a session of its own, its environment cleared"""
    orphan(ORPHAN)
    return out


@fault("crashed", "died:memory limit", "more than the 0.5 GiB allowed", memory=0.5)
def exhausts_memory_in_orphan(layer, out, x):
    """has such a process allocate without end, and waits"""
    orphan([sys.executable, "-c", HOARD])
    time.sleep(60)


@fault("crashed", "died:SIGKILL")
def kills_its_nurse(layer, out, x):
    """kills its parent process"""
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


@fault("pass")
def starts_thread(layer, out, x):
    """starts a thread that never ends"""
    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
    return out


# --- time and memory


@fault("timed out", "timed out", "asked a second time: no answer within 1 s", victim=ASKED_TWICE, timeout=1.0)
def hangs_again(layer, out, x):
    """answers the first time, and hangs when it is asked again"""
    while type(layer).__dict__.get("asked"):
        time.sleep(60)
    type(layer).asked = True
    return out


@fault("timed out", "timed out", "in spins", timeout=1.0)
def spins(layer, out, x):
    """computes without end"""
    while True:
        pass


@fault("timed out", "timed out", "no answer within 1 s", timeout=1.0)
def hangs_deaf(layer, out, x):
    """blocks all signals and waits without end"""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    time.sleep(3600)


@fault("crashed", "died:memory limit", "more than the 0.5 GiB allowed", memory=0.5)
def exhausts_memory(layer, out, x):
    """allocates without end"""
    hoard()


@fault("crashed", "died:memory limit", "more than the 0.5 GiB allowed", memory=0.5)
def exhausts_memory_in_child(layer, out, x):
    """has a child process allocate without end, and waits for it"""
    child = os.fork()
    if child == 0:
        hoard()
    os.waitpid(child, 0)


@fault("crashed", "died:memory limit", "more than the 0.5 GiB allowed", memory=0.5)
def leaks(layer, out, x):
    """keeps 800 MB and answers at once"""
    NumpyReference.leaked = np.ones(100_000_000)
    return out


# --- at import and in the constructor


def _import_fault(name, says, source, status, kind="", text=""):
    FAULTS[name] = Fault(name, says, status, kind, text, source=source)


_import_fault(
    "import_raises",
    "raises an error at import",
    "raise RuntimeError('no licence')",
    "crashed",
    "died:load",
    "RuntimeError: no licence",
)
_import_fault(
    "import_exits", "calls sys.exit at import", "raise SystemExit(3)", "crashed", "died:load", "SystemExit: 3"
)
_import_fault(
    "import_exits_hard",
    "calls os._exit at import",
    "import os; os._exit(4)",
    "crashed",
    "died:load",
    "exited with status 4",
)
_import_fault(
    "import_segfaults",
    "reads address 0 at import",
    "import ctypes; ctypes.string_at(0)",
    "crashed",
    "died:load",
    "killed by SIGSEGV",
)
_import_fault(
    "lacks_conventions",
    "declares no conventions",
    "class lacks_conventions: pass",
    "crashed",
    "died:load",
    "has no `conventions`",
)
DECLARES = """
from dataclasses import dataclass, replace
import numpy as np
from bnconform.backends.contract import Conventions
from bnconform.backends.numpy_ import NumpyReference
class {name}(NumpyReference):
    {body}
"""


def _declared_fault(name, says, body, status, kind="", text=""):
    _import_fault(name, says, DECLARES.format(name=name, body=body), status, kind, text)


_declared_fault(
    "declares_nan",
    "declares NaN as its default eps",
    "conventions = replace(NumpyReference.conventions, default_eps=float('nan'))",
    "crashed",
    "died:load",
    "conventions.default_eps is nan, expected a finite number",
)
_declared_fault(
    "declares_objects",
    "declares objects that are no data",
    "conventions = replace(NumpyReference.conventions, notes=[[[]], object()])",
    "crashed",
    "died:load",
    "conventions.notes is [[[]], '<object",
)
_declared_fault(
    "declares_more",
    "declares with a class that has a field more",
    "More = dataclass(frozen=True)(type('More', (Conventions,), {'__annotations__': {'more': int}, 'more': 1}))\n"
    "    conventions = More(1, compute=NumpyReference.conventions.compute)",
    "pass",
)
_declared_fault(
    "compiles_nan",
    "says that it has compiled for NaN seconds",
    "compiling = staticmethod(lambda: float('nan'))",
    "pass",
)
_declared_fault(
    "version_of_signs",
    "has a version that would move the terminal, of 5 MB",
    r"version = staticmethod(lambda: '\x1b[2J\ud800' + 5_000_000 * 'x')",
    "pass",
)
_import_fault(
    "import_shadows",
    "lies beside files called numpy.py and json.py",
    "import pathlib\nfor n in ('numpy', 'json'): pathlib.Path(n + '.py').write_text('raise SystemExit(5)')\n"
    "from bnconform.backends.numpy_ import NumpyReference\nclass import_shadows(NumpyReference): pass",
    "pass",
)
_import_fault("is_absent", "is not in its module", "", "crashed", "died:load", "has no 'is_absent'")
