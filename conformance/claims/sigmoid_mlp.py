"""The sigmoid MLP with and without batch normalization: accuracy, loss, and where the activations go."""

import numpy as np
import torch
from torch import nn

from .networks import Tensors, batches, mlp, momentum_sgd, score, tensors
from .record import Check, Claim, Measurement, Number
from .run import Run
from .style import BN, PLAIN, band, panels

HIDDEN = (100, 100, 100)
PERCENTILES = torch.tensor([0.15, 0.5, 0.85])


def train_tracked(
    model: nn.Sequential, data: Tensors, *, lr: float, batch: int, steps: int, every: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Train as the text does; at every `every` steps the accuracy, loss and last hidden percentiles on validation
    data.

    The percentiles are those of what enters the last sigmoid: after BN where there is one.
    """
    optimizer, kept = momentum_sgd(model, lr), {"accuracy": [], "loss": [], "percentiles": []}
    model.train()
    for step, index in enumerate(batches(len(data.train_x), batch, steps, rng, drop_last=False), start=1):
        loss = nn.functional.cross_entropy(model(data.train_x[index]), data.train_y[index])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step % every == 0:
            accuracy, loss = score(model, data.valid_x, data.valid_y)
            with torch.no_grad():
                last = model[:-2](data.valid_x).flatten()
            kept["accuracy"].append(accuracy)
            kept["loss"].append(loss)
            kept["percentiles"].append(torch.quantile(last, PERCENTILES.to(last.device)).cpu().numpy())
            model.train()
    return {key: np.array(values) for key, values in kept.items()}


def _drift(percentiles: np.ndarray) -> float:
    """Movement of the three percentiles over the last half of training, in units of their final spread (85th -
    15th)."""
    half = percentiles[len(percentiles) // 2 :]
    return float(np.abs(half[-1] - half[0]).mean() / (half[-1, 2] - half[-1, 0]))


def _first(accuracy: np.ndarray, target: float) -> int:
    """Number of the first validation that reaches `target`; one past the last where none does."""
    hit = np.nonzero(accuracy >= target)[0]
    return int(hit[0]) + 1 if len(hit) else len(accuracy) + 1


def measure(run: Run) -> Measurement:
    data = tensors(run.images, run.device, flat=True)
    jobs = [(lr, norm, seed) for lr in run["lrs"] for norm in (False, True) for seed in range(run["seeds"])]
    curves: dict[tuple[float, bool], list[dict[str, np.ndarray]]] = {job[:2]: [] for job in jobs}
    for lr, norm, seed in run.track(jobs, "networks"):
        torch.manual_seed(run.key(seed))
        model = mlp(run.images.inputs, HIDDEN, norm=nn.BatchNorm1d if norm else None, std=1.0).to(run.device)
        curves[lr, norm].append(
            train_tracked(model, data, lr=lr, batch=60, steps=run["steps"], every=run["every"], rng=run.rng(seed))
        )
    numbers: dict[str, Number] = {}
    for i, lr in enumerate(run["lrs"]):
        plain, bn = curves[lr, False], curves[lr, True]
        final = [np.array([c["accuracy"][-1] for c in cs]) * 100 for cs in (plain, bn)]
        sooner = [
            _first(b["accuracy"], p["accuracy"].max()) / _first(p["accuracy"], p["accuracy"].max())
            for p, b in zip(plain, bn, strict=True)
        ]
        numbers |= {
            f"plain{i}": Number.of(f"validation accuracy without BN, step {lr:g}", final[0], "%"),
            f"bn{i}": Number.of(f"validation accuracy with BN, step {lr:g}", final[1], "%"),
            f"gain{i}": Number.of(f"gain by BN, step {lr:g}", final[1] - final[0], "points"),
            f"sooner{i}": Number.of(f"iterations to plain's best accuracy, BN / plain, step {lr:g}", sooner),
            f"settle{i}": Number.of(
                f"late drift of the percentiles, plain minus BN (in spreads), step {lr:g}",
                [_drift(p["percentiles"]) - _drift(b["percentiles"]) for p, b in zip(plain, bn, strict=True)],
            ),
            f"spread{i}": Number.of(
                f"final spread (85th - 15th percentile), plain / BN, step {lr:g}",
                [np.ptp(p["percentiles"][-1]) / np.ptp(b["percentiles"][-1]) for p, b in zip(plain, bn, strict=True)],
            ),
        }
    at = np.arange(1, run["steps"] // run["every"] + 1) * run["every"]
    return Measurement(numbers, {"curves": curves, "at": at, "lrs": run["lrs"]})


def draw(m: Measurement):
    figure, axes = panels(3, len(m.series["lrs"]), height=2.9)
    for row, lr in enumerate(m.series["lrs"]):
        left, middle, right = axes[3 * row : 3 * row + 3]
        for norm, color, label in ((False, PLAIN, "plain"), (True, BN, "with BN")):
            runs = m.series["curves"][lr, norm]
            band(left, m.series["at"], [100 * r["accuracy"] for r in runs], color, label)
            band(middle, m.series["at"], [r["loss"] for r in runs], color, label)
            mean = np.mean([r["percentiles"] for r in runs], axis=0)
            right.plot(m.series["at"], mean[:, 1], color=color, label=f"{label}: 15, 50, 85 %")
            right.fill_between(m.series["at"], mean[:, 0], mean[:, 2], facecolor=color, alpha=0.18, edgecolor=color)
        left.set(title=f"Step {lr:g}", ylabel="validation accuracy (%)", xlabel="iteration")
        middle.set(ylabel="validation loss (nats)", xlabel="iteration", yscale="log")
        right.set(ylabel="last hidden pre-activation", xlabel="iteration")
        left.legend(loc="lower right")
        right.legend()
    return figure


CLAIM = Claim(
    name="sigmoid-mlp",
    title="With BN the sigmoid MLP is more accurate, sooner, and its activations settle",
    statement=(
        "In an MLP of three hidden sigmoid layers of 100 with weights from N(0, 1), BN before each sigmoid gives a "
        "higher accuracy and faster convergence; the percentiles of the last hidden layer settle."
    ),
    source="Text 000 (BN in PyTorch, MNIST)",
    method=(
        "The text's network, batch 60, SGD with heavy ball 0.9, torch's BN, from the same weights and batches with "
        "and without BN, at the text's step 0.01 and at ten times it. Its StepLR(10) never acts within its ten epochs "
        "and is left out. Accuracy, loss and percentiles on the validation images; paired differences over seeds."
    ),
    headline="gain {gain0} at step 0.01, in {sooner0} of plain's iterations; {gain1} at step 0.1, in {sooner1}",
    checks=(
        Check("Step 0.01: BN's final accuracy is higher.", lambda n: n["gain0"].low > 0),
        Check("Step 0.01: BN reaches plain's best accuracy in fewer iterations.", lambda n: n["sooner0"].high < 1),
        Check("Step 0.1: BN's final accuracy is higher.", lambda n: n["gain1"].low > 0, core=False),
        Check(
            "Step 0.1: BN reaches plain's best accuracy in fewer iterations.",
            lambda n: n["sooner1"].high < 1,
            core=False,
        ),
        Check(
            "Step 0.01: BN's percentiles move less, for their spread, in the second half.",
            lambda n: n["settle0"].low > 0,
            core=False,
        ),
    ),
    quick={"lrs": [0.01, 0.1], "seeds": 8, "steps": 600, "every": 30},
    full={"lrs": [0.01, 0.1], "seeds": 10, "steps": 5000, "every": 50},
    measure=measure,
    draw=draw,
)
