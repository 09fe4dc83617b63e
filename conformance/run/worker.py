"""The worker process: one implementation, one case at a time, results on a pipe of their own.

    python -m bnconform.conformance.run.worker IMPLEMENTATION DEVICE RESULT_FD

Reads questions from standard input: case ids, one a line, or whole problems; answers each with a frame (`wire`). Standard output and error stay the
backend's own: whatever it prints disturbs nothing. Standard input is moved out of its reach: it finds an empty one.
"""

import contextlib
import faulthandler
import gc
import os
import select
import signal
import sys
import time
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path

from bnconform.backends.contract import Conventions
from bnconform.backends.errors import NoGpu
from bnconform.backends.needs import refusal
from bnconform.backends.registry import NotInstalled, UnknownImplementation, entry

from ..golden.store import Golden
from ..records import Failure, Observation
from .observe import observe
from .wire import PROBLEM, pack, pack_observation, read_problem

LONGEST = 2000  # characters kept of an error's text


def greet(name: str, device: str) -> tuple[type | None, dict]:
    """The backend's class and the first frame: version, conventions, import time, or why it cannot be had."""
    started = time.perf_counter()
    try:
        backend = entry(name).load()
        if not isinstance(getattr(backend, "conventions", None), Conventions):
            raise TypeError(f"{name} has no `conventions` of type bnconform.backends.contract.Conventions")
        version = backend.version() if hasattr(backend, "version") else "unversioned"
    except (NotInstalled, UnknownImplementation) as error:
        return None, {"problem": type(error).__name__, "text": str(error)}
    except BaseException as error:  # an import may raise anything, SystemExit included
        return None, {"problem": "LoadFailed", "text": f"{type(error).__name__}: {_text(error)}"}
    seconds = time.perf_counter() - started
    try:
        told = settings(backend, device)
    except NoGpu as error:
        return None, {"problem": "NoDevice", "text": str(error)}
    return backend, {
        "version": str(version),
        "conventions": asdict(backend.conventions),
        "seconds": seconds,
        "settings": told,
    }


def _text(error: BaseException) -> str:
    try:
        return str(error)[:LONGEST]
    except BaseException:
        return "an error that cannot be printed"


def answer(backend: type, case, tensors: dict, twice: bool, device: str) -> Observation:
    """Observe one case, or the same one twice, unless the backend declares that it cannot. tensors: its inputs."""
    reason = refusal(backend.conventions, case, device)
    if reason:
        return Observation(case.id, {}, failure=Failure("unsupported", "", reason))
    first = {name: array.copy() for name, array in tensors.items()} if twice else tensors
    try:
        compiled = compiling(backend)
        observation = observe(case, backend, first, device)
        observation = replace(observation, compiling=compiling(backend) - compiled)
        if twice and observation.failure is None:
            again = observe(case, backend, tensors, device)
            return replace(observation, differing=differing(observation.outputs, again.outputs))
        return observation
    except BaseException as error:  # SystemExit and KeyboardInterrupt raised by a backend are its results too
        return Observation(case.id, {}, failure=Failure("raised", type(error).__name__, _text(error)))


@lru_cache(maxsize=1)
def asked_twice(golden: Golden) -> frozenset[str]:
    """The first quick case of each family: are the bits the same when all is done again, on a new layer?"""
    first = {}
    for case in golden.cases.values():
        if case.quick and not case.raises:
            first.setdefault(case.family, case.id)
    return frozenset(first.values())


def differing(outputs: dict, again: dict) -> tuple[str, ...]:
    """Names of the outputs that have other bits, or are missing, in one of the two."""
    same = [name for name in outputs.keys() & again.keys() if outputs[name].tobytes() == again[name].tobytes()]
    return tuple(sorted((outputs.keys() | again.keys()) - set(same)))


def settings(backend: type, device: str) -> dict[str, str]:
    """What else may change its numbers: the device, its driver, threads, switches; as far as it tells. Errors:
    NoGpu."""
    if device not in backend.conventions.devices:
        raise NoGpu(f"it runs on {', '.join(backend.conventions.devices)}")
    if not hasattr(backend, "settings"):
        return {}
    try:
        return {str(name): str(value) for name, value in backend.settings(device).items()}
    except NoGpu:
        raise
    except Exception as error:
        return {"settings": f"{type(error).__name__}: {_text(error)}"}


def compiling(backend: type) -> float:
    """Seconds that the backend has spent compiling so far, where it can tell."""
    return float(backend.compiling()) if hasattr(backend, "compiling") else 0.0


def serve(name: str, device: str, questions, results, golden: Golden) -> None:
    """Greet, then answer until `questions` ends."""
    own = os.getpid()
    backend, hello = greet(name, device)
    _send(results, pack(hello), own)
    if backend is None:
        return
    gc.freeze()  # a framework's million objects stay: walking them again cost 5 % of a run on JAX
    for line in questions:
        observation = answer(backend, *question(line, questions, golden), device)
        _send(results, pack_observation(observation), own)


def question(line: bytes, questions, golden: Golden):
    """(case, tensors, whether to ask twice) of a question that begins with `line`."""
    if line == PROBLEM:
        return read_problem(questions)
    case = golden.cases[line.decode().strip()]
    return case, golden.inputs(case), case.id in asked_twice(golden)


def _send(results, frame, own):
    """Only the process that was asked answers: a backend that forks returns twice."""
    if os.getpid() != own:
        os._exit(0)
    results.write(frame)
    results.flush()


def guard(lifeline: int) -> None:
    """Start a child that waits for the other end of `lifeline` to be closed, then kills the process group, itself
    included.

    A coordinator that was killed cannot end its workers; one that hangs in native code would not notice by itself.
    """
    if os.fork() == 0:
        os.dup2(lifeline, 0)
        os.closerange(1, 1024)
        watch = select.poll()
        watch.register(0, 0)  # no event but the hang-up that is always told
        watch.poll()
        os.killpg(os.getpgrp(), signal.SIGKILL)


def sacrifice_first() -> None:
    """Where memory runs out, the kernel shall take this process and not the coordinator (Linux only)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def main() -> None:
    name, device, fd = sys.argv[1:4]
    guard(0)
    sacrifice_first()
    questions, complaints = os.fdopen(os.dup(0), "rb"), os.dup(2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    faulthandler.enable(complaints, all_threads=False)
    faulthandler.register(
        signal.SIGUSR1, complaints, all_threads=False
    )  # "where are you?", asked before a hung worker is killed
    folder = os.environ.get("BNCONFORM_GOLDEN")
    sys.path.insert(0, os.getcwd())  # a porter's own module lies where the command was given
    with os.fdopen(int(fd), "wb") as results:
        serve(name, device, questions, results, Golden(Path(folder).resolve()) if folder else Golden())
        os._exit(0)  # frameworks' exit handlers may hang or crash; everything is written


if __name__ == "__main__":
    main()
