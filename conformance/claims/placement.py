"""Batch normalization before or after the activation."""

import numpy as np
import torch
from torch import nn

from .networks import Tensors, mlp, momentum_sgd, score, tensors, train
from .record import Check, Claim, Measurement, Number
from .run import Run
from .style import ALT, BN, band, dots, panels

ACTIVATIONS = {"ReLU": nn.ReLU, "sigmoid": nn.Sigmoid}


def network(inputs: int, activation: type[nn.Module], after: bool) -> nn.Sequential:
    """Three hidden layers of 100 with BN before or after each activation; the same weights for one seed."""
    model = mlp(inputs, (100, 100, 100), norm=nn.BatchNorm1d, activation=activation)
    if not after:
        return model
    layers = list(model)
    for i in range(1, len(layers) - 1, 3):
        layers[i], layers[i + 1] = layers[i + 1], layers[i]
    return nn.Sequential(*layers)


def _one(run: Run, data: Tensors, activation: str, after: bool, seed: int) -> tuple[float, float, list[float]]:
    torch.manual_seed(run.key(seed))
    model = network(run.images.inputs, ACTIVATIONS[activation], after).to(run.device)
    curve: list[float] = []

    def watch(step: int, loss: float) -> None:
        if step % run["every"] == 0:
            curve.append(score(model, data.valid_x, data.valid_y)[1])

    train(
        model,
        data.train_x,
        data.train_y,
        momentum_sgd(model, 0.05),
        batch=60,
        steps=run["steps"],
        rng=run.rng(seed),
        after=watch,
    )
    return *score(model, data.test_x, data.test_y), curve


def measure(run: Run) -> Measurement:
    data = tensors(run.images, run.device, flat=True)
    jobs = [(a, after, s) for a in ACTIVATIONS for after in (False, True) for s in range(run["seeds"])]
    found: dict[tuple[str, bool], list] = {job[:2]: [] for job in jobs}
    for activation, after, seed in run.track(jobs, "networks"):
        found[activation, after].append(_one(run, data, activation, after, seed))
    numbers, gains = {}, {}
    for activation in ACTIVATIONS:
        before, behind = (np.array([f[:2] for f in found[activation, after]]).T for after in (False, True))
        gains[activation] = 100 * (behind[0] - before[0])
        numbers |= {
            f"before_{activation}": Number.of(f"test accuracy, BN before {activation}", 100 * before[0], "%"),
            f"after_{activation}": Number.of(f"test accuracy, BN after {activation}", 100 * behind[0], "%"),
            f"gain_{activation}": Number.of(f"after minus before, {activation}", gains[activation], "points"),
            f"loss_{activation}": Number.of(
                f"test loss, after minus before, {activation}", behind[1] - before[1], "nats"
            ),
        }
    at = np.arange(1, run["steps"] // run["every"] + 1) * run["every"]
    return Measurement(numbers, {"found": found, "gains": gains, "at": at})


def draw(m: Measurement):
    figure, axes = panels(3)
    for axis, activation in zip(axes, ACTIVATIONS, strict=False):
        for after, color, label in ((False, BN, "BN before"), (True, ALT, "BN after")):
            band(axis, m.series["at"], [f[2] for f in m.series["found"][activation, after]], color, label)
        axis.set(title=activation, xlabel="iteration", ylabel="validation loss (nats)", yscale="log")
        axis.legend()
    dots(axes[2], m.series["gains"], (BN, ALT), "accuracy, after - before (points)")
    axes[2].axhline(0, color="#9aa1ad", linestyle="--", linewidth=1.2)
    axes[2].set(title="Gain by placing BN after")
    return figure


CLAIM = Claim(
    name="placement",
    title="BN after the activation gives better results than before it",
    statement="BN was first placed before the nonlinearity; "
    "experiments show that placing it after gives better results.",
    source="Text 000 (BN in PyTorch); text 003 places it after ReLU, texts 002 and 004 before",
    method=(
        "MLPs of three hidden layers of 100 with ReLU or sigmoid, BN before or after each, the same initial weights "
        "and batches, SGD 0.05 with heavy ball 0.9, batch 60. Paired differences of test accuracy over seeds."
    ),
    headline="after minus before: {gain_ReLU} with ReLU, {gain_sigmoid} with sigmoid",
    checks=(
        Check(
            "With at least one activation, after is more accurate.",
            lambda n: n["gain_ReLU"].low > 0 or n["gain_sigmoid"].low > 0,
        ),
        Check(
            "With neither activation is after less accurate.",
            lambda n: n["gain_ReLU"].high >= 0 and n["gain_sigmoid"].high >= 0,
        ),
        Check("With ReLU, after is more accurate.", lambda n: n["gain_ReLU"].low > 0, core=False),
        Check("With sigmoid, after is more accurate.", lambda n: n["gain_sigmoid"].low > 0, core=False),
    ),
    quick={"seeds": 10, "steps": 300, "every": 20},
    full={"seeds": 20, "steps": 2000, "every": 50},
    measure=measure,
    draw=draw,
)
