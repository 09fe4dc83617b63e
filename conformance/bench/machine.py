"""The machine: what it is, and how fast it copies."""

import os
import platform
import re
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from time import perf_counter

import numpy as np

from bnconform.engine.c_tile import FUNCTIONS

COPIED = 1 << 28  # bytes of the array that is copied: beyond most caches
PACKAGES = ("numpy", "torch", "keras", "tensorflow-cpu", "tensorflow", "jax", "flax", "bnconform")


def _versions():
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _cpu():
    try:
        return re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())[1]
    except (OSError, TypeError):
        return platform.processor() or platform.machine()


def _memory():
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def describe(threads, device):
    """What a reader needs to judge the figures."""
    load = os.getloadavg() if hasattr(os, "getloadavg") else (None,)
    found = {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": threads,
        "memory_bytes": _memory(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "load_average_before": load[0] if load[0] is None else round(load[0], 1),
        "versions": _versions(),
        "engine": "kernels.c" if FUNCTIONS else "NumPy",
    }
    return found | ({"gpu": _gpu()} if device == "gpu" else {})


def _gpu():
    try:
        import torch

        p = torch.cuda.get_device_properties(0)
        return {"name": p.name, "memory_bytes": p.total_memory, "driver": _driver(), "cuda": torch.version.cuda}
    except (ImportError, RuntimeError, AssertionError):
        return {"driver": _driver()}


def _driver():
    try:
        return re.search(r"Kernel Module\s+(?:for \S+\s+)?(\S+)", Path("/proc/driver/nvidia/version").read_text())[1]
    except (OSError, TypeError):
        return None


class CopyBandwidth:
    """Bytes a second of copying an array larger than the caches: every byte read once and written once.

    What the processor reads of the target before it writes is not counted, as it is not for the implementations.
    """

    def __init__(self, threads, size=COPIED):
        self.threads, self.source = threads, np.ones(size // 8)
        self.target = np.zeros_like(self.source)
        self.seconds = []

    def measure(self):
        """One copy by all threads."""
        step = -(-self.source.size // self.threads)
        parts = [slice(at, at + step) for at in range(0, self.source.size, step)]
        with ThreadPoolExecutor(self.threads) as pool:
            began = perf_counter()
            list(pool.map(lambda part: np.copyto(self.target[part], self.source[part]), parts))
            self.seconds.append(perf_counter() - began)

    @property
    def bytes_per_second(self):
        return 2 * self.source.nbytes / float(np.median(self.seconds))


class DeviceBandwidth:
    """The same on the GPU, by torch, timed with events."""

    def __init__(self, size=1 << 30):
        import torch

        self.torch, self.source = torch, torch.ones(size // 4, device="cuda")
        self.target, self.seconds = torch.empty_like(self.source), []

    def measure(self):
        begin, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        self.target.copy_(self.source)
        end.record()
        end.synchronize()
        self.seconds.append(begin.elapsed_time(end) / 1e3)

    @property
    def bytes_per_second(self):
        return 2 * self.source.nbytes / float(np.median(self.seconds))
