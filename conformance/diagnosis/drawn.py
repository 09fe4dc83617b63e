"""Mistakes drawn from the grammar: points and pairs that nobody listed, the same for the same seed."""

import numpy as np

from ..mistakes.extended import layer
from ..mistakes.point import ALWAYS, Point, When
from ..mistakes.whats import (
    ABSOLUTE,
    LEFT_OUT,
    NEGATED,
    RELU,
    REVERSED,
    bits,
    clamped,
    rolled,
    rounded,
    scaled,
    shifted,
    times,
)
from ..mistakes.whens import HAS_GAMMA, INFERENCE, TRAINING, WITH_GRADIENT, of_type

COLUMNS = (
    "mean", "variance", "mean_used", "var_used", "root", "gamma", "beta", "mean_dy", "mean_dy_x_hat", "root_grad", "dgamma",
    "dbeta", "new_mean", "new_var", "running_mean", "running_var", "m", "eps", "decay",
)  # fmt: skip
ROWS = ("x", "x_hat", "y", "dy", "x_hat_dx", "x_hat_dgamma", "dx", "centred", "scaled")
PAIRED = 0.2  # share of pairs


def _whens(pick):
    bound = pick(16, 32, 64)
    return (
        ALWAYS, ALWAYS, ALWAYS, TRAINING, INFERENCE, HAS_GAMMA, WITH_GRADIENT, of_type("float32"),
        When(f"only where m > {bound}", lambda at: at.x is not None and at.x.shape[1] > bound),
        When("only in rank 4", lambda at: at.config.rank == 4),
        When("only where channels last", lambda at: at.config.channel_axes == (at.config.rank - 1,) and at.config.rank > 2),
        When("only in every second training step", lambda at: at.asked == "train" and at.trained % 2 == 0),
        When("only after an evaluation", lambda at: at.last_mode in ("infer", "frozen")),
    )  # fmt: skip


def point(random) -> Point:
    """A random point."""
    pick = lambda *options: options[random.integers(len(options))]
    where = pick(*COLUMNS, *ROWS)
    factor = float(np.round(pick(random.uniform(0.5, 0.95), random.uniform(1.05, 2.5)), 2))
    whats = [scaled(factor), scaled(factor), bits(int(random.integers(5, 12)))]
    if where in ROWS:
        whats += [RELU, NEGATED, rounded(pick("float16", "bfloat16")), REVERSED]
    elif where not in ("eps", "decay", "m"):
        whats += [REVERSED, rolled(1), NEGATED, shifted(float(np.round(random.uniform(0.1, 0.6), 2))), LEFT_OUT]
        whats += [ABSOLUTE, clamped(high=0.75), times(pick("m/(m-1)", "(m-1)/m", "1/m"))]
    return Point(where, pick(*whats), pick(*_whens(pick)))


def mistake(seed: int) -> tuple[Point, ...]:
    """One point, or two."""
    random = np.random.default_rng(seed)
    first = point(random)
    return (first, point(random)) if random.random() < PAIRED else (first,)


def backend(seed: int) -> type:
    return layer(mistake(seed), name=f"Drawn{seed}")
