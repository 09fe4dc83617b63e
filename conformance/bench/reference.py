"""The engine beside PyTorch in one process, on the same threads, taking turns.

    python -m bnconform.conformance.bench.reference [--threads N] [--rounds N] [--numpy]

PyTorch computes in float32 with autograd, the engine in float64 from float32 to float32. Ratios are medians of the
rounds' ratios, of the clock's seconds; on one thread of processor seconds, which do not depend on what else runs. The
last column is a copy of x from memory to memory, which no inference can undercut by much.
"""

import os
import time
from math import prod
from statistics import median

import click
from rich import box
from rich.console import Console
from rich.table import Table

from bnconform.engine.c_tile import FUNCTIONS

from .engine import Engine, FusedEngine
from .machine import CopyBandwidth
from .problems import OPERATIONS, Problem
from .timing import build, calls_of

PROBLEMS = {
    "NCHW": Problem("nchw", (32, 64, 56, 56)),
    "NHWC": Problem("nhwc", (32, 64, 56, 56), "last"),
    "dense": Problem("dense", (100352, 64)),
    "long-thin": Problem("long-thin", (2, 3, 1 << 20)),
    "short-wide": Problem("short-wide", (32, 200704)),
}
# column -> the engine's class, its operation; PyTorch does the operation of the same name
COLUMNS = {
    "step, fused": (FusedEngine, "step"),
    "step, two calls": (Engine, "step"),
    "forward": (Engine, "forward"),
    "backward": (Engine, "backward"),
    "inference": (Engine, "inference"),
}
REST = 0.01  # seconds between two calls, so that threads of PyTorch that still spin do not slow the engine down


def seconds(call, clock):
    """Of one call."""
    time.sleep(REST)
    began = clock()
    call()
    return clock() - began


def _calls(cls, problem):
    """operation -> a call of it."""
    layer, draw = build(cls, problem, "cpu")
    x, dy = draw()
    return {operation: calls_of(layer, operation, x, dy) for operation in OPERATIONS}


def compared(problem, threads, rounds):
    """Column -> (ratio to PyTorch, seconds of the engine, seconds of PyTorch), and the seconds of a copy of x."""
    import torch

    from bnconform.backends.torch_ import TorchModule

    os.environ["OMP_NUM_THREADS"] = str(threads)
    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    calls = {cls: _calls(cls, problem) for cls in (Engine, FusedEngine, TorchModule)}
    turns, copy = {column: [] for column in COLUMNS}, CopyBandwidth(threads, 4 * prod(problem.memory_shape))
    for turn in range(rounds + 1):
        for column, (cls, operation) in COLUMNS.items():
            pair = [seconds(calls[of][operation], clock) for of in (cls, TorchModule)]
            copy.measure()
            if turn:  # the first fills the allocators
                turns[column].append(pair)
    medians = {column: [median(side) for side in zip(*pairs)] for column, pairs in turns.items()}
    found = {column: (median(a / b for a, b in pairs), *medians[column]) for column, pairs in turns.items()}
    return found, median(copy.seconds)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--threads", default=os.cpu_count(), show_default="all cores", type=click.IntRange(1))
@click.option("--rounds", default=15, show_default=True, type=click.IntRange(1))
@click.option("--numpy", is_flag=True, help="The engine without kernels.c.")
def main(threads, rounds, numpy):
    """The engine's time over that of PyTorch's layer."""
    if numpy:
        FUNCTIONS.clear()
    table = Table(
        "float32", *COLUMNS, "copy of x", box=box.SIMPLE_HEAD, title="ratio (ms of the engine / ms of PyTorch)"
    )
    load = os.getloadavg()[0]
    for name, problem in PROBLEMS.items():
        found, copy = compared(problem, threads, rounds)
        cells = (f"{ratio:.2f} ({own * 1e3:.3g} / {torch * 1e3:.3g})" for ratio, own, torch in found.values())
        table.add_row(f"{name} {'x'.join(map(str, problem.memory_shape))}", *cells, f"{copy * 1e3:.3g}")
    console = Console(width=160)
    console.print(table)
    by = "kernels.c" if FUNCTIONS else "NumPy"
    console.print(
        f"{by}, {threads} threads, {rounds} rounds; load average before {load:.1f}, after {os.getloadavg()[0]:.1f}",
        highlight=False,
    )


if __name__ == "__main__":
    main()
