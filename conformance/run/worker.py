"""The worker process: one implementation, one case at a time, results on a pipe of their own.

    python -P -m bnconform.conformance.run.worker IMPLEMENTATION DEVICE RESULT_FD

Reads questions from standard input; answers each with a frame (`wire`). What is expected never comes here. Standard
output and error stay the backend's own: whatever it prints disturbs nothing. Standard input is moved out of its reach:
it finds an empty one.
"""

import contextlib
import faulthandler
import gc
import json
import math
import os
import signal
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from bnconform.backends.contract import Conventions
from bnconform.backends.errors import NoGpu
from bnconform.backends.needs import refusal
from bnconform.backends.registry import NotInstalled, UnknownImplementation, entry

from ..records import Failure, Observation
from ..text import clean
from ..text import name as shown
from .code import code_of
from .nurse import nursed
from .observe import observe
from .wire import PREFIX, Question, lengths, pack, pack_observation, unpack, unpack_question


def greet(name: str, device: str) -> tuple[type | None, dict]:
    """The backend's class and the first frame: version, conventions, import time, or why it cannot be had."""
    started = time.perf_counter()
    try:
        backend = entry(name).load()
        conventions = getattr(backend, "conventions", None)
        if not isinstance(conventions, Conventions):
            raise TypeError(f"{name} has no `conventions` of type bnconform.backends.contract.Conventions")
        version = backend.version() if hasattr(backend, "version") else "unversioned"
        seconds = time.perf_counter() - started
        hello = {
            "version": _text(version),
            "conventions": plain({field.name: getattr(conventions, field.name) for field in fields(Conventions)}),
            "seconds": seconds,
            "settings": settings(backend, device),
            "code": code_of(backend),
            "compiles": hasattr(backend, "compiling"),
            "script": dict(getattr(backend, "script", {})),
        }
        return backend, hello
    except (NotInstalled, UnknownImplementation) as error:
        return None, {"problem": type(error).__name__, "text": _text(error)}
    except NoGpu as error:
        return None, {"problem": "NoDevice", "text": _text(error)}
    except BaseException as error:  # an import may raise anything, SystemExit included
        return None, {"problem": "LoadFailed", "text": f"{type(error).__name__}: {_text(error)}"}


def plain(words: dict) -> dict:
    """Conventions as data that JSON can say; what it cannot say becomes text, and is refused by its reader."""

    def default(value):
        if isinstance(value, np.generic):
            return value.item()
        return dict(value) if hasattr(value, "items") else repr(value)[:100]

    return json.loads(json.dumps(words, default=default, skipkeys=True))


def _text(error) -> str:
    try:
        return clean(error)
    except BaseException:
        return "an error that cannot be printed"


def answer(backend: type, question: Question, device: str) -> Observation:
    """Observe one case, unless the backend declares that it cannot."""
    case = question.case
    reason = None if question.probe else refusal(backend.conventions, case, device)
    if reason:
        return Observation(case.id, {}, failure=Failure("unsupported", "", reason))
    try:
        compiled = compiling(backend)
        observation = observe(case, backend, question.inputs, device, question.defaults)
        spent = compiling(backend) - compiled
        return replace(observation, compiling=min(max(spent, 0.0), observation.seconds))
    except BaseException as error:  # SystemExit and KeyboardInterrupt raised by a backend are its results too
        return Observation(case.id, {}, failure=Failure("raised", shown(type(error).__name__), _text(error)))


def settings(backend: type, device: str) -> dict[str, str]:
    """What else may change its numbers: the device, its driver, threads, switches; as far as it tells. Errors:
    NoGpu."""
    if device not in backend.conventions.devices:
        raise NoGpu(f"it runs on {', '.join(backend.conventions.devices)}")
    told = {}
    if hasattr(backend, "settings"):
        try:
            told = {_text(name): _text(value) for name, value in backend.settings(device).items()}
        except NoGpu:
            raise
        except Exception as error:
            told = {"settings": f"{type(error).__name__}: {_text(error)}"}
    if hasattr(backend, "compiling") and _seconds(backend) is None:
        told["compiling"] = "it gives no number of seconds: its time is not told apart"
    return told


def compiling(backend: type) -> float:
    """Seconds that the backend has spent compiling so far, where it can tell."""
    return _seconds(backend) or 0.0 if hasattr(backend, "compiling") else 0.0


def _seconds(backend):
    try:
        found = float(backend.compiling())
    except Exception:  # it costs a column of the table of times, and no verdict
        return None
    return found if math.isfinite(found) else None


def serve(name: str, device: str, questions, results) -> None:
    """Greet, then answer until `questions` ends."""
    own, timing = os.getpid(), None
    backend, hello = greet(name, device)
    _send(results, pack(hello), own)
    if backend is None:
        return
    gc.freeze()  # a framework's million objects stay: walking them again cost 5 % of a run on JAX
    while len(prefix := questions.read(PREFIX.size)) == PREFIX.size:
        words, arrays = unpack(prefix, questions.read(lengths(prefix, sys.maxsize)))
        if "bench" in words:
            timing = timing or _timing(backend, device)
            _send(results, pack(timing.answer(**words["bench"])), own)
            continue
        question = unpack_question(words, arrays)
        room, case = question.room, question.case.id
        try:
            frame = pack_observation(answer(backend, question, device), room)
        except Exception as error:  # a name or a text that no frame can carry
            failure = Failure("garbage", "object", f"{type(error).__name__}: {_text(error)}")
            frame = pack_observation(Observation(case, {}, failure=failure))
        _send(results, frame, own)


def _timing(backend, device):
    from ..bench.timing import Timing  # loads only where something is timed

    return Timing(backend, device)


def _send(results, frame, own):
    """Only the process that was asked answers: a backend that forks returns twice."""
    if os.getpid() != own:
        os._exit(0)
    results.write(frame)
    results.flush()


def sacrifice_first() -> None:
    """Where memory runs out, the kernel shall take this process and not the coordinator (Linux only)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def main() -> None:
    name, device, fd = sys.argv[1:4]
    nursed(0)
    sacrifice_first()
    questions, complaints = os.fdopen(os.dup(0), "rb"), os.dup(2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    faulthandler.enable(complaints, all_threads=False)
    faulthandler.register(
        signal.SIGUSR1, complaints, all_threads=False
    )  # "where are you?", asked before a hung worker is killed
    sys.path.append(os.getcwd())  # a porter's own module lies where the command was given; it comes last, so that a
    # file called like a module of Python or of a framework is never taken for it
    with os.fdopen(int(fd), "wb") as results:
        serve(name, device, questions, results)
        os._exit(0)  # frameworks' exit handlers may hang or crash; everything is written


if __name__ == "__main__":
    main()
