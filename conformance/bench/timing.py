"""What a worker does for `bench`: it builds a layer and times calls of it, as often as it is told to.

An adapter gives the calls (`timed` in `backends/contract.py`); one without that method is timed through train and
infer, and so with the conversion of its arrays.
"""

import ctypes
import gc
from itertools import cycle
from pathlib import Path
from time import perf_counter

import numpy as np

from bnconform.backends.contract import Config
from bnconform.dtypes import dtype

from .problems import Problem

EPS, DECAY = 1e-5, 0.9


def build(backend: type, problem: Problem, device: str):
    """A layer for a problem, and a function that draws (x, dy): arrays that lie in memory as the problem says."""
    rng, width = np.random.default_rng(0), "float64" if problem.dtype == "float64" else "float32"
    view = problem.layout == "last" and backend.conventions.channel_axes == "first"
    shape, axis = (problem.shape, 1) if view else (problem.memory_shape, problem.channel_axis)
    gamma, beta = rng.uniform(0.5, 1.5, problem.channels), rng.uniform(-1, 1, problem.channels)
    rows = gamma, beta, np.zeros(problem.channels), np.ones(problem.channels)
    config = Config(shape, (axis,), EPS, DECAY, problem.dtype, width, width, device)

    def draw():
        arrays = [rng.standard_normal(problem.memory_shape, np.float32).astype(dtype(problem.dtype)) for _ in "xy"]
        return [np.moveaxis(array, -1, 1) for array in arrays] if view else arrays

    return backend(config, *(row.astype(width) for row in rows)), draw


def calls_of(layer, operation: str, x, dy):
    """A function of no arguments that does the operation."""
    if hasattr(layer, "timed"):
        return layer.timed(operation, x, dy)
    calls = {"forward": lambda: layer.train(x, None), "step": lambda: layer.train(x, dy)}
    calls["inference"] = lambda: layer.infer(x, None)
    if operation not in calls:
        raise ValueError(f"an adapter without `timed` has no {operation} of its own")
    return calls[operation]


class Timing:
    """Of one implementation; the questions are its methods."""

    def __init__(self, backend: type, device: str):
        self.backend, self.device = backend, device

    def answer(self, do: str, **words) -> dict:
        """What a method says, or its error."""
        try:
            return getattr(self, do)(**words)
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def prepare(self, copies, **problem):
        """`copies` sets of inputs are taken in turn, so that none is found in cache."""
        problem = Problem(**problem | {"shape": tuple(problem["shape"])})
        self.layer, draw = build(self.backend, problem, self.device)
        self.inputs, self.operation = [draw() for _ in range(copies)], None
        return {}

    def _next(self, operation):
        """The operation on the next set of inputs. What another operation has kept is dropped first."""
        if operation != self.operation:
            self.operation, self.calls = operation, None
            self.calls = cycle([calls_of(self.layer, operation, *pair) for pair in self.inputs])
        return next(self.calls)

    def time(self, operation, calls):
        return {"seconds": [seconds(self._next(operation)) for _ in range(calls)]}

    def memory(self, operation):
        """Bytes beyond the inputs at the worst moment of one call, outputs included; not told of a GPU's memory."""
        return {"bytes": resident_growth(self._next(operation)) if self.device == "cpu" else None}


def seconds(call) -> float:
    began = perf_counter()
    call()
    return perf_counter() - began


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
