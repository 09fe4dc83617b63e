"""Mistakes that only the arithmetic shows, and the problems on which each must show."""

from dataclasses import replace

import numpy as np

from .kernels import FAIR, MISTAKES
from .problems import Batch, draw
from .study import OUTPUTS, gather

CHANNELS = 8  # of one case: its score is that of its worst channel

# mistake -> (m, mean / std from, to): where it changes the result by more than rounding does
NAMED = {
    "half-precision accumulation": ((64, 256, 1024), 0.1, 10.0),
    "one-pass declared as two-pass": ((32, 256, 1024), 1e3, 1e5),
    "inverse root of 12 bits": ((4, 16, 64), 0.1, 1.0),
    "eps rounded to half": ((4, 16, 64), 0.1, 1.0),
    "statistics stored in half": ((16, 64, 256), 0.1, 100.0),
}


def cases(name: str, seed: int, count: int):
    """Batches of `count` cases of CHANNELS channels each that name the mistake: bell-shaped x, eps beside the
    variance."""
    rng = np.random.default_rng([seed, sorted(NAMED).index(name)])
    counts, low, high = NAMED[name]
    for m in counts:
        yield _settled(rng, draw(rng, m, CHANNELS * count), low, high)


def _settled(rng, batch: Batch, low, high) -> Batch:
    """The batch with new x of scale 1/4 to 4 and the given mean / std, and eps of the size of the variance."""
    size = batch.x.shape[1]
    ratio, scale = (10.0 ** rng.uniform(np.log10(a), np.log10(b), size) for a, b in ((low, high), (0.25, 4.0)))
    eps = scale**2 * 10.0 ** rng.uniform(-0.5, 0.5, size)
    z = rng.standard_normal(batch.x.shape)
    kind = batch.x.dtype
    new = {
        "x": scale * (z + ratio),
        "running_mean": scale * ratio,
        "running_var": scale**2,
        "dy": z**3 + rng.standard_normal(z.shape),
    }
    return replace(
        batch, ratio=ratio, eps=eps.astype(kind).astype(np.float64), **{k: v.astype(kind) for k, v in new.items()}
    )


def measure(seed: int, count: int) -> dict[str, dict]:
    """Mistake -> smallest and median score of its cases, the smallest share above 10, and the largest score of right
    variants."""
    fair = tuple(variant for variant in FAIR if variant.moments.__name__ not in ("welford", "merged"))
    found = {}
    for name in NAMED:
        scores = gather(cases(name, seed, count), (MISTAKES[name], *fair), sums_of=())
        by_case = _worst(scores, name).reshape(-1, CHANNELS).max(axis=1)
        right = max(np.nanmax(_worst(scores, variant.name)) for variant in fair)
        found[name] = {
            "cases": len(by_case),
            "smallest": float(np.min(by_case)),
            "median": float(np.median(by_case)),
            "right": float(right),
        }
    return found


def _worst(scores, name):
    """Worst score of every problem over all outputs."""
    return np.nanmax([scores.of(name, output) for output in OUTPUTS], axis=0)
