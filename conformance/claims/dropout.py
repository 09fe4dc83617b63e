"""Dropout with batch normalization, before and after it, and with weight normalization, at a small and a large
batch."""

import numpy as np
import torch

from .networks import cnn, momentum_sgd, score, tensors, train
from .record import Check, Claim, Measurement, Number
from .run import Run
from .style import ALT, AMBER, BN, GREEN, PLAIN, dots, panels

KINDS = {
    "BN": {"norms": "BN"},
    "dropout, BN": {"norms": "BN", "before": 0.125},
    "BN, dropout": {"norms": "BN", "behind": 0.125},
    "WN": {"norms": "WN"},
    "WN, dropout": {"norms": "WN", "behind": 0.25},
}
COLORS = (BN, ALT, GREEN, PLAIN, AMBER)


def measure(run: Run) -> Measurement:
    data, n = tensors(run.images, run.device), run["train"]
    x, y = data.train_x[:n], data.train_y[:n]
    found: dict[tuple[int, str], list[tuple[float, float]]] = {(b, k): [] for b in run["batches"] for k in KINDS}
    for batch, kind, seed in run.track([(*key, s) for key in found for s in range(run["seeds"])], "networks"):
        torch.manual_seed(run.key(seed))
        model = cnn(run.images.shape, run["width"], run["hidden"], **KINDS[kind]).to(run.device)
        torch.manual_seed(run.key(seed, 1))  # the dropout masks
        train(
            model,
            x,
            y,
            momentum_sgd(model, 0.02),
            batch=batch,
            rng=run.rng(seed),
            steps=run["epochs"] * max(1, n // batch),
        )
        found[batch, kind].append(score(model, data.test_x, data.test_y))
    table = {key: np.array(rows).T for key, rows in found.items()}
    numbers: dict[str, Number] = {}
    for name, batch in zip(("small", "large"), run["batches"], strict=True):
        accuracy = {kind: 100 * table[batch, kind][0] for kind in KINDS}
        numbers |= {f"{name}_{k}": Number.of(f"test accuracy, {k}, batch {batch}", accuracy[k], "%") for k in KINDS}
        numbers |= {
            f"{name}_after": Number.of(
                f"BN, dropout minus BN, batch {batch}", accuracy["BN, dropout"] - accuracy["BN"], "points"
            ),
            f"{name}_place": Number.of(
                f"dropout after minus before BN, batch {batch}",
                accuracy["BN, dropout"] - accuracy["dropout, BN"],
                "points",
            ),
            f"{name}_wn": Number.of(
                f"WN, dropout minus WN, batch {batch}", accuracy["WN, dropout"] - accuracy["WN"], "points"
            ),
        }
    small, large = (100 * table[b, "BN"][0] for b in run["batches"])
    numbers["batch"] = Number.of("BN: small batch minus large batch", small - large, "points")
    restored = 100 * table[run["batches"][1], "BN, dropout"][0]
    numbers["restored"] = Number.of("BN, dropout, large batch minus BN, small batch", restored - small, "points")
    return Measurement(numbers, {"table": table, "batches": run["batches"]})


def draw(m: Measurement):
    figure, axes = panels(2, width=11)
    for axis, batch in zip(axes, m.series["batches"], strict=True):
        dots(
            axis,
            {k.replace(", ", ",\n"): 100 * m.series["table"][batch, k][0] for k in KINDS},
            COLORS,
            "test accuracy (%)",
        )
        axis.set(title=f"Batch {batch}")
    low = min(axis.get_ylim()[0] for axis in axes)
    for axis in axes:
        axis.set_ylim(low, 100)
    return figure


CLAIM = Claim(
    name="dropout",
    title="Dropout after BN restores the accuracy that a large batch costs",
    statement=(
        "A large batch lowers a BN network's test accuracy; dropout (0.125) after each BN restores it, before BN it "
        "does worse. Dropout (0.25) lifts weight normalization to BN's accuracy."
    ),
    source="Text 001 (regularization in BN), section 2.4.4",
    method=(
        "The scaled-down CNN, the same epochs at a small and a large batch (the large one then takes fewer steps), "
        "no other regularization, SGD 0.02 with heavy ball 0.9; dropout directly before or after each "
        "normalization. Paired over seeds."
    ),
    headline="large batch: dropout after BN {large_after}, after minus before {large_place}; small minus large batch "
    "{batch}; small batch: WN with dropout {small_wn}",
    checks=(
        Check("With BN alone the large batch is less accurate.", lambda n: n["batch"].low > 0),
        Check("Dropout after BN raises the large batch's accuracy.", lambda n: n["large_after"].low > 0),
        Check("... to the small batch's or above.", lambda n: n["restored"].high >= 0, core=False),
        Check(
            "At the large batch dropout after BN does better than before it.",
            lambda n: n["large_place"].low > 0,
            core=False,
        ),
        Check("At the small batch dropout does not help.", lambda n: n["small_after"].low <= 0, core=False),
        Check(
            "Dropout raises weight normalization's accuracy (small batch).", lambda n: n["small_wn"].low > 0, core=False
        ),
    ),
    quick={"batches": [16, 64], "epochs": 30, "train": 256, "width": 8, "hidden": 64, "seeds": 6},
    full={"batches": [64, 256], "epochs": 40, "train": 1000, "width": 16, "hidden": 128, "seeds": 5},
    measure=measure,
    draw=draw,
)
