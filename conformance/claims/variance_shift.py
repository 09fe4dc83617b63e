"""Dropout before batch normalization: the variance that inference meets is not the one that training learned."""

import numpy as np
import torch
from torch import nn

from .networks import tensors
from .record import Check, Claim, Measurement, Number
from .run import Run
from .style import ALT, BN, PLAIN, panels

HIDDEN = 64


def _inference_std(
    norm: nn.BatchNorm1d,
    drop: nn.Dropout,
    front: nn.Module | None,
    x: torch.Tensor,
    batch: int,
    steps: int,
    rng: np.random.Generator,
) -> float:
    """Std of `norm`'s output in inference (1 without a shift), its statistics learned behind `drop` (and
    `front`).

    The running statistics are cumulative, so that nothing of their start is left. Mean over the channels.
    """
    front = front or nn.Identity()
    for _ in range(steps):
        index = torch.from_numpy(rng.integers(0, len(x), batch))
        norm(front(drop(x[index])))
    norm.eval(), drop.eval()
    return float(norm(front(drop(x))).std(0, correction=0).mean())


@torch.no_grad()
def _one(run: Run, repetition: int, rate: float, x: torch.Tensor) -> tuple[float, float, float]:
    """Output std: dropout directly before BN, predicted, and dropout after a BN as the next BN sees it."""
    torch.manual_seed(run.key(repetition))
    a = nn.Linear(x.shape[1], HIDDEN)(x)
    a = torch.relu((a - a.mean(0)) / a.std(0, correction=0))  # a normalized, rectified hidden layer
    a = a[:, a.std(0) > 0]
    sizes, rng = (run["batch"], run["steps"]), run.rng(repetition, int(rate * 1000))
    direct = _inference_std(
        nn.BatchNorm1d(a.shape[1], momentum=None, affine=False), nn.Dropout(rate), None, a, *sizes, rng
    )
    later = _inference_std(
        nn.BatchNorm1d(HIDDEN, momentum=None, affine=False),
        nn.Dropout(rate),
        nn.Linear(a.shape[1], HIDDEN),
        a,
        *sizes,
        rng,
    )
    mean, square = a.mean(0).double(), (a.double() ** 2).mean(0)
    return direct, float(torch.sqrt((square - mean**2) / (square / (1 - rate) - mean**2)).mean()), later


def measure(run: Run) -> Measurement:
    x = tensors(run.images, "cpu", flat=True).train_x
    jobs = [(rate, r) for rate in run["rates"] for r in range(run["repetitions"])]
    found: dict[float, list[tuple[float, float, float]]] = {rate: [] for rate in run["rates"]}
    for rate, repetition in run.track(jobs, "dropout rates"):
        found[rate].append(_one(run, repetition, rate, x))
    table = {rate: np.array(rows).T for rate, rows in found.items()}
    numbers = {}
    for rate in run["rates"]:
        direct, predicted, later = table[rate]
        numbers |= {
            f"direct_{rate:g}": Number.of(f"std after BN in inference, dropout {rate:g} directly before", direct),
            f"law_{rate:g}": Number.of(
                f"... over √((E[a²]-μ²)/(E[a²]/(1-p)-μ²)), dropout {rate:g}", direct / predicted
            ),
            f"next_{rate:g}": Number.of(f"std after the next BN, dropout {rate:g} behind the BN before it", later),
        }
    return Measurement(numbers, {"table": table})


def draw(m: Measurement):
    figure, axes = panels(1, height=3.6)
    rates = list(m.series["table"])
    rows = np.stack([m.series["table"][rate] for rate in rates], -1)  # [3, repetitions, rates]
    axes[0].plot(rates, rows[1].mean(0), color=PLAIN, linestyle=":", label="predicted for dropout directly before")
    for i, offset, color, marker, label in (
        (0, -0.004, ALT, "o", "dropout directly before the BN"),
        (2, 0.004, BN, "s", "dropout behind a BN, seen at the next BN"),
    ):
        axes[0].plot(np.array(rates) + offset, rows[i].mean(0), marker, color=color, label=label)
    axes[0].axhline(1, color="#9aa1ad", linestyle="--", linewidth=1.2)
    axes[0].set(
        title="What leaves BN in inference should have std 1",
        xlabel="dropout rate",
        ylabel="std of BN's output",
        ylim=(0.5, 1.06),
    )
    axes[0].legend()
    return figure


CLAIM = Claim(
    name="variance-shift",
    title="Dropout before BN shifts the variance at test time; after BN it does not",
    statement=(
        "Dropout makes noise in training and none at test, while BN's running statistics were learned with it: placed "
        "before BN the statistics are off at test. Placed after BN they are right."
    ),
    source="Text 001 (regularization in BN), after Li et al. 2018; text 003 advises against both on one layer",
    method=(
        "Hidden activations of the images through dropout and BN with cumulative statistics; the std of BN's output "
        "in inference, which is 1 where statistics fit, against dropout rate, with the value predicted from the "
        "activations' moments. Also at the BN of the next layer, when dropout stands behind the BN before it."
    ),
    headline="std in inference with dropout 0.5 before BN {direct_0.5}, {law_0.5} of the predicted; at the next BN "
    "{next_0.5}",
    checks=(
        Check(
            "Dropout 0.5 directly before BN: the std in inference is below 0.9.", lambda n: n["direct_0.5"].high < 0.9
        ),
        Check(
            "The size is the predicted one at 0.125 and 0.5 (within 3 %).",
            lambda n: n["law_0.125"].within(0.97, 1.03) and n["law_0.5"].within(0.97, 1.03),
        ),
        Check("Without dropout there is no shift (within 3 %).", lambda n: n["direct_0"].within(0.97, 1.03)),
        Check(
            "Behind a BN, dropout 0.125 shifts the next BN by less than 1 %.",
            lambda n: n["next_0.125"].within(0.99, 1.01),
            core=False,
        ),
        Check(
            "Behind a BN, dropout 0.5 shifts the next BN by less than 1 %.",
            lambda n: n["next_0.5"].within(0.99, 1.01),
            core=False,
        ),
    ),
    quick={"batch": 64, "steps": 200, "repetitions": 5, "rates": [0.0, 0.125, 0.25, 0.5]},
    full={"batch": 64, "steps": 2000, "repetitions": 20, "rates": [0.0, 0.125, 0.25, 0.5]},
    measure=measure,
    draw=draw,
    errata=(
        "Dropout behind a BN is dropout before the BN of the next layer, whose statistics shift as much. The place "
        "spares the BN of its own layer only; the last one is spared entirely.",
    ),
)
