"""Generalization gap of a CNN: plain, BN, weight normalization, and weight normalization with half of BN."""

import numpy as np
import torch

from .networks import cnn, momentum_sgd, score, tensors, train
from .record import Check, Claim, Measurement, Number
from .run import Run
from .style import ALT, BN, GREEN, PINK, PLAIN, dots, panels

KINDS = ("plain", "WN", "WN + mean BN", "WN + var BN", "BN")
COLORS = (PLAIN, ALT, PINK, GREEN, BN)


def measure(run: Run) -> Measurement:
    data, n = tensors(run.images, run.device), run["train"]
    x, y = data.train_x[:n], data.train_y[:n]
    found: dict[str, list[tuple[float, float, float]]] = {kind: [] for kind in KINDS}
    for kind, seed in run.track([(k, s) for k in KINDS for s in range(run["seeds"])], "networks"):
        torch.manual_seed(run.key(seed))
        model = cnn(run.images.shape, run["width"], run["hidden"], norms=kind).to(run.device)
        train(model, x, y, momentum_sgd(model, 0.02), batch=run["batch"], steps=run["steps"], rng=run.rng(seed))
        accuracy, loss = score(model, data.test_x, data.test_y)
        found[kind].append((loss - score(model, x, y)[1], 100 * accuracy, score(model, x, y)[1]))
    table = {kind: np.array(rows).T for kind, rows in found.items()}
    gap = {kind: rows[0] for kind, rows in table.items()}
    numbers = {f"gap_{k}": Number.of(f"test minus training loss, {k}", gap[k], "nats") for k in KINDS}
    numbers |= {f"acc_{k}": Number.of(f"test accuracy, {k}", table[k][1], "%") for k in KINDS}
    numbers |= {f"train_{k}": Number.of(f"training loss, {k}", table[k][2], "nats") for k in KINDS}
    for better, worse in (
        ("BN", "WN + mean BN"),
        ("BN", "WN + var BN"),
        ("WN + mean BN", "WN"),
        ("WN + var BN", "WN"),
        ("BN", "plain"),
        ("BN", "WN"),
    ):
        numbers[f"{worse} > {better}"] = Number.of(
            f"gap of {worse} minus gap of {better}", gap[worse] - gap[better], "nats"
        )
    return Measurement(numbers, {"gap": gap, "accuracy": {k: table[k][1] for k in KINDS}})


def draw(m: Measurement):
    figure, axes = panels(2, width=11)
    labels = {k: k.replace(" + ", "\n+ ") for k in KINDS}
    for axis, key, unit, title in (
        (axes[0], "gap", "test - training loss (nats)", "Generalization gap"),
        (axes[1], "accuracy", "test accuracy (%)", "Accuracy"),
    ):
        dots(axis, {labels[k]: m.series[key][k] for k in KINDS}, COLORS, unit)
        axis.set(title=title)
    axes[0].set_ylim(0, None)
    return figure


def _smaller(better: str, worse: str):
    return lambda n: n[f"{worse} > {better}"].low > 0


CLAIM = Claim(
    name="regularization-gap",
    title="BN generalizes better than weight normalization; mean-only and variance-only BN lie between",
    statement=(
        "In a CNN the gap of validation and training loss is smallest with BN; weight normalization with mean-only or "
        "variance-only BN lies between BN and weight normalization alone, which is no better than a plain network."
    ),
    source="Text 001 (regularization in BN), section 2.4.2",
    method=(
        "The text's conv-conv-conv-conv-pool-fc-fc with fewer channels (8, 8, 16, 16, fc 64 in the quick "
        "setting) on part of the training images, no augmentation, no weight decay, SGD 0.02 with heavy ball "
        "0.9, the same for all. Layers without batch variance start at γ = √2 (He). Test minus training loss in "
        "inference mode, paired over seeds."
    ),
    headline="test minus training loss: plain {gap_plain}, WN {gap_WN}, WN + mean BN {gap_WN + mean BN}, WN + variance "
    "BN {gap_WN + var BN}, BN {gap_BN}",
    checks=(
        Check("BN's gap is smaller than plain's.", _smaller("BN", "plain")),
        Check("BN's gap is smaller than weight normalization's.", _smaller("BN", "WN")),
        Check("Mean-only BN lies between: above BN.", _smaller("BN", "WN + mean BN"), core=False),
        Check("Mean-only BN lies between: below WN.", _smaller("WN + mean BN", "WN"), core=False),
        Check("Variance-only BN lies between: above BN.", _smaller("BN", "WN + var BN"), core=False),
        Check("Variance-only BN lies between: below WN.", _smaller("WN + var BN", "WN"), core=False),
        Check(
            "All reach a training loss below 0.05, so that the gaps compare like with like.",
            lambda n: all(n[f"train_{k}"].high < 0.05 for k in KINDS),
            core=False,
        ),
    ),
    quick={"train": 300, "width": 8, "hidden": 64, "batch": 32, "steps": 250, "seeds": 10},
    full={"train": 1000, "width": 16, "hidden": 256, "batch": 64, "steps": 800, "seeds": 10},
    measure=measure,
    draw=draw,
)
