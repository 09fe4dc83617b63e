"""γ² and test loss against the batch size, with BN in one layer at a time."""

import numpy as np
import torch
from torch import nn

from .layers import GhostBatchNorm
from .networks import cnn, momentum_sgd, score, tensors, train
from .record import Check, Claim, Measurement, Number
from .run import Run
from .style import CYCLE, panels

LAYERS = ("conv1", "conv2", "conv3", "conv4", "fc")


def _gamma2(model: nn.Module) -> float:
    """Mean γ² of the one batch normalization layer."""
    for layer in model.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            return float((layer.weight.detach() ** 2).mean())
        if isinstance(layer, GhostBatchNorm):
            return float((layer.gamma.detach() ** 2).mean())
    raise ValueError("the network has no batch normalization layer")


def _one(run: Run, data, layer: int, m: int, ghost: bool, seed: int) -> tuple[float, float]:
    """(γ², test loss): statistics over m images; the SGD batch is m, or the largest size for ghost batches."""
    batch = max(run["sizes"]) if ghost else m
    n = len(data.train_x[: run["train"]])
    torch.manual_seed(run.key(seed))
    norms = tuple("BN" if i == layer else "plain" for i in range(5))
    model = cnn(run.images.shape, run["width"], run["hidden"], norms=norms, ghost=m if ghost else None).to(run.device)
    train(
        model,
        data.train_x[:n],
        data.train_y[:n],
        momentum_sgd(model, 0.02),
        batch=batch,
        rng=run.rng(seed),
        steps=run["epochs"] * max(1, n // batch),
    )
    return _gamma2(model), score(model, data.test_x, data.test_y)[1]


def measure(run: Run) -> Measurement:
    data, sizes = tensors(run.images, run.device), run["sizes"]
    jobs = [
        (g, layer, m, s) for g in (False, True) for layer in run["layers"] for m in sizes for s in range(run["seeds"])
    ]
    found: dict[tuple[bool, int, int], list[tuple[float, float]]] = {job[:3]: [] for job in jobs}
    for ghost, layer, m, seed in run.track(jobs, "networks"):
        found[ghost, layer, m].append(_one(run, data, layer, m, ghost, seed))
    numbers: dict[str, Number] = {}
    for ghost, way in ((False, "batch"), (True, "ghost")):
        for layer in run["layers"]:
            small, large = (np.array(found[ghost, layer, m]).T for m in (sizes[0], sizes[-1]))
            where = f"BN in {LAYERS[layer]}, {'ghost ' if ghost else ''}batch {sizes[-1]} minus {sizes[0]}"
            numbers[f"gamma_{way}_{layer}"] = Number.of(f"γ²: {where}", large[0] - small[0])
            numbers[f"loss_{way}_{layer}"] = Number.of(f"test loss: {where}", large[1] - small[1], "nats")
    return Measurement(numbers, {"found": found, "sizes": sizes, "layers": run["layers"]})


def draw(m: Measurement):
    figure, axes = panels(2, 2, height=3.0)
    for row, ghost in enumerate((False, True)):
        for column, (unit, title) in enumerate((("mean γ² of the layer", "γ²"), ("test loss (nats)", "test loss"))):
            axis = axes[2 * row + column]
            for layer, color in zip(m.series["layers"], CYCLE, strict=False):
                values = np.array([[v[column] for v in m.series["found"][ghost, layer, s]] for s in m.series["sizes"]])
                axis.plot(m.series["sizes"], values, "o", color=color, alpha=0.35, markersize=4)
                axis.plot(m.series["sizes"], values.mean(1), color=color, label=LAYERS[layer])
            way = "ghost batches in one SGD batch" if ghost else "SGD batch = M, same epochs"
            axis.set(title=f"{title}: {way}", xlabel="images a statistic, M", ylabel=unit, xscale="log")
            axis.set_xticks(m.series["sizes"], [str(s) for s in m.series["sizes"]])
            axis.minorticks_off()
    axes[0].legend(title="BN in", title_fontsize=8.5)
    return figure


def _each(prefix: str):
    return lambda n: all(n[key].low > 0 for key in n if key.startswith(prefix))


CLAIM = Claim(
    name="batch-size",
    title="As the batch grows, γ² grows and the regularization weakens",
    statement=(
        "With BN switched on in one layer of a CNN, γ² of that layer grows with the batch size, in every layer, and "
        "so does the test loss, because the implicit gamma decay is proportional to 1/M."
    ),
    source="Text 001 (regularization in BN), section 2.4.3",
    method=(
        "The scaled-down CNN, BN in one layer at a time and none elsewhere, batches from small to large for the "
        "same number of epochs (the text's way; large batches then take fewer steps). Beside it ghost batches: "
        "the same SGD batch and steps, only the images a statistic differ, which leaves nothing but the "
        "statistics' noise. Paired over seeds."
    ),
    headline="γ² from the smallest to the largest batch: {gamma_batch_0} in conv1, {gamma_batch_2} in conv3, "
    "{gamma_batch_4} in fc; with ghost batches {gamma_ghost_0}, {gamma_ghost_2}, {gamma_ghost_4}",
    checks=(
        Check("γ² is larger with the large batch, in every layer.", _each("gamma_batch_")),
        Check("The test loss is larger with the large batch, in every layer.", _each("loss_batch_")),
        Check(
            "With ghost batches, where only the noise differs, γ² is larger in every layer.",
            _each("gamma_ghost_"),
            core=False,
        ),
        Check("With ghost batches the test loss is larger in every layer.", _each("loss_ghost_"), core=False),
    ),
    quick={"layers": [0, 2, 4], "sizes": [16, 128], "seeds": 4, "epochs": 10, "train": 512, "width": 8, "hidden": 64},
    full={
        "layers": [0, 1, 2, 3, 4],
        "sizes": [16, 64, 256],
        "seeds": 4,
        "epochs": 25,
        "train": 1000,
        "width": 8,
        "hidden": 128,
    },
    measure=measure,
    draw=draw,
)
