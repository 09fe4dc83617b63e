"""Family: sizes, drawn from their seeds: planes, channels and batches as networks have them, and as no block divides.

A slot says what kind of size it asks for; the member that stands in it is drawn. Slots differ in all they can, so that
few of them cover many tails of vectors, blocks and grids.
"""

from dataclasses import replace
from math import prod

from .bits import raw
from .draft import draft, step

CHANNELS = (17, 28, 31, 33)  # every tail of a vector between 5 and 65
STORED = 30_000  # elements of x; larger members are drawn when they are asked for


def pick(key, choices):
    """One of `choices`, by the bits of `key`."""
    return choices[int(raw(f"sizes|{key}", 1)[0]) % len(choices)]


def channels(slot):
    """The channel counts in a drawn order: the first slots have each of them once."""
    order = sorted(CHANNELS, key=lambda count: int(raw(f"sizes|{count}", 1)[0]))
    return order[slot % len(order)]


def odd(key, low, high):
    """An odd number from `low` (odd) to `high`."""
    return low + 2 * pick(key, range((high - low) // 2 + 1))


# slot -> shape, channel axis, what it asks for
SLOTS = [
    ("plane-7", (pick("7", (3, 5)), channels(0), 7, 7), 1, "planes of 7 by 7, as before the last pooling"),
    ("plane-14-last", (pick("14", (2, 3)), 14, 14, channels(1)), 3, "planes of 14 by 14, channels last"),
    ("plane-28", (2, channels(2), 28, 28), 1, "planes of 28 by 28"),
    ("lane", (3, channels(3), 8 * pick("lane", (4, 6)) + 1), 1, "one value more than whole vectors, odd m"),
    ("dense-odd", (odd("odd", 17, 63), channels(4)), 1, "odd m, dense"),
    ("dense-prime", (pick("prime", (521, 769, 1021)), channels(5)), 1, "a prime m past 512"),
    ("samples", (odd("samples", 769, 1023), 2, 1, 1), 1, "many samples of one pixel"),
    ("between", (odd("between", 5_001, 12_999), 5), 1, "m between 4,096 and 65,536"),
    ("plane-151", (1, 7, pick("151", (149, 151)), 151), 1, "a plane past 147 by 147, odd channels innermost"),
    ("half-count", (odd("half", 69_001, 70_999), 2), 1, "more float16 samples than float16 can count"),
]
# what a slot is asked beside its size
WORDS = {"half-count": {"x": "float16", "params": "float32"}}
MEMORY = {"plane-151": "channels-last"}


def sizes():
    for tag, shape, axis, says in SLOTS:
        large = prod(shape) > STORED
        made = draft(
            f"sizes/{tag}",
            f"{says}: {' x '.join(map(str, shape))}",
            "BN-1.2 BN-1.3 BN-2.1 BN-2.2 BN-5.1",
            shape=shape,
            axes=axis,
            mean=1.0,
            steps=[step(memory=MEMORY.get(tag, "contiguous")), step("infer", dy=None)],
            since=2,
            **WORDS.get(tag, {}),
        )
        yield replace(made, case=replace(made.case, large=large))


FAMILIES = (sizes,)
