"""Statistics for inference: three averages, and how far each is from the population."""

import numpy as np

from .record import Check, Claim, Measurement, Number
from .run import Run
from .style import ALT, AMBER, BN, GREEN, PINK, PLAIN, panels

MEAN, STD = 1.0, 2.0  # the population; running statistics start at 0 and 1, as frameworks have it
DECAYS = (0.9, 0.99, 0.999)
GROUPS = 10


def exponential(batch: np.ndarray, decay: float, start: float) -> np.ndarray:
    """`decay * old + (1 - decay) * batch` along the last axis, every step kept [BN-3.1]."""
    out, state = np.empty_like(batch), np.full(batch.shape[:-1], start)
    for step in range(batch.shape[-1]):
        state = decay * state + (1 - decay) * batch[..., step]
        out[..., step] = state
    return out


def cumulative(batch: np.ndarray) -> np.ndarray:
    """Mean of all batches so far; of means and m/(m-1) variances it is the paper's population estimate [BN-3.3]."""
    return np.cumsum(batch, -1) / np.arange(1, batch.shape[-1] + 1)


def _grouped(label: str, errors: np.ndarray, reference: float = 1.0) -> Number:
    """Root mean square of `errors` over groups of repetitions, over `reference`."""
    return Number.of(label, [np.sqrt((part**2).mean()) / reference for part in np.array_split(errors, GROUPS)])


def _stationary(run: Run) -> tuple[dict[str, Number], dict[str, np.ndarray]]:
    """Batches of one unchanging population: error of the mean, in population std, after each step."""
    m, steps = run["batch"], run["steps"]
    x = MEAN + STD * run.rng(0).standard_normal((run["repetitions"], steps, m))
    mean = x.mean(-1)
    curves = {f"exponential, decay {d}": (exponential(mean, d, 0.0) - MEAN) / STD for d in DECAYS}
    curves["cumulative"] = (cumulative(mean) - MEAN) / STD
    floor = np.sqrt((1 - 0.9) / (1 + 0.9) / m)
    population = m / (m - 1) * cumulative(x.var(-1))[:, -1] / STD**2 - 1
    decay99 = curves["exponential, decay 0.99"]
    numbers = {
        "falls": _grouped(
            f"error of the cumulative mean after {steps} steps / (σ/√(m·steps))",
            curves["cumulative"][:, -1],
            1 / np.sqrt(m * steps),
        ),
        "floor": _grouped(
            "error of the exponential mean, decay 0.9 / σ√((1-d)/((1+d)m))",
            curves["exponential, decay 0.9"][:, -1],
            floor,
        ),
        "variance": _grouped(
            "error of the paper's population variance / σ²√(2/((m-1)·steps))",
            population,
            np.sqrt(2 / ((m - 1) * steps)),
        ),
        "start": Number.of(
            "share of the starting value left in decay 0.99 after 100 steps",
            [-part.mean() / (MEAN / STD) for part in np.array_split(decay99[:, 99], GROUPS)],
        ),
    }
    return numbers, {name: np.sqrt((c**2).mean(0)) for name, c in curves.items()}


