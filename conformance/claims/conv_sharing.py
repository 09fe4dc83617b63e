"""Convolution sharing: one pair and one statistic a map, and how many independent values that statistic really has."""

import numpy as np
import torch
from torch import nn

from .networks import tensors
from .record import Check, Claim, Measurement, Number
from .run import Run
from .style import ALT, BN, PLAIN, dots, panels

GROUPS = 10


def _effective(maps: torch.Tensor, images: int, draws: int, rng: np.random.Generator) -> float:
    """Independent values behind a batch mean of `images` maps: variance of a value / variance of the batch mean.

    `maps[n, f, p, q]`; batches are drawn with replacement, so that batch means are independent. Median over the maps.
    """
    means = maps.mean((2, 3)).double()  # the batch mean of a map is the mean over images of these
    batch = means[torch.from_numpy(rng.integers(0, len(maps), (draws, images)))].mean(1)
    return float((maps.double().var((0, 2, 3), correction=0) / batch.var(0)).median())


def _same_as_dense(run: Run) -> float:
    """Largest difference between BatchNorm2d and BatchNorm1d over the m·p·q rows of each map, float64."""
    x = torch.from_numpy(run.rng(1).standard_normal((8, 6, 5, 7)) * 2 + 1)
    rows = x.permute(0, 2, 3, 1).reshape(-1, 6)
    shared = nn.BatchNorm2d(6).double()(x).permute(0, 2, 3, 1).reshape(-1, 6)
    return float((shared - nn.BatchNorm1d(6).double()(rows)).detach().abs().max())


def measure(run: Run) -> Measurement:
    data = tensors(run.images, "cpu")
    torch.manual_seed(run.key(0))
    conv = nn.Conv2d(data.train_x.shape[1], 6, 3, padding=1)
    with torch.no_grad():
        natural = conv(data.train_x)
    m, area = run["batch"], natural.shape[2] * natural.shape[3]
    noise = torch.from_numpy(run.rng(2).standard_normal(natural.shape))
    ratios: dict[str, list[float]] = {"independent pixels": [], "feature maps of images": []}
    for group in run.track(range(GROUPS), "batch means"):
        for (_name, kept), maps in zip(ratios.items(), (noise, natural), strict=True):
            kept.append(_effective(maps, m, run["draws"], run.rng(3, group)) / (m * area))
    shared = sum(p.numel() for p in nn.BatchNorm2d(6).parameters())
    unshared = sum(p.numel() for p in nn.BatchNorm1d(6 * 100 * 100).parameters())
    return Measurement(
        {
            "shared": Number.exact("parameters of BN, shared, [m, 6, 100, 100]", shared),
            "unshared": Number.exact("parameters of BN, one pair a neuron, [m, 6, 100, 100]", unshared),
            "same": Number.exact("largest difference from BN over the m·p·q rows of a map", _same_as_dense(run)),
            "noise": Number.of("independent values / m·p·q, independent pixels", ratios["independent pixels"]),
            "natural": Number.of(
                "independent values / m·p·q, feature maps of images", ratios["feature maps of images"]
            ),
            "values": Number.exact(
                "independent values a batch, feature maps", np.mean(ratios["feature maps of images"]) * m * area
            ),
            "mpq": Number.exact("m·p·q", m * area),
        },
        {"ratios": ratios, "counts": (shared, unshared)},
    )


def draw(m: Measurement):
    figure, axes = panels(2)
    axes[0].barh(["one pair\na neuron", "one pair\na map"], m.series["counts"][::-1], color=(PLAIN, BN), height=0.5)
    axes[0].set_xscale("log")
    for i, count in enumerate(m.series["counts"][::-1]):
        axes[0].annotate(f"{count:,}", (count, i), (4, 0), textcoords="offset points", va="center", fontsize=9)
    axes[0].set(title="Parameters of BN on [m, 6, 100, 100]", xlabel="gammas and betas (log scale)", xlim=(1, 3e6))
    dots(axes[1], m.series["ratios"], (BN, ALT), "independent values / m·p·q")
    axes[1].set(title="How many values a batch mean is worth", ylim=(0, None))
    axes[1].axhline(1, color="#9aa1ad", linestyle="--", linewidth=1.2)
    return figure


CLAIM = Claim(
    name="conv-sharing",
    title="Convolutions share one pair a map, with an effective batch of m·p·q",
    statement=(
        "For features [m, f, p, q] BN treats a feature map as one neuron: f pairs of parameters instead of f·p·q, and "
        "statistics over an effective batch of m·p·q values."
    ),
    source="Text 002 (what the BN layer does), after Ioffe and Szegedy 2015",
    method=(
        "Parameters are counted in torch's modules; the shared statistics are compared with BN over the m·p·q rows of "
        "a map; the number of independent values behind a batch mean (variance of a value over variance of the mean) "
        "is measured on independent pixels and on the maps of a random 3x3 convolution of the images."
    ),
    headline="{shared} parameters against {unshared}; independent values a statistic over m·p·q: {noise} for "
    "independent pixels, {natural} for maps of images",
    checks=(
        Check(
            "One pair a map: 2f parameters against 2·f·p·q.",
            lambda n: n["shared"].value == 12 and n["unshared"].value == 120_000,
        ),
        Check("The statistics are those of m·p·q rows (float64, within 1e-12).", lambda n: n["same"].value < 1e-12),
        Check(
            "On independent pixels a batch mean is worth m·p·q values (within 10 %).",
            lambda n: n["noise"].within(0.9, 1.1),
        ),
        Check("On feature maps of images as well.", lambda n: n["natural"].within(0.9, 1.1), core=False),
    ),
    errata=(
        "100·100·6 neurons need 60,000 pairs, 120,000 parameters; the text says 6 million times two.",
        "m·p·q counts the values of a statistic, not independent ones. The pixels of a map depend on each other, so "
        "the noise of its mean is that of another number of independent values, smaller or larger, as measured here.",
    ),
    quick={"batch": 16, "draws": 4000},
    full={"batch": 16, "draws": 40_000},
    measure=measure,
    draw=draw,
)
