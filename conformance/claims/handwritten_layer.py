"""The hand-written BN layer of the first text beside the framework's, and what each of its errors does."""

import numpy as np
import torch
from torch import Tensor, nn

from .networks import mlp, momentum_sgd, tensors, train
from .record import Check, Claim, Measurement, Number
from .run import Run
from .sigmoid_mlp import HIDDEN
from .style import ALT, BN, PLAIN, panels

ERRORS = {
    "variance": "variance divided by the batch size once more",
    "running": "running statistics weighted 0.99/calls, inference calls counted",
    "ratio": "statistics scaled by the ratio of batch sizes",
    "attributes": "statistics in plain attributes",
}
EPS = 1e-3


class HandWritten(nn.Module):
    """The text's layer for `x[N, C]` with any subset of its `errors`; with none it is BN with decay 0.9."""

    def __init__(self, channels: int, errors: frozenset[str] = frozenset(ERRORS)) -> None:
        super().__init__()
        self.errors, self.calls, self.batch = errors, 0, 0
        self.gamma, self.beta = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        for name, value in (("mean", torch.zeros(channels)), ("var", torch.ones(channels))):
            if "attributes" in errors:
                setattr(self, name, value)
            else:
                self.register_buffer(name, value)

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if not self.training:
            factor = len(x) / self.batch if "ratio" in self.errors and self.batch else 1.0
            mean, var = self.mean * factor, self.var * factor
        else:
            mean, var = x.mean(0), x.var(0, correction=0)
            if "variance" in self.errors:
                var = x.var(0) / len(x)
            self.batch = self.batch or len(x)
            self._update(mean.detach(), var.detach(), len(x))
        return self.gamma * (x - mean) / torch.sqrt(var + EPS) + self.beta

    def _update(self, mean: Tensor, var: Tensor, n: int) -> None:
        new = 0.99 / self.calls if "running" in self.errors else 0.1
        factor = self.batch / n if "ratio" in self.errors else 1.0
        self.mean = (1 - new) * self.mean + new * factor * mean
        self.var = (1 - new) * self.var + new * factor * var


def _accuracy(model: nn.Module, x: Tensor, y: Tensor, batch: int) -> float:
    """Accuracy in inference, in per cent, with the images handed over `batch` at a time."""
    model.eval()
    with torch.no_grad():
        out = torch.cat([model(part) for part in x.split(batch)])
    return 100 * float((out.argmax(1) == y).double().mean())


def _layer_facts(run: Run) -> dict[str, Number]:
    """One layer against torch's, on one batch, and what of it is saved."""
    torch.manual_seed(run.key(5))
    x = torch.randn(60, 100) * 2 + 1
    framework, text = nn.BatchNorm1d(100, eps=EPS), HandWritten(100)
    with torch.no_grad():
        right, wrong = framework(x), text(x)
        repaired = HandWritten(100, frozenset())(x)
    return {
        "output": Number.exact(
            "largest difference from torch's BN, training, batch 60", float((wrong - right).abs().max())
        ),
        "repaired": Number.exact("the same with the four errors mended", float((repaired - right).abs().max())),
        "std": Number.exact("std of the normalized output (BN: 1)", float(wrong.std(0, correction=0).mean())),
        "saved": Number.exact(
            "statistics in its state_dict (BN: 2)", sum(k in ("mean", "var") for k in text.state_dict())
        ),
    }


