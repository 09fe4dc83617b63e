"""The four Keras lines that are offered as batch normalization, and what they are instead."""

import numpy as np

from .record import Check, Claim, Measurement, Number
from .run import Run
from .style import ALT, BN, panels

EPS = 1e-3  # Keras' default


def four_lines(x: np.ndarray, axis: int = -1, eps: float = EPS) -> np.ndarray:
    """Mean and standard deviation over `axis`, eps added to the standard deviation; gamma 1, beta 0.

    The text takes `axis=-1` of `x[N, C]`; `axis=0` mends that and leaves the second error.
    """
    return (x - x.mean(axis, keepdims=True)) / (x.std(axis, keepdims=True) + eps)


def batch_norm(x: np.ndarray, eps: float = EPS) -> np.ndarray:
    """The text's own formula: statistics over the batch, eps inside the root [BN-2.1]."""
    return (x - x.mean(0)) / np.sqrt(x.var(0) + eps)


def layer_norm(x: np.ndarray, eps: float = EPS) -> np.ndarray:
    """torch's layer normalization, an implementation that is not this module's."""
    import torch

    return torch.nn.functional.layer_norm(torch.from_numpy(x), x.shape[1:], eps=eps).numpy()


def measure(run: Run) -> Measurement:
    n, channels = run["batch"], run["channels"]
    wrong, same, lean, cure = [], [], [], []
    for repetition in run.track(range(run["repetitions"]), "batches"):
        rng = run.rng(repetition)
        x = rng.standard_normal((n, channels)) * rng.uniform(0.5, 3, channels) + rng.normal(0, 2, channels)
        out = four_lines(x)
        wrong.append(np.abs(out - batch_norm(x)).max())
        same.append(np.abs(four_lines(x, eps=0.0) - layer_norm(x, eps=0.0)).max())
        other = x.copy()
        other[1:] = rng.standard_normal((n - 1, channels))
        lean.append(np.abs(four_lines(other)[0] - out[0]).max())
        cure.append(np.abs(batch_norm(other)[0] - batch_norm(x)[0]).max())
    sigma = np.logspace(-4, 1, 60)
    base = run.rng(999).standard_normal(4096)
    base = (base - base.mean()) / base.std()
    ratio = [four_lines((base * s)[:, None], axis=0).std() / batch_norm((base * s)[:, None]).std() for s in sigma]
    at = float(np.interp(np.log(EPS**0.5), np.log(sigma), ratio))
    numbers = {
        "wrong": Number.of("largest difference between the four lines and the text's formula", wrong),
        "layer": Number.of("largest difference between the four lines and layer normalization, eps = 0", same),
        "lines_move": Number.of("change of sample 0 when all other samples change, four lines", lean),
        "bn_move": Number.of("change of sample 0 when all other samples change, BN", cure),
        "eps": Number.exact("output scale against BN where the std is sqrt(eps), axis mended", at),
    }
    return Measurement(numbers, {"x": x, "lines": four_lines(x), "bn": batch_norm(x), "sigma": sigma, "ratio": ratio})


def draw(m: Measurement):
    figure, axes = panels(3)
    for axis, key, color, title in (
        (axes[0], "bn", BN, "BN: each channel has mean 0, std 1"),
        (axes[1], "lines", ALT, "The four lines: it does not"),
    ):
        values = m.series[key]
        order = np.argsort(m.series["x"].mean(0))
        axis.errorbar(
            range(values.shape[1]),
            values.mean(0)[order],
            values.std(0)[order],
            fmt="o",
            color=color,
            capsize=2,
            elinewidth=1.2,
        )
        axis.set(
            title=title,
            xlabel="channel (sorted by its mean)",
            ylabel="output: mean ± std over the batch",
            ylim=(-3.4, 3.4),
        )
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[2].loglog(m.series["sigma"], m.series["ratio"], color=ALT)
    axes[2].axvline(EPS**0.5, color="#9aa1ad", linestyle=":", linewidth=1.2)
    axes[2].annotate("std = √eps", (EPS**0.5, 10), (6, 0), textcoords="offset points", fontsize=8.5)
    axes[2].set(title="eps outside the root", xlabel="std of the channel", ylabel="output scale / BN's")
    return figure


CLAIM = Claim(
    name="keras-lines",
    title="Four Keras lines are the forward formula of BN",
    statement=(
        "Mean over the last axis, standard deviation over the last axis, division by (std + epsilon), scale and "
        "shift: for a two-dimensional input these four lines are the formula of batch normalization."
    ),
    source="Text 002 (what the BN layer does, in Chinese)",
    method=(
        "The lines on batches of channels with different means and scales, against the text's own formula and against "
        "torch's layer normalization; sample 0 is watched while all other samples are replaced; with the axis mended, "
        "the output's scale is compared with BN's over the channel's standard deviation."
    ),
    headline="off the formula by {wrong}, off layer normalization by {layer}; scale {eps} of BN's where std = √eps",
    checks=(
        Check("The lines equal the formula within 1e-6.", lambda n: n["wrong"].within(0, 1e-6)),
        Check("A sample's output depends on the rest of its batch.", lambda n: n["lines_move"].low > 1e-6),
        Check(
            "With the axis mended, the output has BN's scale within 1 % also where the std is sqrt(eps).",
            lambda n: n["eps"].within(0.99, 1.01),
            core=False,
        ),
    ),
    errata=(
        "axis=-1 of an [N, C] array is the channel axis: these are the statistics of one sample, which is layer "
        "normalization; BN's are over the batch, axis 0.",
        "epsilon belongs inside the root, sqrt(var + eps); beside the standard deviation channels of small variance "
        "come out larger than BN's: 1.37 times at std = sqrt(eps) = 0.032, up to 32 times below.",
    ),
    quick={"batch": 64, "channels": 16, "repetitions": 10},
    full={"batch": 64, "channels": 64, "repetitions": 100},
    measure=measure,
    draw=draw,
)
