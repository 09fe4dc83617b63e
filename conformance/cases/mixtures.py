"""Families: mixtures (types of x, parameters and state), inference (what needs no training step)."""

import numpy as np

from .draft import draft, step

NCL, NCHW, NHWC, DENSE = (4, 3, 2), (4, 3, 4, 5), (4, 4, 5, 3), (12, 5)

# types of x, parameters, state
MIXED = [
    ("float32", "bfloat16", "bfloat16"),
    ("float32", "bfloat16", "float32"),
    ("float16", "float16", "float32"),
    ("bfloat16", "bfloat16", "float32"),
]


def mixtures():
    for x, params, state in MIXED:
        yield draft(
            f"mixtures/{x}-{params}-{state}",
            f"{x} x, {params} parameters, {state} state",
            "BN-8.2 BN-2.3 BN-3.1",
            shape=DENSE,
            x=x,
            params=params,
            state=state,
            since=2,
        )
    for state in ("float32", "bfloat16"):
        yield draft(
            f"mixtures/slow-decay-{state}",
            f"bfloat16 x and parameters, {state} state: 300 steps with decay 0.999",
            "BN-8.2 BN-3.1",
            shape=DENSE,
            x="bfloat16",
            state=state,
            decay=0.999,
            running=((0.0,), (1.0,)),
            mean=3.0,
            steps=[step(dy=None, repeat=300)],
            since=2,
        )


def constant(value):
    return lambda x: np.full(x.shape, value)


def inference():
    """An inference-only runtime is asked all this, and a gradient where it has one."""
    gradient, plain = step("infer"), step("infer", dy=None)
    for tag, says, shape, axes, words in [
        ("vector", "x of rank 1: its one axis is the channels'", (5,), 0, {"steps": [gradient]}),
        ("every-axis", "every axis of x is a channel axis", (3, 4), (0, 1), {"steps": [gradient]}),
        ("ncl", "one spatial axis", NCL, 1, {"steps": [gradient, plain]}),
        ("volume", "three spatial axes, with a gradient", (2, 3, 3, 4, 2), 1, {"steps": [gradient, plain]}),
        ("many", "more samples than 512", (700, 5), 1, {"steps": [plain]}),
        ("no-gamma", "no gamma and no beta", DENSE, 1, {"gamma": None, "beta": None}),
        ("variances", "variances from 1e-6 to 400", DENSE, 1, {"running": ((0.5,), (2.5, 1e-6, 400.0))}),
        ("variance-zero", "a variance of 0", NCHW, 1, {"running": ((0.25, -0.5), (0.0, 2.5, 0.0))}),
        ("at-the-mean", "x is the mean, 60000, and the variance 0: y = beta", NCHW, 1, {"value": 60000.0}),
        ("far-mean", "a mean of 1e5 beside a variance of 1", NHWC, 3, {"mean": 1e5, "running": ((1e5,), (1.0,))}),
    ]:
        words = {"steps": [plain, gradient], **words}
        value = words.pop("value", None)
        if value is not None:
            words |= {"steps": [step("infer", dy=None, edit=constant(value))], "running": ((value,), (0.0,))}
        clauses = "BN-1.6 BN-4.1" if tag in ("vector", "every-axis") else "BN-4.1 BN-4.2"
        yield draft(f"inference/{tag}", says, clauses, shape=shape, axes=axes, since=2, **words)
    for x, params in (("float16", "float16"), ("float16", "float32"), ("bfloat16", "float32")):
        yield draft(
            f"inference/{x}-{params}",
            f"{x} x beside {params} parameters, variances from 1e-3 to 400",
            "BN-4.1 BN-8.2",
            shape=DENSE,
            x=x,
            params=params,
            running=((0.5,), (2.5, 2.0**-10, 400.0)),
            steps=[plain],
            since=2,
        )


FAMILIES = (mixtures, inference)
