"""The interleaved measurement: every implementation takes its turn in every round, so that a slow moment hits all."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from math import ceil, prod
from statistics import median

from bnconform.backends.registry import entries

from .drivers import OWN
from .problems import BYTES, OPERATIONS

GPU_CACHE = 1 << 27  # bytes that the rotated inputs must exceed on a GPU: more than twice the largest level-2 cache
SHORTEST = 0.02  # seconds a turn lasts at least, so that a clock tick or a call's overhead is not what is measured


class Refused(Exception):
    """An implementation cannot run here; the text says why. `wrong_use`: the command line asked for the impossible."""

    def __init__(self, text, wrong_use=False, no_gpu=False):
        super().__init__(text)
        self.wrong_use, self.no_gpu = wrong_use, no_gpu


class Process:
    """The parent's end of a worker."""

    def __init__(self, name, device, threads):
        self.name = name
        environment = dict(os.environ) | {k: str(threads) for k in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        environment |= {"OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment |= {"TF_NUM_INTRAOP_THREADS": str(threads)}
        found = entries().get(name)
        environment |= dict(found.environment) if found else {}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bnconform.conformance.bench.worker", name, device, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self.version = self._answer()["version"]

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise Refused(f"{self.name}: its process ended with status {self.process.wait()}")
        found = json.loads(line)
        if "error" in found:
            raise Refused(f"{self.name}: {found['error']}", found.get("wrong_use", False), found.get("no_gpu", False))
        return found

    def ask(self, do, **arguments):
        try:
            print(json.dumps({"do": do} | arguments), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass  # the missing answer says it
        return self._answer()

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def installed():
    """Names of the own implementations and of the registered ones whose framework is there."""
    registered = [name for name, found in entries().items() if name not in OWN and not found.missing()]
    return [*OWN, *(name for name in registered if name != "numpy-ddof0")]


def start(names, device, threads):
    """The processes by name, and why others could not be started."""
    processes, refused = {}, {}
    for name in names:
        try:
            processes[name] = Process(name, device, threads)
        except Refused as error:
            refused[name] = error
    return processes, refused


def _prepared(processes, problem, copies):
    ready, refused = {}, {}
    for name, process in processes.items():
        try:
            process.ask("prepare", copies=copies, **asdict(problem))
            ready[name] = process
        except Refused as error:
            refused[name] = str(error)
    return ready, refused


def measure(processes, problem, repeats, device, bandwidth, tell=lambda text: None):
    """Rows of one problem: implementation, operation, median seconds and what follows from it."""
    tell(problem.id)
    size = prod(problem.shape) * BYTES[problem.dtype]
    copies = 1 if device == "cpu" else min(64, 1 + ceil(GPU_CACHE / size))
    ready, refused = _prepared(processes, problem, copies)
    rows = [{"implementation": name, "problem": problem.id, "error": text} for name, text in refused.items()]
    for operation in OPERATIONS:
        rows += _operation(ready, problem, operation, repeats, bandwidth)
    return rows


def _operation(ready, problem, operation, repeats, bandwidth):
    turns, calls, rows = {}, {}, []
    common = {"problem": problem.id, "operation": operation, "bytes": problem.bytes(operation)}
    for name, process in list(ready.items()):
        try:
            process.ask("time", operation=operation, calls=2)  # compiles, and fills the allocators
            once = process.ask("time", operation=operation, calls=1)["seconds"][0]
            calls[name], turns[name] = max(1, min(100, ceil(SHORTEST / max(once, 1e-6)))), []
        except Refused as error:
            rows.append({"implementation": name, "error": str(error)} | common)
    for _ in range(repeats):
        bandwidth.measure()
        for name in turns:
            turns[name].append(median(ready[name].ask("time", operation=operation, calls=calls[name])["seconds"]))
    for name, seconds in turns.items():
        memory = ready[name].ask("memory", operation=operation)["bytes"]
        rows.append(
            {"implementation": name, "seconds": median(seconds), "turns": seconds, "peak_bytes": memory} | common
        )
    return rows


def complete(rows, bytes_per_second):
    """Add what compares: to the fastest, to torch (median of the turns' ratios), to the bandwidth of a copy.

    bandwidth_share = bytes / seconds / bytes_per_second.
    """
    for row in rows:
        if "seconds" not in row:
            continue
        others = [
            r for r in rows if r.get("seconds") and (r["problem"], r["operation"]) == (row["problem"], row["operation"])
        ]
        row["to_fastest"] = row["seconds"] / min(r["seconds"] for r in others)
        torch = next((r for r in others if r["implementation"] == "torch"), None)
        row["to_torch"] = torch and median(a / b for a, b in zip(row["turns"], torch["turns"]))
        row["bandwidth_share"] = row["bytes"] / row["seconds"] / bytes_per_second
    return rows
