"""Backends that misbehave, each in one way and in one case: the reference with a fault built in.

`faults.py` runs them and writes the table; the tests hold the run to it. A fault strikes in the training step of the case
VICTIM; everywhere else the backend is right.
"""

import ctypes
import json
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass

import numpy as np
from bnconform.backends.numpy_ import NumpyReference

VICTIM = "dtypes/float16-dense"


@dataclass(frozen=True)
class Fault:
    """One way to misbehave. status, kind, text: what the worst verdict of the victim must say; text is part of the message.

    options: of the run. source: of a module, where the fault is in the import.
    """

    name: str
    says: str
    status: str
    kind: str = ""
    text: str = ""
    options: tuple[tuple[str, float], ...] = ()
    source: str | None = None

    @property
    def implementation(self) -> str:
        return f"faulty_module:{self.name}" if self.source is not None else f"{__name__}:{self.name}"


FAULTS: dict[str, Fault] = {}


def fault(status, kind="", text="", **options):
    """Make a backend of `misbehave(layer, out, x)`, which gets the right outputs and gives others; its docstring says what it does."""

    def make(misbehave):
        class Faulty(NumpyReference):
            def train(self, x, dy):
                out = super().train(x, dy)
                return misbehave(self, out, x) if self.config.x_dtype == "float16" else out

        FAULTS[misbehave.__name__] = Fault(misbehave.__name__, misbehave.__doc__, status, kind, text, tuple(options.items()))
        return Faulty

    return make


def hoard():
    """Allocate 32 MB a hundredth of a second, for ever."""
    kept = []
    while True:
        kept.append(np.ones(1 << 22))
        time.sleep(0.01)


# --- errors and exits


@fault("crashed", "raised:ValueError", "no such luck")
def raises(layer, out, x):
    """raises an error"""
    raise ValueError("no such luck")


@fault("crashed", "raised:Mute")
def raises_unprintable(layer, out, x):
    """raises an error that cannot be printed"""

    class Mute(Exception):
        def __str__(self):
            raise Mute

    raise Mute


@fault("crashed", "raised:RecursionError")
def recurses(layer, out, x):
    """calls itself without end"""
    return recurses_again(out)


def recurses_again(out):
    return recurses_again(out)


@fault("crashed", "raised:SystemExit")
def exits(layer, out, x):
    """calls sys.exit"""
    sys.exit("done here")


@fault("crashed", "raised:KeyboardInterrupt")
def interrupts(layer, out, x):
    """raises KeyboardInterrupt"""
    raise KeyboardInterrupt


@fault("crashed", "died:exit 3", "exited with status 3")
def exits_hard(layer, out, x):
    """calls os._exit(3)"""
    os._exit(3)


@fault("crashed", "died:exit 0")
def exits_quietly(layer, out, x):
    """calls os._exit(0)"""
    os._exit(0)


@fault("crashed", "died:SIGSEGV", "Segmentation fault")
def segfaults(layer, out, x):
    """reads address 0"""
    ctypes.string_at(0)


@fault("crashed", "died:SIGABRT", "check failed: rank == 2")
def aborts(layer, out, x):
    """complains on stderr and aborts, as native libraries do"""
    os.write(2, b"check failed: rank == 2\n")
    os.abort()


@fault("crashed", "died:SIGKILL")
def kills_its_group(layer, out, x):
    """kills its process group"""
    os.killpg(0, signal.SIGKILL)


# --- wrong answers


@fault("crashed", "raised:TypeError", "train returned NoneType")
def returns_none(layer, out, x):
    """returns None"""


@fault("crashed", "raised:TypeError", "train returned tuple")
def returns_tuple(layer, out, x):
    """returns a tuple"""
    return tuple(out.values())


@fault("fail", "missing", "dx was not returned")
def forgets_dx(layer, out, x):
    """leaves an output out"""
    return {name: value for name, value in out.items() if name != "dx"}


@fault("fail", "shape", "shape (")
def returns_wrong_shape(layer, out, x):
    """returns y transposed"""
    return out | {"y": out["y"].T}


@fault("fail", "dtype:float64", "dtype float64, expected float16")
def returns_wrong_dtype(layer, out, x):
    """returns y as float64"""
    return out | {"y": out["y"].astype(np.float64)}


@fault("fail", "dtype:complex128")
def returns_complex(layer, out, x):
    """returns y as complex numbers"""
    return out | {"y": out["y"].astype(complex)}


@fault("crashed", "garbage:object", "dtype >f2")
def returns_big_endian(layer, out, x):
    """returns y in the other byte order"""
    return out | {"y": out["y"].astype(">f2")}


@fault("crashed", "garbage:object", "dtype object")
def returns_objects(layer, out, x):
    """returns an array of objects"""
    return out | {"y": np.array([object()] * 3)}


@fault("crashed", "garbage:object", "dtype <U5")
def returns_text(layer, out, x):
    """returns text"""
    return out | {"y": "hello"}


@fault("crashed", "garbage:object", "expected numbers")
def returns_structured(layer, out, x):
    """returns a structured array"""
    return out | {"y": np.zeros(3, [("a", "f4"), ("b", "i8")])}


@fault("crashed", "raised:ValueError")
def returns_ragged(layer, out, x):
    """returns a ragged list"""
    return out | {"y": [[1.0], [1.0, 2.0]]}


@fault("crashed", "garbage:size", "400 MiB")
def returns_large(layer, out, x):
    """returns an array of 400 MiB"""
    return out | {"y": np.zeros((100, 1 << 20), np.float32)}


@fault("crashed", "raised:", "Unable to allocate")
def returns_endless(layer, out, x):
    """returns a broadcast array of a petabyte"""
    return out | {"y": np.broadcast_to(np.float64(0), (1 << 47,))}


@fault("fail", "changed", "shares memory with an input")
def returns_view(layer, out, x):
    """returns a view of its input"""
    return out | {"dx": x}


@fault("fail", "changed", "x was changed")
def writes_input(layer, out, x):
    """writes y over x"""
    x[...] = out["y"]
    return out


@fault("fail", "changed", "gamma was changed")
def writes_parameter(layer, out, x):
    """writes over gamma"""
    layer.gamma[...] = 1
    return out


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


_import_fault("import_raises", "raises an error at import", "raise RuntimeError('no licence')", "crashed", "died:load", "RuntimeError: no licence")
_import_fault("import_exits", "calls sys.exit at import", "raise SystemExit(3)", "crashed", "died:load", "SystemExit: 3")
_import_fault("import_exits_hard", "calls os._exit at import", "import os; os._exit(4)", "crashed", "died:load", "exited with status 4")
_import_fault("import_segfaults", "reads address 0 at import", "import ctypes; ctypes.string_at(0)", "crashed", "died:load", "killed by SIGSEGV")
_import_fault("lacks_conventions", "declares no conventions", "class lacks_conventions: pass", "crashed", "died:load", "has no `conventions`")
_import_fault("is_absent", "is not in its module", "", "crashed", "died:load", "has no 'is_absent'")