def measure(run: Run) -> Measurement:
    data = tensors(run.images, run.device, flat=True)
    variants = {
        "framework": None,
        "mended": frozenset(),
        **{e: frozenset({e}) for e in ("variance", "running", "ratio")},
        "as printed": frozenset(ERRORS) - {"attributes"},
    }  # where the statistics live changes no number here
    sizes = (60, 20, 1)
    accuracy = {name: np.zeros((len(sizes), run["seeds"])) for name in variants}
    for name, seed in run.track([(v, s) for v in variants for s in range(run["seeds"])], "networks"):
        errors = variants[name]
        torch.manual_seed(run.key(seed))
        norm = (lambda c: nn.BatchNorm1d(c, eps=EPS)) if errors is None else (lambda c, e=errors: HandWritten(c, e))
        model = mlp(run.images.inputs, HIDDEN, norm=norm, std=1.0).to(run.device)
        train(
            model,
            data.train_x,
            data.train_y,
            momentum_sgd(model, 0.01),
            batch=60,
            steps=run["steps"],
            rng=run.rng(seed),
            drop_last=False,
        )
        for i, size in enumerate(sizes):
            accuracy[name][i, seed] = _accuracy(model, data.test_x, data.test_y, size)
    numbers = _layer_facts(run)
    for name, values in accuracy.items():
        numbers |= {
            f"{name}_{size}": Number.of(f"test accuracy, {name}, handed over {size} at a time", values[i], "%")
            for i, size in enumerate(sizes)
        }
    numbers["lost_60"] = Number.of(
        "framework minus as printed, 60 at a time", (accuracy["framework"] - accuracy["as printed"])[0], "points"
    )
    numbers["lost_1"] = Number.of(
        "framework minus as printed, 1 at a time", (accuracy["framework"] - accuracy["as printed"])[2], "points"
    )
    return Measurement(numbers, {"accuracy": accuracy, "sizes": sizes})


def draw(m: Measurement):
    figure, axes = panels(1, width=9, height=3.8)
    accuracy, width = m.series["accuracy"], 0.26
    for i, (size, color) in enumerate(zip(m.series["sizes"], (BN, PLAIN, ALT), strict=True)):
        positions = np.arange(len(accuracy)) + (i - 1) * width
        axes[0].bar(
            positions,
            [v[i].mean() for v in accuracy.values()],
            width * 0.92,
            color=color,
            label=f"{size} image{'s' if size > 1 else ''} at a time",
        )
        for position, values in zip(positions, accuracy.values(), strict=True):
            axes[0].plot([position] * values.shape[1], values[i], "o", color="#1f2430", markersize=2.5, alpha=0.6)
    names = {
        "framework": "torch's BN",
        "mended": "mended",
        "variance": "only: variance\n/ batch size",
        "running": "only: running\nweight 0.99/t",
        "ratio": "only: ratio of\nbatch sizes",
        "as printed": "as printed",
    }
    axes[0].set_xticks(range(len(accuracy)), [names[name] for name in accuracy])
    axes[0].grid(axis="x", visible=False)
    axes[0].set(
        title="The same MLP with each error alone: inference depends on how images are handed over",
        ylabel="test accuracy (%)",
        ylim=(0, 118),
    )
    axes[0].legend(ncols=3, loc="upper center")
    return figure


CLAIM = Claim(
    name="handwritten-layer",
    title="The hand-written layer reproduces batch normalization",
    statement=(
        "A module of some forty lines reproduces BN after its formulas, with an exponential moving average of "
        "mean and variance for inference."
    ),
    source="Text 000 (BN in PyTorch, MNIST): class myBatchNorm2d",
    method=(
        "The layer's training output against torch's on one batch; the text's MLP trained with torch's BN, "
        "with the layer as printed, with each error alone and with all mended; test accuracy with the images "
        "handed over 60, 20 and 1 at a time."
    ),
    headline="output std {std} where BN's is 1; accuracy below torch's by {lost_60} at 60 images a time, {lost_1} at "
    "one; {saved} of 2 statistics saved",
    checks=(
        Check("Its training output is torch's within 1e-4.", lambda n: n["output"].value < 1e-4),
        Check("Its statistics are saved with the module.", lambda n: n["saved"].value == 2),
        Check(
            "The network's accuracy is torch's within 1 point, 60 at a time.",
            lambda n: n["lost_60"].within(-1, 1),
            core=False,
        ),
        Check("... and 1 at a time.", lambda n: n["lost_1"].within(-1, 1), core=False),
    ),
    errata=(
        "x.var(0)/N divides the variance by the batch size a second time: outputs have std √N (7.7 at 60) and the "
        "sigmoids saturate. x.var also has ddof 1.",
        "The running average weighs a new batch by 0.99/calls, calls that include inference: it is near the "
        "cumulative mean and hardly follows the weights later on.",
        "Means and variances are multiplied by a ratio of batch sizes; both are averages already, so that an image "
        "alone is normalized with a sixtieth of them.",
        "mean and var are plain attributes: not in the state_dict, and not moved with the module to another device.",
    ),
    quick={"seeds": 5, "steps": 300},
    full={"seeds": 8, "steps": 3000},
    measure=measure,
    draw=draw,
)