def _ddof(run: Run) -> dict[int, tuple[Number, Number]]:
    """Relative bias of the average batch variance with ddof 0 and 1, by m."""
    out = {}
    for m in run.track(run["sizes"], "ddof 0 and 1"):
        x = run.rng(1, m).standard_normal((GROUPS, run["draws"] // m, m))
        biased = x.var(-1).mean(-1)
        out[m] = (
            Number.of(f"bias of the variance, ddof 0, m = {m}", biased - 1),
            Number.of(f"bias of the variance, ddof 1, m = {m}", biased * m / (m - 1) - 1),
        )
    return out


def _drifting(run: Run) -> tuple[dict[str, Number], dict[str, np.ndarray]]:
    """A mean that moves by 0.01 σ a step, as while weights learn: signed lag after each step."""
    steps, drift = run["steps"], 0.01
    truth = drift * np.arange(1, steps + 1)
    mean = truth + run.rng(2).standard_normal((run["repetitions"], steps, run["batch"])).mean(-1)
    lag = {f"exponential, decay {d}": truth - exponential(mean, d, 0.0) for d in DECAYS}
    lag["cumulative"] = truth - cumulative(mean)
    last = {name: [part.mean() for part in np.array_split(values[:, -1], GROUPS)] for name, values in lag.items()}
    return (
        {
            "lag_exp": Number.of("lag while drifting 0.01 σ a step, decay 0.9", last["exponential, decay 0.9"], "σ"),
            "lag_cum": Number.of(f"lag while drifting, cumulative, after {steps} steps", last["cumulative"], "σ"),
        },
        {name: values.mean(0) for name, values in lag.items()},
    )


def measure(run: Run) -> Measurement:
    numbers, curves = _stationary(run)
    moved, lags = _drifting(run)
    bias = _ddof(run)
    numbers |= moved
    for m, (zero, one) in bias.items():
        numbers |= {f"ddof0_{m}": zero, f"ddof1_{m}": one}
    return Measurement(numbers, {"curves": curves, "lags": lags, "bias": bias})


def draw(m: Measurement):
    figure, axes = panels(3)
    colors = (BN, GREEN, PINK, ALT)
    for axis, key in ((axes[0], "curves"), (axes[2], "lags")):
        for (name, values), color in zip(m.series[key].items(), colors, strict=True):
            label = "cumulative, as in the paper" if name == "cumulative" else name
            axis.plot(np.arange(1, len(values) + 1), values, color=color, label=label)
        axis.set(xscale="log", yscale="log" if key == "curves" else "linear", xlabel="training steps")
    axes[0].set(title="Weights fixed", ylabel="RMS error of the mean (σ)")
    axes[2].set(title="Mean drifting 0.01 σ a step", ylabel="lag behind the true mean (σ)")
    axes[0].legend()
    sizes = np.array(list(m.series["bias"]))
    for i, color in ((0, AMBER), (1, BN)):
        numbers = [pair[i] for pair in m.series["bias"].values()]
        axes[1].errorbar(
            sizes,
            [n.value for n in numbers],
            [[n.value - n.low for n in numbers], [n.high - n.value for n in numbers]],
            fmt="o",
            color=color,
            capsize=3,
            label=f"ddof {i}",
        )
    grid = np.linspace(sizes[0], sizes[-1], 200)
    axes[1].plot(grid, -1 / grid, color=PLAIN, linestyle=":", label="-1/m")
    axes[1].set(
        title="Bias of the averaged variance", xlabel="m, values a statistic", ylabel="relative bias", xscale="log"
    )
    axes[1].set_xticks(sizes, [str(s) for s in sizes], minor=False)
    axes[1].minorticks_off()
    axes[1].legend()
    return figure


def _ddof_check(n) -> bool:
    return all(n[key].within(-0.01, 0.01) for key in n if key.startswith("ddof1_"))


def _bias_check(n) -> bool:
    return all(
        n[key].within(-1 / int(key[6:]) - 0.01, -1 / int(key[6:]) + 0.01) for key in n if key.startswith("ddof0_")
    )


CLAIM = Claim(
    name="inference-statistics",
    title="Averages of batch statistics stand for the population in inference",
    statement=(
        "For inference take the mean of the batch means and the unbiased mean of the batch variances (the paper), or "
        "running averages kept during training: once the network is stable they are basically constant."
    ),
    source="Text 002 (what the BN layer does); running averages: texts 000 and 004",
    method=(
        "Batches from N(1, 2²) through an exponential average (three decays), the cumulative average and the "
        "paper's population estimate: root-mean-square distance to the true population against steps; bias of the "
        "averaged variance with ddof 0 and 1 against m; lag behind a mean that drifts as it does while weights "
        "learn. Running values start at 0."
    ),
    headline="error over theory: cumulative {falls}, decay 0.9 {floor}, paper's variance {variance}; {start} of the "
    "start left after 100 steps at decay 0.99; lag behind a drift: cumulative {lag_cum}, decay 0.9 {lag_exp}",
    checks=(
        Check("The cumulative mean errs by σ/√(m·steps) (within 15 %).", lambda n: n["falls"].within(0.85, 1.15)),
        Check(
            "The paper's variance estimate errs by σ²√(2/((m-1)·steps)) (within 15 %).",
            lambda n: n["variance"].within(0.85, 1.15),
        ),
        Check("With ddof 1 the averaged variance has no bias, at any m (within 1 %).", _ddof_check),
        Check("With ddof 0 its relative bias is -1/m (within 0.01).", _bias_check),
        Check(
            "The exponential mean stops improving at σ√((1-d)/((1+d)m)) (decay 0.9, within 15 %).",
            lambda n: n["floor"].within(0.85, 1.15),
        ),
        Check(
            "After 100 steps with decay 0.99 nothing (below 5 %) is left of the starting value.",
            lambda n: n["start"].high < 0.05,
            core=False,
        ),
        Check(
            "While the weights still move, the cumulative average is no further behind than decay 0.9.",
            lambda n: n["lag_cum"].low <= n["lag_exp"].high,
            core=False,
        ),
    ),
    quick={"batch": 16, "steps": 1000, "repetitions": 1500, "sizes": [2, 4, 8, 16, 64], "draws": 80_000},
    full={"batch": 16, "steps": 2000, "repetitions": 2000, "sizes": [2, 4, 8, 16, 64], "draws": 1_000_000},
    measure=measure,
    draw=draw,
)
