"""The interleaved measurement: every implementation takes its turn in every round, so that a slow moment hits all."""

from dataclasses import asdict
from math import ceil, inf, prod
from statistics import median

from bnconform.backends.registry import entries

from ..run.process import Worker, WorkerLost
from .engine import OWN
from .problems import BYTES, OPERATIONS

GPU_CACHE = 1 << 27  # bytes that the rotated inputs must exceed on a GPU: more than twice the largest level-2 cache
SHORTEST = 0.02  # seconds a turn lasts at least, so that a clock tick or a call's overhead is not what is measured
PATIENCE = 600.0  # seconds an answer may take, compilation included
WRONG_USE = ("NoDevice", "NotInstalled", "UnknownImplementation")


class Refused(Exception):
    """An implementation cannot run here; the text says why. `wrong_use`: the command line asked for the impossible."""

    def __init__(self, text, wrong_use=False):
        super().__init__(text)
        self.wrong_use = wrong_use


class Process:
    """A worker that times one implementation."""

    def __init__(self, name, device, threads):
        self.name = name
        names = "OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"
        environment = dict.fromkeys(names, str(threads)) | {"TF_ENABLE_ONEDNN_OPTS": "1"}
        self.worker = Worker(OWN.get(name, name), device, memory=inf, environment=environment)
        try:
            hello = self.worker.start()
        except WorkerLost as lost:
            self.close()
            raise Refused(f"{name}: {lost}") from None
        if hello.problem:
            self.close()
            raise Refused(f"{name}: {hello.text}", hello.problem in WRONG_USE)
        self.version = hello.version

    def ask(self, do, **words):
        """An answer of `timing.Timing`. Errors: Refused."""
        try:
            found = self.worker.bench(do, PATIENCE, **words)
        except WorkerLost as lost:
            raise Refused(f"{self.name}: {lost}") from None
        if "error" in found:
            raise Refused(f"{self.name}: {found['error']}")
        return found

    def close(self):
        self.worker.stop()


def installed():
    """Names of the reference, of the engine and of the registered implementations whose framework is there."""
    registered = [name for name, found in entries().items() if not found.missing() and name != "numpy-ddof0"]
    return list(dict.fromkeys(["numpy", *OWN, *registered]))


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
