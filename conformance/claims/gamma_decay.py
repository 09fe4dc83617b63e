"""Batch normalization as population normalization and gamma decay: a loss with a known coefficient."""

import numpy as np

from .batch_noise import KURTOSIS, sample
from .record import Check, Claim, Measurement, Number
from .run import Run
from .style import ALT, BN, GREEN, PINK, PLAIN, panels

GROUPS = 10
M = 32
TEACHER, NOISE = 1.0, 0.5  # y = teacher * h + noise: the population loss has its minimum at gamma = TEACHER


def _relu(t: np.ndarray) -> np.ndarray:
    return np.maximum(t, 0)


# name: (loss of output t and target y, teacher's mean of y given h, derived zeta * M for N(0,1))
LOSSES = {
    "identity": (lambda t, y: t**2 / 2 - y * t, lambda h: TEACHER * h, 3 / 4),
    "ReLU": (lambda t, y: _relu(t) ** 2 / 2 - y * t, lambda h: _relu(TEACHER * h), 3 / 8),
    "squared error": (lambda t, y: (t - y) ** 2, lambda h: TEACHER * h, 3 / 2),
    "squared error, no mean noise": (lambda t, y: (t - y) ** 2, lambda h: TEACHER * h, 1 / 2),
}
COLORS = dict(zip(LOSSES, (GREEN, ALT, BN, PINK), strict=True))


def _normalized(h: np.ndarray, name: str) -> np.ndarray:
    """Batches `h[R, M]` by their own statistics; without the mean's noise by their root mean square alone."""
    if name.endswith("no mean noise"):
        return h / np.sqrt((h**2).mean(1, keepdims=True))
    return (h - h.mean(1, keepdims=True)) / h.std(1, keepdims=True)


