"""The noise that a batch puts into normalized values, and the laws of its mean and standard deviation."""

import math

import numpy as np

from .record import Check, Claim, Measurement, Number
from .run import Run
from .style import ALT, BN, GREEN, PLAIN, panels

KURTOSIS = {"normal": 0.0, "uniform": -1.2, "Laplace": 3.0}  # excess
COLORS = dict(zip(KURTOSIS, (BN, GREEN, ALT), strict=True))
GROUPS = 10
M = 32


def sample(rng: np.random.Generator, law: str, shape: tuple[int, ...]) -> np.ndarray:
    """Values of mean 0 and variance 1 with the named law."""
    if law == "normal":
        return rng.standard_normal(shape)
    if law == "uniform":
        return rng.uniform(-math.sqrt(3), math.sqrt(3), shape)
    return rng.laplace(0, math.sqrt(0.5), shape)


def exact_normal(m: int) -> float:
    """2 - 2 E[σ_B] for standard normals: mean squared difference without approximation.

    The mean over a batch of (b - a)² is 1 + σ_B² + μ_B² - 2 σ_B, and E[σ_B² + μ_B²] = 1.

    >>> round(exact_normal(32), 5)
    0.04731
    """
    return 2 - 2 * math.sqrt(2 / m) * math.exp(math.lgamma(m / 2) - math.lgamma((m - 1) / 2))


