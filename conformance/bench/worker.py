"""One implementation's process: it prepares a problem and times calls when it is told to, a JSON line a command.

Each implementation has a process of its own, because Keras has one backend a process and because the frameworks'
thread pools disturb each other; between commands it sleeps on its standard input.
"""

import ctypes
import gc
import json
import os
import sys
from pathlib import Path

from bnconform.backends.errors import NoGpu
from bnconform.backends.registry import NotInstalled, UnknownImplementation, entry

from .drivers import OWN, Adapter, Driver, Unsupported
from .problems import Problem

WRONG_USE = (NoGpu, NotInstalled, UnknownImplementation)


def driver(name, device, threads) -> Driver:
    """The driver of an implementation, in a process of its own. Errors: NoGpu, NotInstalled, UnknownImplementation."""
    if name in OWN:
        return OWN[name](name, device, threads)
    found = entry(name)
    found.load()
    from . import frameworks  # after the environment that the implementation needs has been set

    classes = {
        "torch_": frameworks.Torch,
        "keras_": frameworks.keras_driver,
        "flax_linen": frameworks.Jax,
        "flax_nnx": frameworks.Jax,
    }
    if name == "torch-functional":
        return frameworks.TorchFunctional(found.target, device, threads)
    cls = classes.get(found.target.split(":")[0].removeprefix("bnconform.backends."))
    return cls(found.target, device, threads) if cls else Adapter(name, device, threads)


def _status(field):
    """A line of /proc/self/status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024


def resident_growth(call):
    """Most bytes of memory that `call` had beyond what the process had before, or None where Linux does not tell."""
    try:
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # or memory kept from an earlier call would hide what this one needs
        Path("/proc/self/clear_refs").write_text("5")
    except (OSError, AttributeError):
        return None
    before = _status("VmRSS")
    call()
    return max(0, _status("VmHWM") - before)


class Worker:
    def __init__(self, name, device, threads):
        self.driver, self.device = driver(name, device, threads), device

    def hello(self):
        return {"version": self.driver.version()}

    def prepare(self, copies, **problem):
        self.driver.prepare(Problem(**problem | {"shape": tuple(problem["shape"])}), copies)
        return {}

    def time(self, operation, calls):
        return {"seconds": [self.driver.timed(operation) for _ in range(calls)]}

    def memory(self, operation):
        """Bytes beyond the inputs at the worst moment of one call, outputs included; on a GPU all that was in use."""
        if self.device == "gpu":
            self.driver.peak()
            self.driver.timed(operation)
            return {"bytes": self.driver.peak()}
        call = self.driver.call(operation)
        return {"bytes": resident_growth(lambda: self.driver.wait(call()))}


def main():
    # frameworks print to standard output: the answers go out on a copy of it that they do not know
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.path.append(os.getcwd())  # last, as in a run
    name, device, threads = sys.argv[1:]

    def answer(**what):
        print(json.dumps(what), file=answers, flush=True)

    try:
        worker = Worker(name, device, int(threads))
        answer(**worker.hello())
    except Exception as error:
        return answer(
            error=f"{type(error).__name__}: {error}",
            wrong_use=isinstance(error, WRONG_USE),
            no_gpu=isinstance(error, NoGpu),
        )
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer(**getattr(worker, command.pop("do"))(**command))
        except Exception as error:
            answer(error=f"{type(error).__name__}: {error}", unsupported=isinstance(error, Unsupported))


if __name__ == "__main__":
    main()