def _difference(run: Run, name: str, m: int, gamma: float, law: str = "normal") -> list[float]:
    """Loss with BN minus loss with PN at `gamma`, per group of batches."""
    loss, teacher, _ = LOSSES[name]
    out = []
    for group in range(GROUPS):
        rng = run.rng(list(LOSSES).index(name), m, group, list(KURTOSIS).index(law))
        h = sample(rng, law, (run["batches"] // GROUPS, m))
        y = teacher(h) + NOISE * rng.standard_normal(h.shape)
        out.append(float((loss(gamma * _normalized(h, name), y) - loss(gamma * h, y)).mean()))
    return out


def _shrinkage(run: Run) -> list[float]:
    """1 - (gamma that minimizes BN's squared error) / (PN's), over that of gamma decay with zeta = 3/(2M)."""
    zeta, out = 1.5 / M, []
    for group in range(GROUPS):
        h = run.rng(50, group).standard_normal((run["batches"] // GROUPS, M))
        b = _normalized(h, "squared error")
        out.append((1 - (b * h).mean() / (b**2).mean()) / (zeta / (1 + zeta)))
    return out


def measure(run: Run) -> Measurement:
    numbers: dict[str, Number] = {}
    by_size = {}
    for name in run.track(list(LOSSES), "losses"):
        for m in run["sizes"]:
            ratio = np.array(_difference(run, name, m, TEACHER)) * m / LOSSES[name][2]
            by_size[name, m] = Number.of(f"measured ζ / derived ζ, {name}, M = {m}", ratio)
        numbers[name] = by_size[name, M]
    for law, rho in KURTOSIS.items():
        derived = 2 * ((rho + 2) / (8 * M) + 1 / (2 * M))
        numbers[f"law_{law}"] = Number.of(
            f"measured ζ / derived ζ, squared error, {law} values, M = {M}",
            np.array(_difference(run, "squared error", M, TEACHER, law)) / derived,
        )
    gammas = np.array([0.25, 0.5, 1.0, 1.5, 2.0])
    sweep = [Number.of(f"γ = {g:g}", _difference(run, "squared error", M, g)) for g in gammas]
    for g, number in zip(gammas, sweep, strict=True):
        if g in (0.5, 2.0):
            scale = 1.5 / M * g**2
            numbers[f"away_{g:g}"] = Number(
                f"loss difference / ζγ² at γ = {g:g} (minimum at γ = 1), squared error",
                number.value / scale,
                number.low / scale,
                number.high / scale,
                GROUPS,
            )
    numbers["shrink"] = Number.of(
        "shrinkage of γ at BN's minimum / that of gamma decay, squared error", _shrinkage(run)
    )
    return Measurement(numbers, {"by_size": by_size, "gammas": gammas, "sweep": sweep, "sizes": run["sizes"]})


def draw(m: Measurement):
    figure, axes = panels(2)
    sizes = m.series["sizes"]
    for i, (name, color) in enumerate(COLORS.items()):
        numbers = [m.series["by_size"][name, s] for s in sizes]
        axes[0].errorbar(
            np.arange(len(sizes)) + (i - 1.5) * 0.12,
            [n.value for n in numbers],
            [[n.value - n.low for n in numbers], [n.high - n.value for n in numbers]],
            fmt="o",
            color=color,
            capsize=3,
            label=f"{name}: {LOSSES[name][2]:g}/M",
        )
    axes[0].axhline(1, color="#9aa1ad", linestyle="--", linewidth=1.2)
    axes[0].set_xticks(range(len(sizes)), [str(s) for s in sizes])
    axes[0].set(title="At the minimum: measured ζ over the derived one", xlabel="batch size M", ylabel="ratio")
    axes[0].set_ylim(0.88, None)
    axes[0].legend(title="derived ζ", title_fontsize=8.5, loc="lower center", ncols=2)
    grid = np.linspace(0, 2.1, 100)
    sweep, gammas = m.series["sweep"], m.series["gammas"]
    axes[1].errorbar(
        gammas,
        [n.value for n in sweep],
        [[n.value - n.low for n in sweep], [n.high - n.value for n in sweep]],
        fmt="o",
        color=BN,
        capsize=3,
        label="measured",
        zorder=3,
    )
    axes[1].plot(grid, 1.5 / M * grid**2, color=ALT, label="ζγ² of the text")
    axes[1].plot(
        grid, 1.5 / M * grid * TEACHER, color=PLAIN, linestyle=":", label="ζγγ*, with the first-order term kept"
    )
    axes[1].set(
        title="Away from it: linear in γ, not quadratic",
        xlabel="γ (minimum of the population loss at 1)",
        ylabel="loss with BN - loss with PN",
    )
    axes[1].legend()
    return figure


def _near(key: str, margin: float = 0.06):
    return lambda n: n[key].within(1 - margin, 1 + margin)


CLAIM = Claim(
    name="gamma-decay",
    title="BN is population normalization plus gamma decay",
    statement=(
        "In expectation BN's loss is the loss with population statistics plus ζγ², ζ = (ρ+2)/(8M)·F + (1/2M)·mean A″: "
        "3/(4M) for the identity, 3/(2M) for squared error, 1/(2M) where the mean adds no noise, and for ReLU the "
        "mean activation rate over 2M in the second term."
    ),
    source="Text 001 (regularization in BN), after Luo et al. 2019",
    method=(
        "One unit with standard normal pre-activation and a noisy teacher of the same form; the difference of "
        "the losses with batch and population statistics over many batches, divided by γ², against the derived ζ "
        "(for ReLU F = 1/2 and rate 1/2 give 3/(8M)); at the minimum of the population loss and away from it; "
        "and where BN moves that minimum."
    ),
    headline="measured ζ over derived: identity {identity}, ReLU {ReLU}, squared error {squared error}; difference "
    "over ζγ² at half and twice the best γ: {away_0.5}, {away_2}; γ shrinks {shrink} as much as by the decay",
    checks=(
        *(
            Check(f"{name}: measured ζ equals the derived one at the minimum, M = {M} (within 6 %).", _near(name))
            for name in LOSSES
        ),
        Check(
            "Uniform and Laplace values as well (within 6 %).",
            lambda n: _near("law_uniform")(n) and _near("law_Laplace")(n),
            core=False,
        ),
        Check(
            "Away from the minimum, at γ = 0.5 and 2, the difference is still ζγ² (within 10 %).",
            lambda n: _near("away_0.5", 0.1)(n) and _near("away_2", 0.1)(n),
            core=False,
        ),
        Check("BN moves the minimum over γ as far as the decay does (within 10 %).", _near("shrink", 0.1), core=False),
    ),
    errata=(
        "The first-order term (A'(h̄) - y)(ĥ - h̄) is dropped as zero. It is zero at the minimum only: for squared "
        "error the difference is (3/2M)γγ*, linear in γ, and since the term's slope does not vanish at γ = γ*, BN "
        "shrinks γ by 3/(4M), half of what the decay would.",
        "For the identity the text sets the mean of A″ to the mean of h̄, which is 0 for its own N(0,1); A = h²/2 has "
        "A″ = 1, from which its 3/(4M) follows.",
        "The softplus lacks its logarithm, (1/t)·log(1 + exp(th̄)), and the Taylor remainder is of third order.",
    ),
    quick={"batches": 60_000, "sizes": [16, 32, 64, 128]},
    full={"batches": 400_000, "sizes": [16, 32, 64, 128]},
    measure=measure,
    draw=draw,
)
