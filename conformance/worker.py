"""The worker process: one implementation, one case at a time, results on a pipe of their own.

    python -m bnconform.conformance.worker IMPLEMENTATION DEVICE RESULT_FD

Reads case ids from standard input, one a line; answers each with a frame (`wire`). Standard output and error stay the
backend's own: whatever it prints disturbs nothing.
"""

import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

from bnconform.backends.contract import Conventions
from bnconform.backends.needs import refusal
from bnconform.backends.registry import NotInstalled, UnknownImplementation, entry

from .golden import Golden
from .observe import observe
from .records import Failure, Observation
from .wire import pack, pack_observation


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
        return None, {"problem": "LoadFailed", "text": f"{type(error).__name__}: {error}"}
    conventions = asdict(backend.conventions)
    return backend, {"version": str(version), "conventions": conventions, "seconds": time.perf_counter() - started}


def answer(backend: type, case, golden: Golden, device: str) -> Observation:
    """Observe one case, unless the backend declares that it cannot."""
    reason = refusal(backend.conventions, case, device)
    if reason:
        return Observation(case.id, {}, failure=Failure("unsupported", "", reason))
    try:
        return observe(case, backend, golden.inputs(case), device)
    except BaseException as error:  # SystemExit and KeyboardInterrupt raised by a backend are its results too
        return Observation(case.id, {}, failure=Failure("raised", type(error).__name__, str(error)))


def serve(name: str, device: str, results, golden: Golden) -> None:
    """Greet, then answer until standard input ends."""
    backend, hello = greet(name, device)
    results.write(pack(hello))
    results.flush()
    if backend is None:
        return
    for line in sys.stdin:
        observation = answer(backend, golden.cases[line.strip()], golden, device)
        results.write(pack_observation(observation))
        results.flush()


def main() -> None:
    name, device, fd = sys.argv[1:4]
    folder = os.environ.get("BNCONFORM_GOLDEN")
    sys.path.insert(0, os.getcwd())  # a porter's own module lies where the command was given
    with os.fdopen(int(fd), "wb") as results:
        serve(name, device, results, Golden(Path(folder)) if folder else Golden())
        sys.stdout.flush()
        os._exit(0)  # frameworks' exit handlers may hang or crash; everything is written


if __name__ == "__main__":
    main()