def _batch_statistics(run: Run, law: str, m: int) -> dict[str, list[float]]:
    """Per group of batches: mean squared difference, variance of μ_B, mean and variance of σ_B."""
    kept: dict[str, list[float]] = {"mse": [], "var_mean": [], "std": [], "var_std": []}
    for group in range(GROUPS):
        a = sample(run.rng(list(KURTOSIS).index(law), m, group), law, (run["batches"] // GROUPS, m))
        mean, std = a.mean(1), a.std(1)
        kept["mse"].append((((a - mean[:, None]) / std[:, None] - a) ** 2).mean())
        kept["var_mean"].append(mean.var())
        kept["std"].append(std.mean())
        kept["var_std"].append(std.var())
    return kept


def measure(run: Run) -> Measurement:
    jobs = [(law, m) for law in KURTOSIS for m in run["sizes"]]
    found = {job: _batch_statistics(run, *job) for job in run.track(jobs, "batches")}
    numbers: dict[str, Number] = {}
    for law, rho in KURTOSIS.items():
        at = {key: np.array(values) for key, values in found[law, M].items()}
        numbers |= {
            f"mse_{law}": Number.of(f"mean squared difference, {law}, M = {M}", at["mse"]),
            f"rule_{law}": Number.of(f"... over 3/(2M), {law}", at["mse"] / (1.5 / M)),
            f"general_{law}": Number.of(f"... over 1/M + (ρ+2)/(4M), {law}", at["mse"] / (1 / M + (rho + 2) / (4 * M))),
            f"mean_{law}": Number.of(f"variance of μ_B over σ²/M, {law}", at["var_mean"] * M),
            f"std_{law}": Number.of(f"variance of σ_B over (ρ+2)/(4M), {law}", at["var_std"] * 4 * M / (rho + 2)),
            f"centre_{law}": Number.of(f"mean of σ_B over σ_P, {law}", at["std"]),
        }
    numbers["exact"] = Number.exact("exact value for normals, 2 - 2E[σ_B], M = 32", exact_normal(M))
    return Measurement(numbers, {"found": found, "sizes": run["sizes"]})


def draw(m: Measurement):
    figure, axes = panels(2, 2, height=3.0)
    sizes = np.array(m.series["sizes"], dtype=float)
    for law, rho in KURTOSIS.items():
        found = {
            key: np.array([np.mean(m.series["found"][law, int(s)][key]) for s in sizes])
            for key in ("mse", "var_mean", "std", "var_std")
        }
        style = {"color": COLORS[law], "marker": "o", "linestyle": "", "label": f"{law}, ρ = {rho:g}"}
        axes[0].loglog(sizes, found["mse"], **style)
        axes[0].loglog(sizes, 1 / sizes + (rho + 2) / (4 * sizes), color=COLORS[law], linewidth=1)
        axes[1].loglog(sizes, found["var_mean"], **style)
        axes[2].loglog(sizes, found["var_std"], **style)
        axes[2].loglog(sizes, (rho + 2) / (4 * sizes), color=COLORS[law], linewidth=1)
        axes[3].semilogx(sizes, found["std"], **style)
        axes[3].semilogx(sizes, 1 - 1 / (2 * sizes) - (rho + 2) / (8 * sizes), color=COLORS[law], linewidth=1)
    axes[1].loglog(sizes, 1 / sizes, color=PLAIN, linewidth=1)
    axes[0].set(title="Noise on a normalized value", ylabel="mean squared difference")
    axes[1].set(title=r"Variance of $\mu_B$: 1/M whatever the law", ylabel=r"variance (in $\sigma_P^2$)")
    axes[2].set(title=r"Variance of $\sigma_B$: line (ρ+2)/(4M)", ylabel=r"variance (in $\sigma_P^2$)")
    axes[3].set(title=r"$\sigma_B$ is biased", ylabel=r"mean of $\sigma_B$ (in $\sigma_P$)")
    axes[0].legend(title="lines: 1/M + (ρ+2)/(4M)", title_fontsize=8.5)
    for axis in axes:
        axis.set_xlabel("batch size M")
        axis.set_xticks(sizes, [f"{s:g}" for s in sizes])
        axis.minorticks_off()
    return figure


def _all(prefix: str, low: float, high: float, laws=tuple(KURTOSIS)):
    return lambda n: all(n[f"{prefix}_{law}"].within(low, high) for law in laws)


CLAIM = Claim(
    name="batch-noise",
    title="Batch statistics put noise of 3/(2M) on a normalized value",
    statement=(
        "Normalizing standard normals by batches of M instead of the population changes them by 3/(2M) in mean square "
        "(0.046875 at M = 32). μ_B has the law N(μ_P, σ_P²/M), and σ_B has N(σ_P, (ρ+2)/(4M)), ρ the excess kurtosis."
    ),
    source="Text 001 (regularization in BN), after Luo et al. 2019 and Teye et al. 2018",
    method=(
        "Batches of normal, uniform and Laplace values of unit variance, M from 4 to 256; ten independent "
        "groups of batches give the intervals. Beside the rule: the exact value for normals, 2 - 2E[σ_B], "
        "and 1/M + (ρ+2)/(4M) for any law."
    ),
    headline="over 3/(2M) at M = 32: {rule_normal} for normal, {rule_uniform} for uniform, {rule_Laplace} for Laplace "
    "values; mean of σ_B over σ_P {centre_normal}",
    checks=(
        Check("Normal values at M = 32: 3/(2M) within 4 %.", _all("rule", 0.96, 1.04, ("normal",))),
        Check("The variance of μ_B is σ_P²/M at M = 32 (within 5 %, all three laws).", _all("mean", 0.95, 1.05)),
        Check(
            "The variance of σ_B is (ρ+2)/(4M) at M = 32 for normal and uniform values (within 10 %).",
            _all("std", 0.9, 1.1, ("normal", "uniform")),
        ),
        Check("... and for Laplace values.", _all("std", 0.9, 1.1, ("Laplace",)), core=False),
        Check("3/(2M) holds whatever the law (within 4 %).", _all("rule", 0.96, 1.04), core=False),
        Check("1/M + (ρ+2)/(4M) holds for all three laws (within 5 %).", _all("general", 0.95, 1.05), core=False),
        Check("σ_B is centred at σ_P at M = 32 (within 1 %).", _all("centre", 0.99, 1.01), core=False),
    ),
    errata=(
        "3/(2M) is the leading term for normal values; to all orders it is 2 - 2E[σ_B], 0.04731 at M = 32. For "
        "another law it is 1/M + (ρ+2)/(4M): 1.2/M for uniform and 2.25/M for Laplace values.",
        "σ_B has mean σ_P(1 - 1/(2M) - (ρ+2)/(8M)), not σ_P: below it by 2.3 % for normals at M = 32.",
    ),
    quick={"batches": 60_000, "sizes": [4, 8, 16, 32, 64, 128, 256]},
    full={"batches": 200_000, "sizes": [4, 8, 16, 32, 64, 128, 256]},
    measure=measure,
    draw=draw,
)
