"""Backends that misbehave towards the system: output, files, pipes, processes, time, memory, and at import (see
`faulty.py`)."""

import json
import os
import signal
import sys
import threading
import time

import numpy as np
from faults.faulty import FAULTS, Fault, fault

from bnconform.backends.numpy_ import NumpyReference


def hoard():
    """Allocate 32 MB a hundredth of a second, for ever."""
    kept = []
    while True:
        kept.append(np.ones(1 << 22))
        time.sleep(0.01)


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
def starts_thread(layer, out, x):
    """starts a thread that never ends"""
    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
    return out


# --- time and memory


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


def _import_fault(name, says, source, status, kind, text=""):
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
_import_fault("is_absent", "is not in its module", "", "crashed", "died:load", "has no 'is_absent'")
