"""The study's figures."""

import numpy as np

from bnconform.allowance import Numerics

from . import exact
from .kernels import FAIR, MISTAKES
from .problems import draw
from .study import Scores, allowances_of, computed

CLASSES = {
    "two-pass": Numerics("float32", "two-pass", "pairwise"),
    "welford": Numerics("float32", "welford", "pairwise"),
    "one-pass": Numerics("float32", "one-pass", "pairwise"),
}
SHOWN = (
    "direct, tree sums",
    "folded a x + b, tree sums",
    "direct, one term after the other",
    "merged halves",
    "one-pass, tree sums",
)


def _axes(count, height=4.0):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot.subplots(1, count, figsize=(5.0 * count, height), layout="constrained")


def histogram(scores: Scores, path) -> None:
    """How far below 1 the worst score of a problem lies, by variant."""
    figure, axes = _axes(2)
    bins = np.logspace(-4, 0.5, 46)  # an edge at 1
    for axis, output in zip(axes, ("y", "dx")):
        for variant in FAIR:
            if variant.name in SHOWN:
                values = scores.of(variant.name, output)
                axis.hist(values[np.isfinite(values)], bins, histtype="step", label=variant.name)
        axis.axvline(1.0, color="black", linestyle="--")
        axis.set(xscale="log", yscale="log", xlabel=f"worst score of {output} in a problem", ylabel="problems")
    axes[0].legend(fontsize=7, loc="upper left")
    figure.savefig(path, dpi=110)


def conditioning(path, seed=0, m=256, count=40) -> None:
    """Error of y, dx and batch_var against mean / std, with the allowances of the classes as curves."""
    figure, axes = _axes(3)
    rng = np.random.default_rng(seed)
    ratios = np.repeat(10.0 ** np.arange(0, 7.01, 0.25), count)
    base = draw(rng, m, len(ratios))
    z = rng.standard_normal(base.x.shape)
    one = np.ones(len(ratios), np.float32)
    new = {"x": z + ratios, "dy": z**3 + rng.standard_normal(z.shape), "gamma": one, "beta": 0 * one}
    batch = base.__class__(
        **{**vars(base), **{k: v.astype(np.float32) for k, v in new.items()}, "ratio": ratios, "eps": one * 1e-5}
    )
    wanted = exact.values(batch)
    by_ratio = lambda values: np.median(np.max(values.reshape(-1, len(ratios)), axis=0).reshape(-1, count), axis=1)
    steps = ratios[::count]
    variants = [
        v for v in (*FAIR, MISTAKES["statistics stored in half"]) if v.name in (*SHOWN, "statistics stored in half")
    ]
    for axis, output in zip(axes, ("y", "dx", "batch_var")):
        for name, numerics in CLASSES.items():
            allowed = allowances_of(batch, numerics)[output].element
            axis.plot(
                steps,
                by_ratio(np.broadcast_to(allowed, np.shape(wanted[output]))),
                label=f"allowance, {name}",
                linewidth=2,
            )
        for variant in variants:
            error = by_ratio(np.abs(computed(batch, variant)[output] - wanted[output]).astype(np.float64))
            axis.plot(steps, error, ".:", label=variant.name, markersize=4)
        axis.set(
            xscale="log",
            yscale="log",
            xlabel="mean / standard deviation",
            ylabel=f"largest error of {output}",
            ylim=(1e-9, 1e6),
        )
    axes[0].legend(fontsize=6, loc="upper left")
    figure.savefig(path, dpi=110)
