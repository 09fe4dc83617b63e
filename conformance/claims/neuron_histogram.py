"""One neuron, two sets of weights: how its output's distribution changes, and what batch normalization keeps."""

import numpy as np

from .record import Check, Claim, Measurement, Number
from .run import Run
from .style import ALT, BN, panels

WEIGHTS = ((0.5, 0.5, 1.0), (-0.5, 0.25, 1.0))  # w1, w2 and the bias w0, as the text has them


def _normalize(h: np.ndarray) -> np.ndarray:
    return (h - h.mean()) / np.sqrt(h.var() + 1e-5)


def _variants(h: np.ndarray) -> dict[str, np.ndarray]:
    return {"none": np.maximum(h, 0), "before": np.maximum(_normalize(h), 0), "after": _normalize(np.maximum(h, 0))}


def _neuron(rng: np.random.Generator, weights: tuple[float, float, float], n: int) -> np.ndarray:
    x = rng.standard_normal((n, 2))
    return x @ np.array(weights[:2]) + weights[2]


def measure(run: Run) -> Measurement:
    from scipy.stats import ks_2samp

    distance: dict[str, list[float]] = {key: [] for key in ("none", "before", "after", "same")}
    zeros: list[list[float]] = [[], []]
    for repetition in run.track(range(run["repetitions"]), "histograms"):
        rng = run.rng(repetition)
        first, second = (_variants(_neuron(rng, w, run["samples"])) for w in WEIGHTS)
        again = np.maximum(_neuron(rng, WEIGHTS[0], run["samples"]), 0)
        for key in ("none", "before", "after"):
            distance[key].append(float(ks_2samp(first[key], second[key]).statistic))
        distance["same"].append(float(ks_2samp(first["none"], again).statistic))
        for kept, outputs in zip(zeros, (first, second), strict=True):
            kept.append(float((outputs["none"] == 0).mean()))
    excess = {key: np.subtract(distance[key], distance["same"]) for key in ("before", "after")}
    return Measurement(
        {
            "none": Number.of(
                "distance between the two output distributions (Kolmogorov-Smirnov), no BN", distance["none"]
            ),
            "same": Number.of("the same distance between two samples of one neuron", distance["same"]),
            "before": Number.of("distance beyond that of one neuron, BN before ReLU", excess["before"]),
            "after": Number.of("distance beyond that of one neuron, BN after ReLU", excess["after"]),
            "zero1": Number.of("outputs that ReLU sets to zero, first weights", np.array(zeros[0]) * 100, "%"),
            "zero2": Number.of("outputs that ReLU sets to zero, second weights", np.array(zeros[1]) * 100, "%"),
        },
        {"first": first, "second": second},
    )


def draw(m: Measurement):
    figure, axes = panels(3)
    titles = {"none": "No normalization", "before": "BN before ReLU", "after": "BN after ReLU"}
    for axis, (key, title) in zip(axes, titles.items(), strict=True):
        both = np.concatenate([m.series["first"][key], m.series["second"][key]])
        bins = np.linspace(both.min(), np.quantile(both, 0.9995), 45)
        for name, color, w in (("first", BN, WEIGHTS[0]), ("second", ALT, WEIGHTS[1])):
            values = m.series[name][key]
            axis.hist(values, bins, density=True, histtype="stepfilled", color=color, alpha=0.35)
            axis.hist(
                values,
                bins,
                density=True,
                histtype="step",
                color=color,
                linewidth=1.6,
                linestyle="-" if name == "first" else "--",
                label=f"w = ({w[0]:g}, {w[1]:g}), bias {w[2]:g}",
            )
        axis.set(title=title, xlabel="output of the neuron", ylabel="density" if key == "none" else "")
    axes[0].legend()
    return figure


CLAIM = Claim(
    name="neuron-histogram",
    title="Changing one neuron's weights reshapes its output distribution; BN pins it",
    statement=(
        "Even a small change of the incoming weights changes the statistics of a ReLU neuron's output a lot: with w = "
        "(-0.5, 0.25) most of the output is zeroed. Normalizing each batch removes that change."
    ),
    source="Text 003 (Batch Normalization in PyTorch, in Russian)",
    method=(
        "Standard normal inputs through ReLU(w·x + w0) under both weight sets, with BN before and after the "
        "activation. Distance between the two output distributions: Kolmogorov-Smirnov, over independent samples, "
        "against the distance of two samples of one and the same neuron."
    ),
    headline="Kolmogorov-Smirnov distance {none} without BN; beyond that of one neuron {before} with BN before ReLU, "
    "{after} after it; the second weights zero {zero2} of the outputs",
    checks=(
        Check("Without BN the two distributions are apart by more than 0.05.", lambda n: n["none"].low > 0.05),
        Check(
            "With BN before ReLU they differ no more than two samples of one neuron (within 0.01).",
            lambda n: n["before"].within(-1, 0.01),
        ),
        Check(
            "With BN after ReLU the same holds: not only mean and variance but the shape is pinned.",
            lambda n: n["after"].within(-1, 0.01),
            core=False,
        ),
        Check(
            "The second weights zero most of the outputs, as the text says.", lambda n: n["zero2"].low > 50, core=False
        ),
    ),
    errata=(
        "With the stated weights and w0 = +1 the pre-activation is N(1, 0.31), of which ReLU zeroes 3.7 %, fewer than "
        "with the first weights (7.9 %), not most. The histogram the text describes belongs to a negative w0.",
    ),
    quick={"samples": 20_000, "repetitions": 10},
    full={"samples": 100_000, "repetitions": 30},
    measure=measure,
    draw=draw,
)
