"""DigitNN: one hidden ReLU layer followed by batch normalization, without bias and without L2."""

import numpy as np
import torch
from torch import nn

from .networks import Tensors, score, tensors, train
from .record import Check, Claim, Measurement, Number
from .run import Run
from .style import ALT, BN, PLAIN, band, dots, panels

BATCH, STEP = 32, 1e-3


def network(inputs: int, batch_norm: bool) -> nn.Sequential:
    """inputs-128-10 with BN after ReLU and no bias before it; or the plain counterpart with a bias."""
    if not batch_norm:
        return nn.Sequential(nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, 10))
    return nn.Sequential(nn.Linear(inputs, 128, bias=False), nn.ReLU(), nn.BatchNorm1d(128), nn.Linear(128, 10))


def _one(run: Run, data: Tensors, batch_norm: bool, seed: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Test accuracy and the training and validation loss after each epoch, all in inference mode."""
    torch.manual_seed(run.key(seed))
    model = network(run.images.inputs, batch_norm).to(run.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=STEP)
    epoch = len(data.train_x) // BATCH
    curves: list[tuple[float, float]] = []

    def watch(step: int, loss: float) -> None:
        if step % epoch == 0:
            curves.append((score(model, data.train_x, data.train_y)[1], score(model, data.valid_x, data.valid_y)[1]))

    train(model, data.train_x, data.train_y, optimizer, batch=BATCH, steps=20 * epoch, rng=run.rng(seed), after=watch)
    return 100 * score(model, data.test_x, data.test_y)[0], *np.array(curves).T


def measure(run: Run) -> Measurement:
    data = tensors(run.images, run.device, flat=True)
    found: dict[bool, list] = {False: [], True: []}
    for batch_norm, seed in run.track([(b, s) for b in (False, True) for s in range(run["seeds"])], "networks"):
        found[batch_norm].append(_one(run, data, batch_norm, seed))
    test = {b: np.array([f[0] for f in found[b]]) for b in found}
    rise = {b: [f[2][-1] / f[2].min() for f in found[b]] for b in found}
    return Measurement(
        {
            "bn": Number.of("test accuracy of DigitNN (BN)", test[True], "%"),
            "plain": Number.of("test accuracy without BN", test[False], "%"),
            "gain": Number.of("gain by BN", test[True] - test[False], "points"),
            "rise": Number.of("last validation loss / its lowest, BN", rise[True]),
            "rise_plain": Number.of("last validation loss / its lowest, without BN", rise[False]),
            "gap": Number.of(
                "validation minus training loss at the end, BN", [f[2][-1] - f[1][-1] for f in found[True]], "nats"
            ),
            "gap_plain": Number.of(
                "validation minus training loss at the end, without BN",
                [f[2][-1] - f[1][-1] for f in found[False]],
                "nats",
            ),
        },
        {"found": found, "test": test},
    )


def draw(m: Measurement):
    figure, axes = panels(3)
    for axis, batch_norm, title, color in (
        (axes[0], True, "DigitNN: BN after ReLU", BN),
        (axes[1], False, "Without BN", PLAIN),
    ):
        runs = m.series["found"][batch_norm]
        epochs = np.arange(1, len(runs[0][1]) + 1)
        band(axis, epochs, [r[1] for r in runs], color, "training", linestyle="--")
        band(axis, epochs, [r[2] for r in runs], ALT, "validation")
        axis.set(title=title, xlabel="epoch", ylabel="loss (nats)", yscale="log")
        axis.legend()
    low = min(axis.get_ylim()[0] for axis in axes[:2])
    for axis in axes[:2]:
        axis.set_ylim(low, 3)
    dots(axes[2], {"BN": m.series["test"][True], "without": m.series["test"][False]}, (BN, PLAIN), "test accuracy (%)")
    axes[2].axhline(97, color="#9aa1ad", linestyle="--", linewidth=1.2)
    axes[2].set(title="Test accuracy (line: 97 %)")
    return figure


CLAIM = Claim(
    name="digitnn",
    title="DigitNN reaches 97 % on test, and its validation loss does not turn up",
    statement=(
        "784-128-10 without bias before BN, BN after ReLU, 20 epochs without L2: 97 % of the test digits, and the "
        "validation loss stays down with the training loss: BN also reduces overfitting."
    ),
    source="Text 003 (Batch Normalization in PyTorch, in Russian)",
    method=(
        "The text's network on the images, 20 epochs; it names neither optimizer nor batch: here Adam 0.001 and 32. "
        "Losses in inference mode after each epoch; the plain counterpart with a bias for comparison."
    ),
    headline="{bn} on test, without BN {plain}; validation minus training loss {gap}, without BN {gap_plain}",
    checks=(
        Check("Test accuracy is 97 % or more.", lambda n: n["bn"].low >= 97),
        Check("The last validation loss is at most 5 % above its lowest.", lambda n: n["rise"].high <= 1.05),
        Check("BN is the cause: without it the test accuracy is lower.", lambda n: n["gain"].low > 0, core=False),
        Check(
            "BN narrows the gap of validation and training loss.",
            lambda n: n["gap"].high < n["gap_plain"].low,
            core=False,
        ),
    ),
    quick={"seeds": 40},
    full={"seeds": 100},
    measure=measure,
    draw=draw,
)
