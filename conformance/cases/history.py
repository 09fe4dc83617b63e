"""Families: history (what a layer was asked before), built (what it starts from)."""

from .draft import draft, step

NCL, NCHW = (4, 3, 2), (4, 3, 4, 5)
WIDE = {"mean": 3.0, "std": 2.0}


def history():
    """The same layer, asked again."""
    again = {"n": 4, "again": 0}
    for tag, says, clauses, steps in [
        (
            "refilled",
            "each step finds x and dy in the arrays of the first, filled anew",
            "BN-8.3 BN-3.6",
            [step(), step(refill=1), step("infer", refill=1), step(refill=1), step("infer", refill=1)],
        ),
        (
            "same-input",
            "the same input again and again, in training and inference",
            "BN-3.1 BN-3.6 BN-4.4",
            [step(), step(**again), step("infer", **again), step("infer", **again), step(**again, repeat=3)],
        ),
        (
            "state-once",
            "five training steps before anybody asks for the state",
            "BN-3.6",
            [*(step(n=n, dy=None, state=False) for n in (4, 7, 4, 7)), step(n=4, dy=None)],
        ),
        (
            "state-never",
            "training steps whose state nobody asks for, then inference",
            "BN-3.6 BN-4.1",
            [*(step(n=n, dy=None, state=False) for n in (4, 7, 4)), step("infer", dy=None, state=False)],
        ),
        (
            "inference-around",
            "inference, a training step whose gradient nobody asks for, and the same inference",
            "BN-3.6 BN-4.1",
            [
                step("infer", dy=None, state=False),
                step(dy=None, state=False, edit=lambda x: 2 * x - 5),
                step("infer", dy=None, state=False, again=0),
            ],
        ),
    ]:
        yield draft(f"history/{tag}", says, clauses, shape=NCL, steps=steps, since=2, **WIDE)
    yield draft(
        "history/sizes-between",
        "one sample, many, and one again: nothing of a larger batch is left",
        "BN-3.6 BN-4.1",
        shape=NCHW,
        steps=[step("infer", n=1), step(n=64), step("infer", n=1), step(n=4)],
        since=2,
    )


def counts():
    """Averages over more steps than half precision can count."""
    for count in (300, 2100):
        yield draft(
            f"history/cumulative-{count}",
            f"a cumulative average over {count + 2} steps, the last far from the others",
            "BN-3.2 BN-3.6",
            shape=NCL,
            decay=None,
            steps=[step(n=4, dy=None), step(n=7, dy=None, repeat=count), step(n=4, dy=None, edit=lambda x: x + 4096.0)],
            since=2,
        )
    yield draft(
        "history/slow-decay",
        "a thousand steps with decay 0.999",
        "BN-3.1 BN-3.6",
        shape=NCL,
        decay=0.999,
        steps=[step(n=4, dy=None, repeat=1000), step("infer", n=4, dy=None)],
        since=2,
        **WIDE,
    )


# what a new layer holds [BN-3.7]
FRESH = {"gamma": (1.0,), "beta": (0.0,), "running": ((0.0,), (1.0,))}


def built():
    """What a layer starts from."""
    twice = [step(), step("infer", again=0), step(again=0), step("infer", again=0)]
    common = {"shape": NCHW, "steps": twice, "mean": 1.0, "std": 3.0, "since": 2}
    says = "a layer as it is built, with initial values of its own"
    yield draft("built/own-values", says, "BN-3.7", as_built=True, **FRESH, **common)
    says = "the values of a new layer, handed over: equal constants"
    yield draft("built/equal-values", says, "BN-3.7 BN-3.6", **FRESH, **common)
    for names, words in [
        (("gamma", "running_var"), {"gamma": (0.75, 1.5, 2.5)}),
        (("beta", "running_mean"), {"beta": (0.25, -0.5, 1.0)}),
    ]:
        says = f"{' and '.join(names)} are one array"
        yield draft(f"built/one-{'-'.join(names)}", says, "BN-8.3 BN-3.6", one_object=names, **words, **common)
    for tag, shape, axes in (("nchw", NCHW, 1), ("nhwc", (4, 4, 5, 3), 3), ("dense", (12, 5), 1)):
        yield draft(
            f"built/stateless-{tag}",
            "a layer without running statistics, in training",
            "BN-4.5 BN-2.3 BN-5.1",
            shape=shape,
            axes=axes,
            running=None,
            steps=[step(), step(again=0)],
            since=2,
        )
    yield draft(
        "built/stateless-inference",
        "a layer without running statistics normalizes by the batch in inference too",
        "BN-4.5 BN-2.3 BN-5.1",
        shape=NCHW,
        running=None,
        steps=[step("infer"), step(), step("infer", again=0)],
        since=2,
    )


FAMILIES = (history, counts, built)
