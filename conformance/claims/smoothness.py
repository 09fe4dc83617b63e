"""How smooth the loss is along the training direction, with batch normalization, without it, and with noise behind
it."""

import numpy as np
import torch
from torch import Tensor, nn

from .networks import Tensors, batches, mlp, momentum_sgd, score, tensors
from .record import Check, Claim, Measurement, Number
from .run import Run
from .style import ALT, BN, PLAIN, band, dots, panels

KINDS = ("plain", "BN", "BN + noise")
COLORS = (PLAIN, BN, ALT)
LR = 0.05
LENGTHS = (0.5, 1.0, 2.0, 4.0)  # step lengths tried along the gradient, in steps of LR


class Noise(nn.Module):
    """After a BN, in training: a shift and a scale of the distributions that change at each step, on purpose.

    After Santurkar et al. (2018): each step draws a mean from U(-1/2, 1/2) and a scale from U(1, 5/4) for each
    channel; each sample then has its own shift, uniform within 0.1 of that mean, and its own scale, normal around that
    scale with std 0.1.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.generator, self.frozen = torch.Generator().manual_seed(seed), None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        if self.frozen is None or self.frozen.shape[1:] != x.shape:
            self.frozen = self._draw(x.shape).to(x.device)
        return self.frozen[0] * x + self.frozen[1]

    def _draw(self, shape: torch.Size) -> Tensor:
        """(scale, shift), each of the input's shape `[N, C]`."""
        mean, scale = torch.rand(2, 1, shape[1], generator=self.generator)
        spread = torch.rand(shape, generator=self.generator) * 0.2 - 0.1
        return torch.stack([1 + scale / 4 + 0.1 * torch.randn(shape, generator=self.generator), mean - 0.5 + spread])


def network(run: Run, kind: str, seed: int) -> nn.Sequential:
    """Four hidden ReLU layers of 64; the same weights for one seed."""
    torch.manual_seed(run.key(seed))

    def norm(width: int) -> nn.Module:
        return (
            nn.BatchNorm1d(width) if kind == "BN" else nn.Sequential(nn.BatchNorm1d(width), Noise(run.key(seed, width)))
        )

    return mlp(run.images.inputs, (64,) * 4, norm=None if kind == "plain" else norm, activation=nn.ReLU).to(run.device)


def _gradient(model: nn.Module, x: Tensor, y: Tensor) -> tuple[float, list[Tensor]]:
    loss = nn.functional.cross_entropy(model(x), y)
    return float(loss.detach()), list(torch.autograd.grad(loss, list(model.parameters())))


def landscape(model: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float, float]:
    """(range of the loss, largest change of the gradient, the same over its norm) along the gradient, on one batch.

    Everything that a look must not change is put back: weights and running statistics. Noise stays as it is drawn.
    """
    parameters, buffers = list(model.parameters()), [b.clone() for b in model.buffers()]
    start, gradient = _gradient(model, x, y)
    origin = [p.detach().clone() for p in parameters]
    losses, changes = [start], []
    for length in LENGTHS:
        with torch.no_grad():
            for p, o, g in zip(parameters, origin, gradient, strict=True):
                p.copy_(o - LR * length * g)
        loss, there = _gradient(model, x, y)
        losses.append(loss)
        changes.append(float(torch.sqrt(sum(((t - g) ** 2).sum() for t, g in zip(there, gradient, strict=True)))))
    with torch.no_grad():
        for p, o in zip(parameters, origin, strict=True):
            p.copy_(o)
        for b, kept in zip(model.buffers(), buffers, strict=True):
            b.copy_(kept)
    size = float(torch.sqrt(sum((g**2).sum() for g in gradient)))
    return max(losses) - min(losses), max(changes), max(changes) / size


def _one(run: Run, data: Tensors, kind: str, seed: int) -> dict[str, np.ndarray]:
    model = network(run, kind, seed)
    optimizer, looks, shift, losses, before = momentum_sgd(model, LR, 0.0), [], [], [], None
    noises = [m for m in model.modules() if isinstance(m, Noise)]
    watched: list[Tensor] = []
    model[-2].register_forward_pre_hook(lambda _, inputs: watched.append(inputs[0].detach().mean(0)))
    for step, index in enumerate(batches(len(data.train_x), 64, run["steps"], run.rng(seed)), start=1):
        model.train()
        for noise in noises:
            noise.frozen = None
        x, y = data.train_x[index], data.train_y[index]
        watched.clear()
        loss, gradient = _gradient(model, x, y)
        if before is not None:
            shift.append(float((watched[0] - before).abs().mean()))
        before = watched[0]
        losses.append(loss)
        if step % run["every"] == 0:
            looks.append(landscape(model, x, y))
        for p, g in zip(model.parameters(), gradient, strict=True):
            p.grad = g
        optimizer.step()
    accuracy = score(model, data.test_x, data.test_y)[0]
    return {
        "looks": np.array(looks).T,
        "shift": np.array(shift),
        "losses": np.array(losses),
        "accuracy": np.array(accuracy),
    }


