"""Cases too large to freeze: drawn again from their bits when they are asked for, and checked by hash."""

from dataclasses import replace

import numpy as np

from .draft import Draft, draft, step

LONG = (64, 1, 64, 64)  # m = 2^18
PERIOD = (
    61  # distinct channels of a case with very many; no power of two, so that no block of threads sees a repetition
)


def long_sums():
    """m = 2^18 at several conditionings and in several types."""
    for tag, says, words in [
        ("ratio-1", "mean / standard deviation = 1", {"mean": 1.0}),
        ("ratio-1e3", "mean / standard deviation = 1e3", {"mean": 1e3}),
        ("ratio-1e5", "mean / standard deviation = 1e5: every addition rounds, mostly to the same side", {"mean": 1e5}),
        ("float64", "float64, mean / standard deviation = 1e6", {"mean": 1e6, "x": "float64"}),
        (
            "float16",
            "float16 x whose sum, 6e6, float16 cannot hold",
            {"mean": 24.0, "x": "float16", "params": "float32"},
        ),
        (
            "bfloat16",
            "bfloat16 x whose sum a bfloat16 accumulator cannot hold",
            {"mean": 24.0, "std": 2.0, "x": "bfloat16", "params": "float32"},
        ),
    ]:
        yield _large(f"large/sum-{tag}", f"one statistic over 2^18 values; {says}", shape=LONG, **words)
    yield _large(
        "large/sum-last",
        "two channels last, m = 2^17, mean / standard deviation = 100",
        shape=(32, 64, 64, 2),
        axes=3,
        mean=100.0,
    )


def many():
    """Past 65,535 samples and channels, where an index of 16 bits or a grid of 65,535 blocks ends."""
    yield _large("large/samples", "65,537 samples of three features", shape=(65537, 3), mean=3.0, std=2.0)
    yield _large("large/samples-image", "65,537 images of one pixel", shape=(65537, 2, 1, 1), mean=3.0, std=2.0)
    for tag, shape in (("dense", (6, 65537)), ("image", (2, 65537, 2, 1))):
        yield _repeated(f"large/channels-{tag}", f"65,537 channels, of which {PERIOD} are distinct", shape)


def _large(id, says, **words):
    words = {"eps": 1e-5, "spread": (0.25, -0.5), "running": ((0.5,), (1.5,)), **words}
    made = draft(id, says, "BN-1.2 BN-2.1 BN-2.2 BN-2.3 BN-5.1", steps=[step()], **words)
    return replace(made, case=replace(made.case, large=True))


def _repeated(id, says, shape):
    """Channel c is channel c mod PERIOD of a smaller draft, in every tensor."""
    small = draft(
        id, says, "BN-1.1 BN-1.2 BN-1.5", shape=(shape[0], PERIOD, *shape[2:]), steps=[step(), step("infer")], mean=1.0
    )
    copies = np.arange(shape[1]) % PERIOD
    tensors = {
        name: np.take(value, copies, axis=1 if name.endswith((".x", ".dy")) else 0)
        for name, value in small.tensors.items()
    }
    return Draft(replace(small.case, shape=shape, large=True), tensors)


def shrinking():
    """A batch of half the size after a whole one: what a larger batch leaves in a buffer is none of its business."""
    made = draft(
        "large/batch-64-then-32",
        "64 images, then 32, then 64 again",
        "BN-3.6 BN-2.1 BN-5.1",
        shape=(64, 4, 32, 32),
        steps=[step(), step(n=32), step(n=64, dy=None)],
        mean=1.0,
        since=2,
    )
    yield replace(made, case=replace(made.case, large=True))


FAMILIES = (long_sums, many, shrinking)
