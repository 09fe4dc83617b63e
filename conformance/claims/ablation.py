"""Robustness to losing single units, with and without batch normalization."""

import numpy as np
import torch
from torch import Tensor, nn

from .networks import Tensors, mlp, momentum_sgd, score, tensors, train
from .record import Check, Claim, Measurement, Number
from .run import Run
from .style import BN, PLAIN, band, dots, panels

HIDDEN = (128, 128)
FRACTIONS = np.linspace(0, 1, 11)


@torch.no_grad()
def ablated_accuracy(model: nn.Sequential, x: Tensor, y: Tensor, orders: list[list[np.ndarray]]) -> np.ndarray:
    """Accuracy, in per cent, with a growing fraction of all hidden units clamped to 0, averaged over random orders.

    `orders[r][l]` ranks the units of layer l: unit u is silenced at fraction f where its rank is below f times the
    width.
    """
    model.eval()
    out = np.zeros(len(FRACTIONS))
    for i, fraction in enumerate(FRACTIONS):
        for order in orders:
            masks = iter([torch.from_numpy(rank >= round(fraction * len(rank))).to(x) for rank in order])
            h = x
            for layer in model:
                h = layer(h)
                if isinstance(layer, nn.ReLU):
                    h = h * next(masks)
            out[i] += 100 * float((h.argmax(1) == y).double().mean()) / len(orders)
    return out


def _one(run: Run, data: Tensors, batch_norm: bool, seed: int) -> tuple[np.ndarray, float, float]:
    """(accuracy by fraction on training images, test accuracy, training accuracy with nothing silenced)."""
    torch.manual_seed(run.key(seed))
    model = mlp(run.images.inputs, HIDDEN, norm=nn.BatchNorm1d if batch_norm else None, activation=nn.ReLU).to(
        run.device
    )
    train(model, data.train_x, data.train_y, momentum_sgd(model, 0.05), batch=60, steps=run["steps"], rng=run.rng(seed))
    rng = run.rng(seed, 1)
    orders = [[rng.permutation(width) for width in HIDDEN] for _ in range(run["orders"])]
    curve = ablated_accuracy(model, data.train_x, data.train_y, orders)
    return curve, 100 * score(model, data.test_x, data.test_y)[0], float(curve[0])


def measure(run: Run) -> Measurement:
    data = tensors(run.images, run.device, flat=True)
    found: dict[bool, list] = {False: [], True: []}
    for batch_norm, seed in run.track([(b, s) for b in (False, True) for s in range(run["seeds"])], "networks"):
        found[batch_norm].append(_one(run, data, batch_norm, seed))
    area = {b: np.array([np.trapezoid(f[0], FRACTIONS) for f in found[b]]) for b in found}
    half = {b: np.array([f[0][len(FRACTIONS) // 2] for f in found[b]]) for b in found}
    return Measurement(
        {
            "area_bn": Number.of("area under accuracy against fraction, BN", area[True], "%"),
            "area_plain": Number.of("area under accuracy against fraction, without", area[False], "%"),
            "gain": Number.of("area: BN minus without", area[True] - area[False], "points"),
            "half_bn": Number.of("training accuracy with half the units silenced, BN", half[True], "%"),
            "half_plain": Number.of("training accuracy with half the units silenced, without", half[False], "%"),
            "whole_bn": Number.of("training accuracy, nothing silenced, BN", [f[2] for f in found[True]], "%"),
            "whole_plain": Number.of("training accuracy, nothing silenced, without", [f[2] for f in found[False]], "%"),
            "test": Number.of(
                "test accuracy: BN minus without",
                [b[1] - p[1] for b, p in zip(found[True], found[False], strict=True)],
                "points",
            ),
        },
        {"found": found, "area": area},
    )


def draw(m: Measurement):
    figure, axes = panels(2)
    for batch_norm, color, label in ((False, PLAIN, "without BN"), (True, BN, "with BN")):
        band(axes[0], 100 * FRACTIONS, [f[0] for f in m.series["found"][batch_norm]], color, label, marker="o")
    axes[0].axhline(10, color="#9aa1ad", linestyle=":", linewidth=1.2)
    axes[0].set(
        title="Hidden units clamped to zero, in random order",
        xlabel="units silenced (%)",
        ylabel="training accuracy (%)",
    )
    axes[0].legend()
    dots(
        axes[1],
        {"with BN": m.series["area"][True], "without": m.series["area"][False]},
        (BN, PLAIN),
        "mean accuracy (%)",
    )
    axes[1].set(title="Area under the curve")
    return figure


CLAIM = Claim(
    name="ablation",
    title="A BN network depends less on single directions",
    statement=(
        "BN lowers a network's reliance on single units: silencing units at random costs a "
        "network with BN less accuracy."
    ),
    source="Text 001 (regularization in BN), citing Morcos et al. 2018",
    method=(
        "MLPs of two hidden ReLU layers of 128 trained alike with and without BN (SGD 0.05, heavy ball "
        "0.9, batch 60); the same growing fraction of units of both layers clamped to zero in random "
        "orders; area under the training accuracy, as in the original (which uses deeper networks on "
        "CIFAR-10 and ImageNet). Paired over seeds."
    ),
    headline="area under accuracy: BN {area_bn}, without {area_plain}; BN minus without {gain}",
    checks=(
        Check("The area under the curve is larger with BN.", lambda n: n["gain"].low > 0),
        Check(
            "Both fit the training images to 99 %, so that the curves start alike.",
            lambda n: n["whole_bn"].low >= 99 and n["whole_plain"].low >= 99,
            core=False,
        ),
    ),
    quick={"seeds": 10, "steps": 300, "orders": 5},
    full={"seeds": 20, "steps": 2000, "orders": 20},
    measure=measure,
    draw=draw,
)
