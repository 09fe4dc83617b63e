"""Random problems that span the conditioning of batch normalization, many at a time as columns of one array."""

from dataclasses import dataclass

import numpy as np

COUNTS = (2, 3, 4, 5, 7, 8, 12, 16, 25, 32, 50, 64, 100, 128, 256, 1024, 4096, 65536)
# how many elements each count gets: many small problems, a few long ones
SHARES = (9, 9, 9, 9, 9, 9, 9, 9, 6, 6, 6, 6, 4, 4, 2, 1, 0.25, 0.015)
ELEMENTS = 1 << 17  # of one batch: it stays in the cache


@dataclass(frozen=True)
class Batch:
    """Problems of one count m: x, dy, x_dot (m, problems); the rest one value a problem, decay and ddof one for all.

    ratio: mean / standard deviation as drawn. dtype: name of the type of all arrays.
    """

    x: np.ndarray
    dy: np.ndarray
    x_dot: np.ndarray
    gamma: np.ndarray
    beta: np.ndarray
    eps: np.ndarray
    running_mean: np.ndarray
    running_var: np.ndarray
    ratio: np.ndarray
    decay: float
    ddof: int
    dtype: str

    @property
    def m(self) -> int:
        return self.x.shape[0]


SHAPES = {
    "bell": lambda rng, size: rng.standard_normal(size),
    "uniform": lambda rng, size: rng.uniform(-1.7, 1.7, size),
    "heavy tail": lambda rng, size: rng.standard_normal(size) ** 3 / 4,
    "two values": lambda rng, size: rng.choice([-1.0, 1.0], size),
    "skewed": lambda rng, size: rng.exponential(1.0, size) - 1,
    "outlier": lambda rng, size: np.where(
        np.arange(size[0])[:, None] == size[0] // 2, np.sqrt(size[0]), 0.01 * rng.standard_normal(size)
    ),
    "coarse": lambda rng, size: np.round(rng.standard_normal(size) * 4) / 4,
    "sorted": lambda rng, size: np.sort(rng.standard_normal(size), axis=0),
    "constant": lambda rng, size: np.zeros(size),
}
GRADIENTS = {
    "cubic": lambda rng, z: z**3 + 0.25 * rng.standard_normal(z.shape),
    "noise": lambda rng, z: rng.standard_normal(z.shape),
    "linear": lambda rng, z: 1.0 * z,
    "constant": lambda rng, z: np.full(z.shape, 0.75),
    "positive": lambda rng, z: np.abs(rng.standard_normal(z.shape)) + 0.1,
    "square": lambda rng, z: z * z,
    "one-hot": lambda rng, z: np.where(np.arange(len(z))[:, None] == len(z) // 3, 3.0, 0.0) * np.ones_like(z),
    "large mean": lambda rng, z: 1000.0 + rng.standard_normal(z.shape),
}


def power(rng, low, high, count):
    """Numbers whose decimal exponents are uniform."""
    return 10.0 ** rng.uniform(low, high, count)


def draw(rng: np.random.Generator, m: int, count: int, dtype: str = "float32") -> Batch:
    """`count` problems of m values each.

    |mean| / std 0.1 to 1e7; scale 1e-3 to 1e3, for one problem in ten 1e-15 to 1e8; eps 1e-10 to 1 in units of 1, for
    every second problem in units of the variance.
    """
    kind = np.dtype(dtype)
    z = SHAPES[rng.choice(list(SHAPES))](rng, (m, count))
    ratio = power(rng, -1, 7, count)
    scale = np.where(rng.random(count) < 0.9, power(rng, -3, 3, count), power(rng, -15, 8, count))
    sign = rng.choice([-1.0, 1.0], count)
    eps = power(rng, -10, 0, count) * np.where(rng.random(count) < 0.5, scale**2, 1.0)
    eps = np.maximum(eps, 1e-25)  # r^2, which the second order needs, stays within float32
    x = (scale * (z + sign * ratio)).astype(kind)
    dy = GRADIENTS[rng.choice(list(GRADIENTS))](rng, z) * power(rng, -3, 3, count)
    far = 1 + 0.3 * rng.standard_normal(count)
    return Batch(
        x=x,
        dy=dy.astype(kind),
        x_dot=(rng.standard_normal(z.shape) + rng.choice([0.0, 1.0, 10.0])).astype(kind),
        gamma=(rng.choice([-1.0, 1.0], count) * power(rng, -2, 2, count)).astype(kind),
        beta=(rng.standard_normal(count) * power(rng, -2, 2, count)).astype(kind),
        eps=eps.astype(kind).astype(np.float64),
        running_mean=(scale * (sign * ratio + rng.standard_normal(count))).astype(kind),
        running_var=(scale**2 * far**2).astype(kind),
        ratio=ratio,
        decay=float(rng.choice([0.0, 0.1, 0.9, 0.99, 0.999])),
        ddof=int(rng.choice([0, 1])),
        dtype=dtype,
    )


def stream(seed: int, problems: int, dtype: str = "float32", longest: int = COUNTS[-1]):
    """Batches of together at least `problems` problems; the same seed gives the same batches."""
    rng = np.random.default_rng(seed)
    counts = [m for m in COUNTS if m <= longest]
    shares = np.array(SHARES[: len(counts)])
    wanted = np.maximum(1, np.round(problems * shares / shares.sum())).astype(int)
    for m, count in zip(counts, wanted):
        size = max(1, min(ELEMENTS // m, max(16, -(-count // 12))))
        for start in range(0, count, size):
            yield draw(rng, m, min(size, count - start), dtype)
