"""The networks of the source texts, their training loop, and how they are scored."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from .data import Images
from .layers import Affine, GhostBatchNorm, MeanOnlyNorm, PopulationNorm, UnitWeight, VarianceOnlyNorm


@dataclass(frozen=True)
class Tensors:
    """A data set on its device."""

    train_x: Tensor
    train_y: Tensor
    valid_x: Tensor
    valid_y: Tensor
    test_x: Tensor
    test_y: Tensor


def tensors(images: Images, device: str, *, size: int | None = None, flat: bool = False) -> Tensors:
    """The images as tensors, resized to `size` x `size` (bilinear) or flattened where asked."""

    def x(part: np.ndarray) -> Tensor:
        t = torch.from_numpy(part)
        if size is not None and tuple(t.shape[2:]) != (size, size):
            t = nn.functional.interpolate(t, (size, size), mode="bilinear", align_corners=False)
        return (t.flatten(1) if flat else t).to(device)

    def y(part: np.ndarray) -> Tensor:
        return torch.from_numpy(part).to(device)

    return Tensors(
        x(images.train_x), y(images.train_y), x(images.valid_x), y(images.valid_y), x(images.test_x), y(images.test_y)
    )


def batches(n: int, size: int, steps: int, rng: np.random.Generator, *, drop_last: bool = True) -> Iterator[Tensor]:
    """Index tensors of `steps` batches from shuffled passes over `n` samples; `size` is cut down to `n`."""
    size, done = min(size, n), 0
    while True:
        order = torch.from_numpy(rng.permutation(n))
        for start in range(0, n, size):
            part = order[start : start + size]
            if drop_last and len(part) < size:
                break
            if done == steps:
                return
            done += 1
            yield part


def train(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    optimizer: torch.optim.Optimizer,
    *,
    batch: int,
    steps: int,
    rng: np.random.Generator,
    after: Callable[[int, float], None] | None = None,
    drop_last: bool = True,
    penalty: Callable[[], Tensor] | None = None,
) -> None:
    """Cross-entropy training. `after(step, loss)` is called after each step (steps count from 1)."""
    model.train()
    for step, index in enumerate(batches(len(x), batch, steps, rng, drop_last=drop_last), start=1):
        index = index.to(x.device)
        loss = nn.functional.cross_entropy(model(x[index]), y[index])
        total = loss if penalty is None else loss + penalty()
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        optimizer.step()
        if after is not None:
            after(step, float(loss.detach()))
            model.train()


@torch.no_grad()
def score(model: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    """(accuracy, mean cross-entropy) in inference mode; the model is left in inference mode."""
    model.eval()
    out = torch.cat([model(part) for part in x.split(2000)])
    return float((out.argmax(1) == y).double().mean()), float(nn.functional.cross_entropy(out, y))


def mlp(
    inputs: int,
    hidden: tuple[int, ...],
    *,
    norm: Callable[[int], nn.Module] | None = None,
    activation: type[nn.Module] = nn.Sigmoid,
    std: float | None = None,
    classes: int = 10,
) -> nn.Sequential:
    """Dense layers with a normalization before each activation.

    `std` draws weights from N(0, std²); without it they are He's where ReLU follows, so that a plain network trains
    at all, and torch's default elsewhere. Biases of drawn weights are 0.
    """
    layers: list[nn.Module] = []
    for width in hidden:
        layers.append(nn.Linear(inputs, width))
        if norm is not None:
            layers.append(norm(width))
        layers.append(activation())
        inputs = width
    layers.append(nn.Linear(inputs, classes))
    for layer in layers:
        if isinstance(layer, nn.Linear) and (std is not None or activation is nn.ReLU):
            nn.init.normal_(layer.weight, 0.0, (2 / layer.in_features) ** 0.5 if std is None else std)
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


RELU_GAIN = 2**0.5  # keeps the second moment through a ReLU where nothing else does (He et al., 2015)


def normalized(linear: nn.Linear | nn.Conv2d, kind: str, ghost: int | None = None) -> list[nn.Module]:
    """`linear` (without bias) and what follows it under the normalization `kind`."""
    channels = linear.weight.shape[0]
    batch_norm = nn.BatchNorm2d if isinstance(linear, nn.Conv2d) else nn.BatchNorm1d
    return {
        "plain": lambda: [linear, Bias(channels)],
        "BN": lambda: [linear, batch_norm(channels) if ghost is None else GhostBatchNorm(channels, ghost=ghost)],
        "WN": lambda: [UnitWeight(linear), Affine(channels, RELU_GAIN)],
        "WN + mean BN": lambda: [UnitWeight(linear), MeanOnlyNorm(channels, RELU_GAIN)],
        "WN + var BN": lambda: [UnitWeight(linear), VarianceOnlyNorm(channels)],
        "PN": lambda: [linear, PopulationNorm(channels)],
    }[kind]()


class Bias(nn.Module):
    """A learned shift a channel: the bias of a plain layer."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias.reshape(1, -1, *[1] * (x.ndim - 2))


def cnn(
    shape: tuple[int, int, int],
    width: int,
    hidden: int,
    *,
    norms: str | tuple[str, ...] = "BN",
    before: float = 0.0,
    behind: float = 0.0,
    ghost: int | None = None,
) -> nn.Sequential:
    """conv-conv-conv-conv-pool-fc-fc of the regularization text, scaled: `width` channels, then twice as many.

    The text's is `width=32, hidden=512` on 32x32 images; the claims shrink it for 8x8 digits and two cores.
    `norms` names the normalization of the five hidden layers, or one for all. `before` and `behind` are dropout
    rates before and after each normalization. He initialization; ReLU; no bias beside a normalization.
    """
    channels, height, breadth = shape
    kinds = (norms,) * 5 if isinstance(norms, str) else norms
    layers: list[nn.Module] = []
    for i, kind in enumerate(kinds):
        if i < 4:
            out = width if i < 2 else 2 * width
            linear: nn.Linear | nn.Conv2d = nn.Conv2d(channels, out, 3, padding=1, bias=False)
            channels = out
        else:
            layers += [nn.MaxPool2d(2), nn.Flatten()]
            linear = nn.Linear(channels * (height // 2) * (breadth // 2), hidden, bias=False)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        head, norm = normalized(linear, kind, ghost)
        layers += [
            head,
            *([nn.Dropout(before)] if before else []),
            norm,
            *([nn.Dropout(behind)] if behind else []),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers, nn.Linear(hidden, 10))


def momentum_sgd(model: nn.Module, lr: float, heavy_ball: float = 0.9) -> torch.optim.SGD:
    """SGD with heavy-ball momentum: the optimizer of all claims that do not say otherwise."""
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=heavy_ball)
