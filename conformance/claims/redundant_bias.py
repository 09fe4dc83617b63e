"""A bias before batch normalization: cancelled exactly in training, and in inference once the statistics know it."""

import numpy as np
import torch
from torch import nn

from .layers import moments
from .record import Check, Claim, Measurement, Number
from .run import Run
from .style import ALT, BN, PLAIN, panels

U = 2.0**-24  # unit roundoff of float32


def _pair(kind: str, bias: torch.Tensor) -> tuple[nn.Module, nn.Module, tuple[int, ...]]:
    """Two layers of equal weight, the first with `bias` and the second without, and the shape of an input sample."""
    c = len(bias)
    make = (lambda b: nn.Linear(20, c, bias=b)) if kind == "dense" else (lambda b: nn.Conv2d(3, c, 3, bias=b))
    biased, bare = make(True), make(False)
    with torch.no_grad():
        bare.weight.copy_(biased.weight)
        biased.bias.copy_(bias)
    return biased, bare, (20,) if kind == "dense" else (3, 6, 6)


def _norm(kind: str, c: int) -> nn.Module:
    return (nn.BatchNorm1d if kind == "dense" else nn.BatchNorm2d)(c)


def _scores(kind: str, run: Run, repetition: int) -> tuple[float, float, float]:
    """Forward difference and bias gradient, each over its rounding allowance, and the gradient without BN."""
    torch.manual_seed(run.key(repetition, len(kind)))
    bias = torch.randn(8) * 3
    biased, bare, shape = _pair(kind, bias)
    x = torch.randn(run["batch"], *shape)
    norm = _norm(kind, 8)
    h = biased(x)
    h.retain_grad()
    out, target = norm(h), torch.randn_like(h)
    reference = norm(bare(x))
    axes = [0, *range(2, h.ndim)]
    std = h.detach().std(axes, correction=0).reshape(1, -1, *[1] * (h.ndim - 2))
    size = h.detach().abs().amax(axes, keepdim=True)
    # h + b, the mean and the difference each round to u times the largest value: 4 of them, on either side, over std.
    forward = ((out - reference).abs() / (8 * U * (size + out.detach().abs() * std) / std)).max()
    ((out - target) ** 2).sum().backward()
    m = h.numel() // 8
    # The sum over m of dx = (dy - mean(dy) - x̂·mean(dy·x̂))/std is 0 in exact arithmetic. What is left is the
    # rounding of the m terms, and of the mean of h, which moves all x̂ alike: by u·size/std each, times
    # mean(dy·x̂)/std, m times.
    dot = (2 * (out - target) * out).detach().sum(axes).abs()
    terms = h.grad.abs().sum(axes) + (size.squeeze() / std.squeeze() ** 2) * dot
    allowance = 8 * U * np.log2(m) * terms.double() + 1e-30
    gradient = (biased.bias.grad.abs() / allowance).max()
    plain = biased(x)
    biased.bias.grad = None
    ((plain - target) ** 2).sum().backward()
    return float(forward.detach()), float(gradient), float(biased.bias.grad.abs().mean())


def _exact(run: Run) -> tuple[float, float]:
    """Integers, a batch of 64 and a dyadic bias, so that all means are exact: two-pass BN's difference, and torch's.

    The two-pass formula centres both inputs to the same bits. torch updates its variance value by value, with partial
    means that are not exact.
    """
    h = torch.from_numpy(run.rng(7).integers(-8, 9, (64, 8)).astype(np.float32))
    biased, norm = h + torch.arange(8) * 0.25, nn.BatchNorm1d(8)

    def two_pass(x: torch.Tensor) -> torch.Tensor:
        mean, var = moments(x)
        return (x - mean) / torch.sqrt(var + norm.eps)

    with torch.no_grad():
        return tuple(float((bn(biased) - bn(h)).abs().max()) for bn in (two_pass, norm))


def _inference_gap(run: Run, steps: int, decay: float = 0.9) -> np.ndarray:
    """Largest difference in inference after each number of training steps, with bias 1 and with none."""
    torch.manual_seed(run.key(11))
    with_bias, without = nn.BatchNorm1d(8, momentum=1 - decay).double(), nn.BatchNorm1d(8, momentum=1 - decay).double()
    gaps = []
    for _ in range(steps):
        h = torch.randn(run["batch"], 8, dtype=torch.float64)
        with_bias.train(), without.train()
        with_bias(h + 1), without(h)
        with_bias.eval(), without.eval()
        with torch.no_grad():
            gaps.append(float((with_bias(h + 1) - without(h)).abs().max()))
    return np.array(gaps)


