"""Backends that misbehave, each in one way and in one case: the reference with a fault built in.

Here those that raise, exit and answer wrongly; `faulty_system.py` has the others. `faults.py` runs them and writes the
table; the tests hold the run to it. A fault strikes in the training step of the case VICTIM; everywhere else the
backend is right.
"""

import ctypes
import os
import signal
import sys
from dataclasses import dataclass

import numpy as np

from bnconform.backends.numpy_ import NumpyReference

VICTIM = "dtypes/float16-dense"
ASKED_TWICE = "dtypes/float64-dense"  # a victim that the run asks a second time


@dataclass(frozen=True)
class Fault:
    """One way to misbehave. status, kind, text: what the worst verdict of the victim must say; text is part of the
    message.

    options: of the run. victim: the case. module, source: where it is, and what, where the fault is in its import.
    """

    name: str
    says: str
    status: str
    kind: str = ""
    text: str = ""
    options: tuple[tuple[str, float], ...] = ()
    module: str = "faulty_module"
    source: str | None = None
    victim: str = VICTIM

    @property
    def implementation(self) -> str:
        return f"{self.module}:{self.name}"


FAULTS: dict[str, Fault] = {}


def fault(status, kind="", text="", victim=VICTIM, **options):
    """Make a backend of `misbehave(layer, out, x)`, which gets the right outputs and gives others; its docstring says
    what it does."""

    def make(misbehave):
        class Faulty(NumpyReference):
            def __init__(self, config, gamma, *others):
                super().__init__(config, gamma, *others)
                self.given_gamma = gamma

            def train(self, x, dy):
                out = super().train(x, dy)
                return misbehave(self, out, x) if self.config.x_dtype in victim else out

        name, module = misbehave.__name__, misbehave.__module__
        FAULTS[name] = Fault(name, misbehave.__doc__, status, kind, text, tuple(options.items()), module, victim=victim)
        return Faulty

    return make


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


@fault("crashed", "raised:GoldenError", "the files are damaged")
def raises_like_the_suite(layer, out, x):
    """raises an error that is called like one of this suite"""

    class GoldenError(Exception):
        pass

    raise GoldenError("the files are damaged")


@fault("crashed", "raised:ValueError", r"[/] [cpu] \x1b[2J \ud800 \u202e \x00")
def raises_signs(layer, out, x):
    """raises an error whose text would move the terminal, and is 5 MB long"""
    raise ValueError("[/] [cpu] \x1b[2J \ud800 \u202e \x00" + 5_000_000 * "x")


@fault("crashed", "raised:xxx", "characters)")
def raises_long_name(layer, out, x):
    """raises an error whose class has a name of 5 MB"""
    raise type(5_000_000 * "x", (Exception,), {})(5_000_000 * "y")


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


@fault("crashed", "garbage:size", "shape (100, 1048576), 400 MiB; here a result has at most 0.06 MiB")
def returns_large(layer, out, x):
    """returns an array of 400 MiB"""
    return out | {"y": np.zeros((100, 1 << 20), np.float32)}


@fault("crashed", "raised:", "Unable to allocate")
def returns_endless(layer, out, x):
    """returns a broadcast array of a petabyte"""
    return out | {"y": np.broadcast_to(np.float64(0), (1 << 47,))}


@fault("fail", "value", "asked a second time: ", victim=ASKED_TWICE)
def answers_otherwise_again(layer, out, x):
    """answers rightly the first time, and wrongly when it is asked again"""
    times = type(layer).__dict__.get("times", 0)
    type(layer).times = times + 1
    return out | {"y": out["y"] + out["y"].dtype.type(times > 0)}


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
    layer.given_gamma[...] = 1
    return out