def measure(run: Run) -> Measurement:
    data = tensors(run.images, run.device, flat=True)
    found: dict[str, list[dict[str, np.ndarray]]] = {kind: [] for kind in KINDS}
    for kind, seed in run.track([(k, s) for k in KINDS for s in range(run["seeds"])], "networks"):
        found[kind].append(_one(run, data, kind, seed))
    value = {
        kind: np.array([[*r["looks"].mean(1), r["shift"].mean(), 100 * r["accuracy"]] for r in found[kind]]).T
        for kind in KINDS
    }
    labels = (
        ("range", "range of the loss along the gradient", "nats"),
        ("change", "largest change of the gradient", ""),
        ("relative", "largest change of the gradient / its norm", ""),
        ("shift", "change of the last pre-activations' means between steps", ""),
        ("accuracy", "test accuracy", "%"),
    )
    numbers = {
        f"{key}_{kind}": Number.of(f"{label}, {kind}", value[kind][i], unit)
        for i, (key, label, unit) in enumerate(labels)
        for kind in KINDS
    }
    for i, (key, label, unit) in enumerate(labels):
        numbers[f"{key}"] = Number.of(f"{label}: plain minus BN", value["plain"][i] - value["BN"][i], unit)
        numbers[f"{key}_noisy"] = Number.of(
            f"{label}: plain minus BN + noise", value["plain"][i] - value["BN + noise"][i], unit
        )
    numbers["cost"] = Number.of("test accuracy: BN minus BN + noise", value["BN"][4] - value["BN + noise"][4], "points")
    at = np.arange(1, run["steps"] // run["every"] + 1) * run["every"]
    return Measurement(
        numbers,
        {
            "found": found,
            "at": at,
            "accuracy": {k: value[k][4] for k in KINDS},
            "shift": {k: value[k][3] for k in KINDS},
        },
    )


def draw(m: Measurement):
    figure, axes = panels(2, 2, height=3.0)
    for kind, color in zip(KINDS, COLORS, strict=True):
        runs = m.series["found"][kind]
        for axis, i in ((axes[0], 0), (axes[1], 2)):
            band(axis, m.series["at"], [r["looks"][i] for r in runs], color, kind)
        band(axes[2], np.arange(2, len(runs[0]["shift"]) + 2), [r["shift"] for r in runs], color, kind)
    axes[0].set(title="Loss along the gradient", xlabel="step", ylabel="range of the loss (nats)", yscale="log")
    axes[1].set(title="Gradient along itself", xlabel="step", ylabel="largest change / norm", yscale="log")
    axes[2].set(title="Shift of the last layer's input", xlabel="step", ylabel="change of the means", yscale="log")
    axes[0].legend()
    dots(axes[3], m.series["accuracy"], COLORS, "test accuracy (%)")
    axes[3].set(title="Accuracy")
    return figure


CLAIM = Claim(
    name="smoothness",
    title="BN smooths the optimization, and that, not less covariate shift, is why it helps",
    statement=(
        "With BN the loss and the gradient vary less along the training direction. A network with "
        "noise behind BN, whose distributions shift more than anyone's, still trains faster than one "
        "without BN and about as well as BN."
    ),
    source="Text 000 (BN in PyTorch), retelling Santurkar et al. 2018",
    method=(
        "MLP of four hidden ReLU layers of 64, He initialization (the original is VGG on CIFAR-10), plain SGD 0.05, "
        "batch 64; plain, with BN, and with BN followed by a random shift (±0.5) and scale (1 to 1.25) that change "
        "at each step. At intervals the loss and gradient at 0.5 to 4 step lengths along the gradient, on the batch "
        "of the step. Paired over seeds."
    ),
    headline="largest change of the gradient over its norm: plain {relative_plain}, BN {relative_BN}, BN + noise "
    "{relative_BN + noise}; test accuracy {accuracy_plain}, {accuracy_BN}, {accuracy_BN + noise}",
    checks=(
        Check("The loss varies less along the gradient with BN.", lambda n: n["range"].low > 0),
        Check("The gradient changes less with BN.", lambda n: n["change"].low > 0),
        Check("The gradient changes less with BN also for its norm.", lambda n: n["relative"].low > 0, core=False),
        Check(
            "With noise the last layer's input shifts more than without BN.",
            lambda n: n["shift_noisy"].high < 0,
            core=False,
        ),
        Check(
            "The network without BN trains too (test accuracy above 80 %), so that a plateau "
            "does not pass for smoothness.",
            lambda n: n["accuracy_plain"].low > 80,
            core=False,
        ),
        Check(
            "With noise the network still ends more accurate than without BN.",
            lambda n: n["accuracy_noisy"].high < 0,
            core=False,
        ),
        Check("... and at most 2 points behind BN.", lambda n: n["cost"].high <= 2, core=False),
    ),
    quick={"steps": 150, "every": 5, "seeds": 12},
    full={"steps": 1500, "every": 25, "seeds": 12},
    measure=measure,
    draw=draw,
)
