"""One measurement from seed to verdict, the same each time."""

import contextlib
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from .data import Images
from .record import Claim, Result, judge
from .style import svg

T = TypeVar("T")
Track = Callable[[Sequence[Any], str], Iterable[Any]]


def _silent(items: Sequence[Any], what: str) -> Iterable[Any]:
    return items


@dataclass(frozen=True)
class Run:
    """What a measurement is given: sizes, data, a device, seeds, and a progress bar."""

    name: str
    settings: Mapping[str, Any]
    images: Images
    seed: int = 0
    device: str = "cpu"
    progress: Track = _silent

    def __getitem__(self, key: str) -> Any:
        return self.settings[key]

    def track(self, items: Iterable[T], what: str) -> Iterable[T]:
        """The items, with a bar that advances as they are taken."""
        return self.progress(list(items), what)

    def key(self, *parts: int) -> int:
        """A seed of 31 bits that depends on the run's seed, the claim's name and `parts` alone."""
        words = np.random.SeedSequence([self.seed, zlib.crc32(self.name.encode()), *parts]).generate_state(1)
        return int(words[0]) & 0x7FFFFFFF

    def rng(self, *parts: int) -> np.random.Generator:
        """A NumPy generator for `parts`: PCG64, whose stream NumPy keeps stable."""
        return np.random.Generator(np.random.PCG64(self.key(*parts)))


@contextlib.contextmanager
def deterministic(threads: int = 1) -> Iterator[None]:
    """Fixed thread count, deterministic kernels and an own torch random state; all put back at the end.

    The number of threads is part of the result: it sets the order of float sums.
    """
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # torch demands it for deterministic CUDA products
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    try:
        with torch.random.fork_rng():
            yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])


def execute(
    claim: Claim, images: Images, *, quick: bool, seed: int = 0, device: str = "cpu", progress: Track = _silent
) -> Result:
    """Measure one claim, judge it by its criterion and draw it."""
    settings = claim.quick if quick else claim.full
    with deterministic():
        measurement = claim.measure(Run(claim.name, settings, images, seed, device, progress))
    verdict, outcomes = judge(claim.checks, measurement.numbers)
    return Result(
        claim, settings, verdict, outcomes, measurement.numbers, measurement.notes, svg(claim.draw, measurement)
    )
