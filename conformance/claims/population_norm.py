"""Population normalization with gamma decay in a CNN, in place of batch normalization."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from .layers import PopulationNorm, refresh
from .networks import Tensors, batches, cnn, momentum_sgd, score, tensors, train
from .record import Check, Claim, Measurement, Number
from .run import Run
from .style import ALT, BN, GREEN, PLAIN, band, dots, panels

LR = 0.02
KINDS = ("BN", "PN", "PN + gamma decay", "PN, constant")
COLORS = (BN, ALT, GREEN, PLAIN)


def _train_live(
    run: Run,
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    rng: np.random.Generator,
    decay: bool,
    after: Callable[[int], None],
) -> None:
    """Train with the whole population passed through the network and the loss on the batch's rows."""
    layers = [layer for layer in model.modules() if isinstance(layer, PopulationNorm)]
    for layer in layers:
        layer.live = True
    optimizer = momentum_sgd(model, LR)
    for step, index in enumerate(batches(len(x), run["batch"], run["steps"], rng), start=1):
        model.train()
        index = index.to(x.device)
        loss = nn.functional.cross_entropy(model(x)[index], y[index])
        if decay:
            loss = loss + torch.stack([layer.gamma_decay(run["batch"]) for layer in layers]).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        after(step)


def _one(run: Run, data: Tensors, kind: str, seed: int) -> tuple[float, float, np.ndarray]:
    """Test loss, test accuracy and the test loss along training."""
    torch.manual_seed(run.key(seed))
    model = cnn(run.images.shape, run["width"], run["hidden"], norms="BN" if kind == "BN" else "PN").to(run.device)
    x, y, rng = data.train_x[: run["train"]], data.train_y[: run["train"]], run.rng(seed)
    curve: list[float] = []

    def watch(step: int, loss: float = 0.0) -> None:
        if kind == "PN, constant" and step % run["refresh"] == 0:
            refresh(model, x)
        if step % run["every"] == 0:
            if kind.startswith("PN") and kind != "PN, constant":
                refresh(model, x)
            curve.append(score(model, data.test_x, data.test_y)[1])

    refresh(model, x)
    if kind in ("BN", "PN, constant"):
        train(model, x, y, momentum_sgd(model, LR), batch=run["batch"], steps=run["steps"], rng=rng, after=watch)
    else:
        _train_live(run, model, x, y, rng, kind == "PN + gamma decay", watch)
    refresh(model, x)
    accuracy, loss = score(model, data.test_x, data.test_y)
    return loss, 100 * accuracy, np.array(curve)


def measure(run: Run) -> Measurement:
    data = tensors(run.images, run.device)
    found: dict[str, list] = {kind: [] for kind in KINDS}
    for kind, seed in run.track([(k, s) for k in KINDS for s in range(run["seeds"])], "networks"):
        found[kind].append(_one(run, data, kind, seed))
    loss, accuracy = ({k: np.array([f[i] for f in found[k]]) for k in KINDS} for i in (0, 1))
    numbers = {f"acc_{k}": Number.of(f"test accuracy, {k}", accuracy[k], "%") for k in KINDS}
    numbers |= {f"loss_{k}": Number.of(f"test loss, {k}", loss[k], "nats") for k in KINDS}
    numbers["behind"] = Number.of(
        "accuracy: BN minus PN + gamma decay", accuracy["BN"] - accuracy["PN + gamma decay"], "points"
    )
    numbers["loss_behind"] = Number.of(
        "test loss: PN + gamma decay minus BN", loss["PN + gamma decay"] - loss["BN"], "nats"
    )
    numbers["decay"] = Number.of("test loss: PN minus PN + gamma decay", loss["PN"] - loss["PN + gamma decay"], "nats")
    numbers["constant"] = Number.of(
        "accuracy: BN minus PN with constant statistics", accuracy["BN"] - accuracy["PN, constant"], "points"
    )
    at = np.arange(1, run["steps"] // run["every"] + 1) * run["every"]
    return Measurement(
        numbers, {"curves": {k: [f[2] for f in found[k]] for k in KINDS}, "accuracy": accuracy, "at": at}
    )


def draw(m: Measurement):
    figure, axes = panels(2)
    for kind, color in zip(KINDS, COLORS, strict=True):
        band(axes[0], m.series["at"], np.minimum(np.nan_to_num(m.series["curves"][kind], nan=1e3), 1e3), color, kind)
    axes[0].set(title="Test loss", xlabel="step", ylabel="loss (nats)", yscale="log")
    axes[0].legend()
    dots(
        axes[1],
        {k.replace(" + ", "\n+ ").replace(", ", ",\n"): v for k, v in m.series["accuracy"].items()},
        COLORS,
        "test accuracy (%)",
    )
    axes[1].set(title="Test accuracy")
    return figure


CLAIM = Claim(
    name="population-norm",
    title="Population normalization with gamma decay does as well as BN",
    statement=(
        "Replacing BN in a CNN by normalization with population statistics and the gamma decay that BN implies gives "
        "a generalization as good as BN's, or better."
    ),
    source="Text 001 (regularization in BN), section 2.4.1",
    method=(
        "The scaled-down CNN with BN, with PN (each step the statistics of all training images, gradient through "
        "them), and with PN and ζγ² added to the loss: ζ by the text's formula for ReLU from measured kurtosis, F and "
        "activation rates, M the values that share a statistic, coefficient 1, nothing tuned. Also PN with statistics "
        "that are constants for the gradient, renewed every few steps. SGD 0.02 with heavy ball 0.9 for all."
    ),
    headline="accuracy: BN {acc_BN}, PN + gamma decay {acc_PN + gamma decay}, PN {acc_PN}, constant statistics "
    "{acc_PN, constant}; the decay changes the test loss against BN's by {loss_behind}",
    checks=(
        Check("PN + gamma decay is at most 1 point of test accuracy behind BN.", lambda n: n["behind"].high <= 1),
        Check("Its test loss is not above BN's.", lambda n: n["loss_behind"].low <= 0, core=False),
        Check(
            "The decay is what does it: without it PN's test loss is larger.", lambda n: n["decay"].low > 0, core=False
        ),
        Check(
            "The gradient may leave the statistics out: PN with constant statistics is at most 1 point behind BN.",
            lambda n: n["constant"].high <= 1,
            core=False,
        ),
    ),
    quick={"train": 192, "width": 6, "hidden": 64, "batch": 32, "steps": 120, "every": 20, "refresh": 5, "seeds": 10},
    full={"train": 512, "width": 8, "hidden": 128, "batch": 32, "steps": 800, "every": 40, "refresh": 5, "seeds": 8},
    measure=measure,
    draw=draw,
)