def measure(run: Run) -> Measurement:
    forward, gradient, plain = [], [], []
    for repetition in run.track(range(run["repetitions"]), "layers"):
        for kind in ("dense", "conv"):
            f, g, p = _scores(kind, run, repetition)
            forward.append(f), gradient.append(g), plain.append(p)
    gaps = _inference_gap(run, 120)
    exact, rounded = _exact(run)
    return Measurement(
        {
            "exact": Number.exact("largest |BN(Wu+b) - BN(Wu)| where all means are exact, two-pass BN", exact),
            "rounded": Number.exact("the same with torch's BN", rounded),
            "forward": Number.exact("largest |BN(Wu+b) - BN(Wu)| over its rounding allowance, float32", max(forward)),
            "gradient": Number.exact("largest |dL/db| over its rounding allowance, float32", max(gradient)),
            "plain": Number.of("mean |dL/db| without BN, for comparison", plain),
            "gap10": Number.exact("inference: difference after 10 steps (decay 0.9, bias 1)", gaps[9]),
            "gap100": Number.exact("inference: difference after 100 steps", gaps[99]),
            "law": Number.exact(
                "inference: largest relative departure of that difference from decay^steps",
                float(np.abs(gaps[:60] * _std(run) / 0.9 ** np.arange(1, 61) - 1).max()),
            ),
        },
        {"gaps": gaps, "forward": forward, "gradient": gradient},
    )


def _std(run: Run) -> np.ndarray:
    """What divides the gap at each of the first 60 steps: the smallest sqrt(running_var + eps) over the channels."""
    torch.manual_seed(run.key(11))
    norm, out = nn.BatchNorm1d(8, momentum=0.1).double(), []
    for _ in range(60):
        norm(torch.randn(run["batch"], 8, dtype=torch.float64))
        out.append(float((norm.running_var + norm.eps).sqrt().min()))
    return np.array(out)


def draw(m: Measurement):
    figure, axes = panels(2)
    for i, (key, color) in enumerate((("forward", BN), ("gradient", ALT))):
        scores = m.series[key]
        axes[0].scatter(
            np.full(len(scores), i) + np.linspace(-0.25, 0.25, len(scores)), scores, color=color, s=16, alpha=0.6
        )
    axes[0].axhline(1, color="#9aa1ad", linestyle="--", linewidth=1.2)
    axes[0].set(
        title="Training: only rounding is left",
        ylabel="difference / rounding allowance",
        ylim=(0, 1.15),
        xlim=(-0.6, 1.6),
    )
    axes[0].set_xticks([0, 1], ["output with and\nwithout bias", "gradient of\nthe bias"])
    steps = np.arange(1, len(m.series["gaps"]) + 1)
    axes[1].semilogy(steps[::5], m.series["gaps"][::5], "o", color=BN, label="measured")
    axes[1].semilogy(steps, 0.9**steps, color=PLAIN, linestyle=":", label="0.9^steps")
    axes[1].set(
        title="Inference: the bias fades from the statistics",
        xlabel="training steps",
        ylabel="largest output difference",
    )
    axes[1].legend()
    return figure


CLAIM = Claim(
    name="redundant-bias",
    title="A bias before BN is redundant",
    statement="BN(Wu + b) = BN(Wu), because the bias is subtracted with the mean: it may be left out.",
    source="Text 002 (what the BN layer does); text 003 gives the same advice",
    method=(
        "Dense and convolution layers with and without bias under torch's BN: the outputs' difference and the bias' "
        "gradient over a rounding allowance (float32), a case in which all means are exact, and the difference in "
        "inference while running statistics that started at 0 learn a bias of 1."
    ),
    headline="training: {forward} of the rounding allowance, gradient {gradient}; in inference a bias of 1 shows as "
    "{gap10} after 10 steps, {gap100} after 100",
    checks=(
        Check(
            "Where all means are exact, two-pass BN cancels the bias to the last bit.", lambda n: n["exact"].value == 0
        ),
        Check("In float32 the outputs differ by no more than rounding.", lambda n: n["forward"].value <= 1),
        Check("The bias' gradient is zero but for rounding.", lambda n: n["gradient"].value <= 1),
        Check(
            "In inference, too, the bias is gone after 10 training steps (difference below 1e-6).",
            lambda n: n["gap10"].value < 1e-6,
            core=False,
        ),
        Check(
            "In inference it is gone after 100 steps but for decay^100 (difference below 1e-4).",
            lambda n: n["gap100"].value < 1e-4,
            core=False,
        ),
    ),
    errata=(
        "In inference the equality holds only as far as the running mean has learned the bias: with decay d it is off "
        "by d^steps·γb/σ, and entirely if a bias is changed after training.",
    ),
    quick={"batch": 64, "repetitions": 12},
    full={"batch": 64, "repetitions": 200},
    measure=measure,
    draw=draw,
)
