"""Families: running statistics, mode and state."""

from .draft import draft, step

SIZES = (4, 7, 2, 5, 3)  # batches of varying size: m enters the running variance with ddof 1
WIDE = {"mean": 3.0, "std": 2.0}


def trains(sizes=SIZES, dy=None):
    return [step(n=n, dy=dy) for n in sizes]


def running():
    for tag, decay, clauses in [
        ("decay-0.9", 0.9, "BN-3.1 BN-3.3"),
        ("decay-0.75", 0.75, "BN-3.1"),
        ("decay-0.1", 0.1, "BN-3.1"),
        ("decay-0", 0.0, "BN-3.1 BN-3.3"),
        ("decay-1", 1.0, "BN-3.1"),
        ("cumulative", None, "BN-3.2 BN-3.3"),
    ]:
        for layout, shape, axes in (("ncl", (4, 3, 2), 1), ("nlc", (4, 2, 3), 2), ("dense", (4, 3), 1)):
            yield draft(
                f"running/{tag}-{layout}",
                f"five steps of batch sizes {', '.join(map(str, SIZES))}, then inference; {tag}",
                clauses + " BN-4.1 BN-3.6",
                shape=shape,
                axes=axes,
                decay=decay,
                steps=[*trains(), step("infer", n=4)],
                **WIDE,
            )
    yield draft(
        "running/long",
        "twelve steps with a slow decay from a state far from the data",
        "BN-3.1 BN-3.6",
        shape=(4, 3, 2),
        decay=0.99,
        steps=[*trains(SIZES + SIZES + (4, 7)), step("infer", n=4)],
        running=((-2.0, 5.0, 0.0), (0.125, 9.0, 4.0)),
        **WIDE,
    )
    yield draft(
        "running/paired-ddof",
        "m = 2 in every step: the factor m/(m-1) is 2",
        "BN-3.3",
        shape=(2, 3),
        decay=0.5,
        steps=[*trains((2, 2, 2, 2, 2)), step("infer", n=2)],
        **WIDE,
    )
    yield draft(
        "running/wide-mean",
        "batch means that differ much from batch to batch: the variance is of a batch, not of the whole",
        "BN-3.1 BN-3.6",
        shape=(4, 3, 2),
        decay=0.7,
        steps=[
            step(n=4, dy=None, edit=lambda x: x + 8.0),
            step(n=7, dy=None, edit=lambda x: x - 5.0),
            step(n=2, dy=None),
            step("infer", n=4),
        ],
        **WIDE,
    )
    for tag, state in (
        ("mean-far", ((50.0, -40.0, 30.0), (1.0, 1.0, 1.0))),
        ("variance-far", ((0.0,), (100.0, 0.01, 25.0))),
    ):
        yield draft(
            f"running/{tag}",
            "a state far from the data enters the blend but not the normalization of the step",
            "BN-3.1 BN-3.6 BN-2.3",
            shape=(4, 3, 2),
            running=state,
            steps=[*trains((4, 7), dy="structured"), step("infer", n=4)],
        )


def population():
    for tag, shape, axes in (("dense", (21, 3), 1), ("ncl", (21, 3, 2), 1)):
        yield draft(
            f"population/{tag}",
            "the paper's statistics for inference over five batches of varying size",
            "BN-3.4",
            shape=shape,
            axes=axes,
            running=None,
            steps=[step("population", sizes=list(SIZES))],
            **WIDE,
        )


def mode():
    shape = (4, 3, 2)
    yield draft(
        "mode/evaluation-keeps-state",
        "three inference steps: state untouched, batch statistics unused",
        "BN-4.1 BN-4.4",
        shape=shape,
        steps=[step("infer", n=4), step("infer", n=7), step("infer", n=1)],
        **WIDE,
    )
    yield draft(
        "mode/alternating",
        "train, infer, train, infer: each train step updates exactly once",
        "BN-3.6 BN-4.4 BN-4.1",
        shape=shape,
        steps=[step(n=4), step("infer", n=7), step(n=2), step("infer", n=4), step("infer", n=4), step(n=4)],
        **WIDE,
    )
    yield draft(
        "mode/frozen",
        "frozen statistics with gradients: inference formulas, state kept",
        "BN-4.4 BN-5.2",
        shape=shape,
        steps=[step("frozen", n=4), step("frozen", n=7)],
        **WIDE,
    )
    yield draft(
        "mode/frozen-between",
        "training steps around frozen ones",
        "BN-4.4 BN-3.6 BN-5.2",
        shape=shape,
        steps=[step(n=4), step("frozen", n=7), step(n=2), step("infer", n=4)],
        **WIDE,
    )
    yield draft(
        "mode/one-sample-inference",
        "inference on a single sample",
        "BN-4.1",
        shape=(1, 3, 1, 1),
        steps=[step("infer", n=1)],
    )
    yield draft(
        "mode/forward-only",
        "training steps whose gradient nobody asks for update the state all the same",
        "BN-3.6",
        shape=shape,
        steps=[step(n=4, dy=None), step(n=4, dy=None), step("infer", n=4, dy=None)],
        **WIDE,
    )


FAMILIES = (running, population, mode)
