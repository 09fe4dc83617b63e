"""Families: shapes and layouts, memory."""

from .draft import draft, step

# id, shape, channel axes, clauses, what it shows. (few shapes, each used by many cases: compilers compile little)
SHAPES = [
    ("dense", (12, 5), 1, "BN-1.2 BN-2.1 BN-2.2 BN-2.3", "dense activations, one statistic a feature"),
    ("ncl", (6, 3, 7), 1, "BN-1.3", "channels first, one spatial axis"),
    ("nlc", (6, 7, 3), 2, "BN-1.3", "channels last, one spatial axis"),
    ("nchw", (4, 3, 4, 5), 1, "BN-1.3 BN-2.3", "convolution sharing: one pair (gamma, beta) a feature map"),
    ("nhwc", (4, 4, 5, 3), 3, "BN-1.3 BN-2.3", "convolution sharing, channels last"),
    ("ncdhw", (2, 3, 3, 4, 2), 1, "BN-1.3", "three spatial axes, channels first"),
    ("ndhwc", (2, 3, 4, 2, 3), 4, "BN-1.3", "three spatial axes, channels last"),
    ("rank6", (2, 3, 2, 3, 2, 2), 1, "BN-1.1 BN-1.3", "four spatial axes, channels first"),
    ("rank6-last", (2, 2, 3, 2, 2, 3), 5, "BN-1.1 BN-1.3", "four spatial axes, channels last"),
    ("batch-last", (3, 12), 0, "BN-1.1", "the channel axis may be the first of all"),
    ("middle", (4, 5, 3, 2), 2, "BN-1.1 BN-1.3", "a channel axis in the middle"),
    ("per-activation", (6, 3, 4), (1, 2), "BN-1.4", "one pair an activation, the unshared counterpart of sharing"),
    ("per-activation-swapped", (6, 3, 4), (2, 1), "BN-1.4", "parameter axes in the order channel_axes gives"),
    ("ambiguous-first", (4, 4, 4, 4), 1, "BN-1.1 BN-1.3", "all axes equally long: a guessed channel axis shows"),
    ("ambiguous-last", (4, 4, 4, 4), 3, "BN-1.1 BN-1.3", "all axes equally long, channels last"),
    ("size-collision", (8, 4, 6, 4), 1, "BN-1.1 BN-1.3", "width equals the channel count: a guess by size shows"),
    ("one-channel", (8, 1, 3, 3), 1, "BN-1.3", "C = 1"),
    ("channels-65", (4, 65, 3, 3), 1, "BN-1.3", "C = 65: channels past the last power of two"),
    ("channels-65-dense", (9, 65), 1, "BN-1.2", "C = 65, dense"),
    ("channels-65-last", (4, 3, 3, 65), 3, "BN-1.3", "C = 65, channels last"),
    ("channels-1000", (6, 1000), 1, "BN-1.2", "C = 1000, dense: as wide as a classifier"),
    ("one-by-one", (8, 3, 1, 1), 1, "BN-1.3 BN-1.2", "spatial size 1: m is the batch size"),
    ("odd-plane", (2, 3, 13, 17), 1, "BN-1.3", "a plane that no vector width divides"),
    ("odd-plane-last", (2, 13, 17, 3), 3, "BN-1.3", "the same plane, channels last"),
    ("two", (2, 5), 1, "BN-1.2 BN-2.2", "m = 2: ddof 0 and 1 differ by a factor of two"),
]

MEMORY = [
    ("sliced", "every second row of a larger array"),
    ("transposed", "axes stored in reverse order"),
    ("channels-last", "channels innermost in memory under a channels-first shape"),
    ("offset", "starting one element into a buffer"),
    ("strided-last", "every second element of the innermost axis"),
]


def shapes():
    for name, shape, axes, clauses, says in SHAPES:
        yield draft(f"shapes/{name}", says, clauses, shape=shape, axes=axes)


def memory():
    for name, says in MEMORY:
        for tag, shape in (("nchw", (4, 3, 4, 5)), ("dense", (12, 5))):
            steps = [step(memory=name), step("infer", memory=name)]
            yield draft(f"memory/{name}-{tag}", f"x and dy {says}", "BN-8.3", shape=shape, steps=steps)


COLUMN, IMAGE, VOLUME = (2, 2, 3, 1), (1, 3, 4, 5), (2, 2, 3, 1, 2)

# id, shape, memory of x and of dy, what lies so
APART = [
    ("nchw", (4, 3, 4, 5), "channels-last|contiguous", "x has its channels innermost"),
    ("nchw-back", (4, 3, 4, 5), "contiguous|channels-last", "dy has its channels innermost"),
    ("reversed", (4, 3, 4, 5), "transposed|reversed", "x lies transposed, dy backwards"),
    ("dense", (12, 5), "transposed|strided-last", "x lies transposed, dy in every second place"),
    (
        "column",
        COLUMN,
        "order-0213|contiguous",
        "a plane one wide, x with its channels innermost, as after a transpose",
    ),
    ("column-back", COLUMN, "contiguous|order-0213", "a plane one wide, dy with its channels innermost"),
    ("image", IMAGE, "order-2301|contiguous", "one image, x as read from a file of (height, width, channels)"),
    ("image-back", IMAGE, "contiguous|order-2301", "one image, dy with its channels innermost"),
    ("volume", VOLUME, "order-02413|contiguous", "a volume one high, x with its channels innermost"),
]


def apart():
    """x and dy each in a memory order of its own."""
    for tag, shape, memory, says in APART:
        steps = [step(memory=memory)] + [step("infer", memory=memory)] * (shape != VOLUME)
        yield draft(f"memory/apart-{tag}", says, "BN-8.3 BN-5.1", shape=shape, steps=steps, since=2)
    for kind in ("float16", "bfloat16"):
        yield draft(
            f"memory/apart-{kind}-mixed",
            f"{kind} x, contiguous; dy with its channels innermost",
            "BN-8.3 BN-8.2 BN-5.1",
            shape=(4, 3, 4, 5),
            x=kind,
            params="float32",
            steps=[step(memory="contiguous|channels-last"), step("infer", memory="contiguous|channels-last")],
            since=2,
        )


def strides():
    """Strides that are negative, and strides of 0."""
    for tag, shape in (("nchw", (4, 3, 4, 5)), ("dense", (12, 5))):
        steps = [step(memory="reversed"), step("infer", memory="reversed")]
        says = "x and dy lie backwards: every stride is negative"
        yield draft(f"memory/reversed-{tag}", says, "BN-8.3", shape=shape, steps=steps, since=2)
        for dy, says in (("one", "the gradient of a sum: dy is one number under strides of 0"),) + (
            (("pooled", "the gradient of a mean over the plane: dy has strides of 0 there"),) if tag == "nchw" else ()
        ):
            memory = {"dy": dy, "memory": "contiguous|expanded"}
            yield draft(
                f"memory/expanded-{dy}-{tag}",
                says,
                "BN-8.3 BN-5.1 BN-5.2",
                shape=shape,
                steps=[step(**memory), step("infer", **memory)],
                since=2,
            )


FAMILIES = (shapes, memory, apart, strides)
