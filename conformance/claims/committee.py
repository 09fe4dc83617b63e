"""The committee machine: does a unit with batch normalization generalize like ridge regression with ζ = 1/(2M)?"""

from __future__ import annotations

import math

import numpy as np
import torch

from . import committee_theory as theory
from .record import Check, Claim, Measurement, Number
from .run import Run
from .style import ALT, AMBER, BN, GREEN, PINK, PLAIN, panels

M = 32
EPS = 1e-5


def train_students(x: np.ndarray, y: np.ndarray, *, batch_norm: bool, steps: int, lr: float, rng: np.random.Generator,
                   device: str) -> np.ndarray:
    """Train one student a problem by SGD on batches of M; returns their weights ``[R, N]`` as used in inference.

    ``x[R, P, N]``, ``y[R, P]``: R independent problems at once. The student is w·x, or γ(w·x - μ_B)/σ_B without β; its
    inference statistics are those of the training set with the final weights. The step falls to 0 on a cosine.
    """
    runs, p, n = x.shape
    inputs, targets = (torch.from_numpy(a).float().to(device) for a in (x, y))
    w = torch.from_numpy(rng.standard_normal((runs, n)) / math.sqrt(n)).float().to(device).requires_grad_()
    gamma = torch.ones(runs, device=device, requires_grad=True)
    learned = [w, gamma] if batch_norm else [w]
    size, rows, order = min(M, p), torch.arange(runs, device=device)[:, None], np.empty((runs, 0), dtype=np.int64)
    for step in range(steps):
        if order.shape[1] < size:  # a new shuffled pass for each problem; an incomplete batch is dropped
            order = rng.permuted(np.tile(np.arange(p), (runs, 1)), axis=1)
        index, order = torch.from_numpy(order[:, :size].copy()).to(device), order[:, size:]
        h = torch.einsum("rmn,rn->rm", inputs[rows, index], w)
        if batch_norm:
            h = h - h.mean(1, keepdim=True)
            h = gamma[:, None] * h / torch.sqrt((h**2).mean(1, keepdim=True) + EPS)
        loss = ((h - targets[rows, index]) ** 2).mean(1).sum()
        gradients = torch.autograd.grad(loss, learned)
        rate = lr * 0.5 * (1 + math.cos(math.pi * step / steps))
        with torch.no_grad():
            for parameter, gradient in zip(learned, gradients, strict=True):
                parameter -= rate * gradient
    with torch.no_grad():
        if batch_norm:
            h = torch.einsum("rpn,rn->rp", inputs, w)
            w = gamma[:, None] * w / torch.sqrt(h.var(1, keepdim=True, correction=0) + EPS)
    return w.detach().double().cpu().numpy()


def _fit(alphas: np.ndarray, errors: np.ndarray, scaled: bool) -> tuple[float, float]:
    """The ζ whose ridge curve is nearest to ``errors[alpha]`` in log error, and the RMS log distance.

    ``scaled``: the ridge is α·ζ, as for a loss averaged over P samples; otherwise ζ.
    """
    grid = np.logspace(-4, 1, 400)
    ridges = grid[:, None] * (alphas if scaled else np.ones_like(alphas))
    distance = np.sqrt(((np.log(errors) - np.log(theory.ridge_error(ridges, alphas))) ** 2).mean(1))
    best = int(distance.argmin())
    return float(grid[best]), float(distance[best])


def measure(run: Run) -> Measurement:
    n, runs, alphas = run["inputs"], run["repetitions"], np.array(run["alphas"])
    errors: dict[str, list[np.ndarray]] = {key: [] for key in ("pinv", "ridge", "bn", "plain")}
    budgets: dict[str, list[float]] = {"bn": [], "plain": []}
    for i, alpha in enumerate(run.track(alphas, "students")):
        problems = [theory.problem(run.rng(i, r), round(alpha * n), n) for r in range(runs)]
        errors["pinv"].append(np.array([theory.solve_error(*p, 0.0) for p in problems]))
        errors["ridge"].append(np.array([theory.solve_error(*p, 0.25) for p in problems]))
        x, y, teacher = (np.stack([p[k] for p in problems]) for k in range(3))
        for key in ("bn", "plain"):
            for part in ((16, 4, 1) if alpha == 1 else (1,)):
                weights = train_students(x, y, batch_norm=key == "bn", steps=run["steps"] // part, lr=run["lr"],
                                         rng=run.rng(i, 1000), device=run.device)
                error = ((weights - teacher) ** 2).sum(1)
                if alpha == 1:
                    budgets[key].append(float(error.mean()))
            errors[key].append(error)
    return _summary(alphas, {k: np.array(v) for k, v in errors.items()}, budgets, run["steps"])


def _summary(alphas: np.ndarray, errors: dict[str, np.ndarray], budgets: dict[str, list[float]], steps: int) -> Measurement:
    at = {alpha: int(np.argmin(np.abs(alphas - alpha))) for alpha in (0.5, 1.0, 2.0, 3.0)}
    fits = [_fit(alphas, run, False)[0] for run in errors["bn"].T]
    scaled = [_fit(alphas, run, True)[0] for run in errors["bn"].T]
    mean = errors["bn"].mean(1)
    text_curve = np.log(mean) - np.log(theory.ridge_error(1 / (2 * M), alphas))
    numbers = {
        "pinv2": Number.of("plain, pseudo-inverse, α = 2 (corrected theory 0.250, as printed -0.250)", errors["pinv"][at[2.0]]),
        "ridge05": Number.of("ridge ζ = 0.25, α = 0.5 (corrected theory 0.640, as printed "
                             f"{float(theory.ridge_error_as_printed(0.25, 0.5)):.3f})", errors["ridge"][at[0.5]]),
        "ridge1": Number.of("ridge ζ = 0.25, α = 1 (corrected 0.390, as printed "
                            f"{float(theory.ridge_error_as_printed(0.25, 1.0)):.3f})", errors["ridge"][at[1.0]]),
        "ridge3": Number.of("ridge ζ = 0.25, α = 3 (corrected 0.106, as printed "
                            f"{float(theory.ridge_error_as_printed(0.25, 3.0)):.3f})", errors["ridge"][at[3.0]]),
        "bn1": Number.of("BN, M = 32, α = 1", errors["bn"][at[1.0]]),
        "bn1_short": Number.exact(f"BN, α = 1, a quarter of the {steps} steps", budgets["bn"][1]),
        "plain1": Number.of("plain SGD with BN's steps, α = 1", errors["plain"][at[1.0]]),
        "gain1": Number.of("plain SGD's error minus BN's, α = 1, same problems", (errors["plain"] - errors["bn"])[at[1.0]]),
        "solved1": Number.exact("pseudo-inverse, α = 1, median", float(np.median(errors["pinv"][at[1.0]]))),
        "distance": Number.exact("RMS log distance of BN's points from the ridge curve, ζ = 1/(2M)",
                                 float(np.sqrt((text_curve**2).mean()))),
        "fit": Number.of("ζ fitted to BN's points (1/(2M) = 0.0156)", fits),
        "fit_scaled": Number.of("ζ fitted, ridge α·ζ of a loss averaged over P (derived 3/(2M) = 0.0469)", scaled),
        "fit_distance": Number.exact("RMS log distance at the fitted ζ", _fit(alphas, mean, False)[1]),
        "fit_scaled_distance": Number.exact("RMS log distance at the fitted ζ, ridge α·ζ", _fit(alphas, mean, True)[1]),
    }
    return Measurement(numbers, {"alphas": alphas, "errors": errors, "budgets": budgets, "steps": steps, "fit": np.mean(fits)},
                       notes=("How ζ scales: (1/P)·Σ(w·x - y)² + ζ|w|² has the normal equation (XᵀX/N + αζ·I)w = Xᵀy/N, so the "
                              "ridge of the formula is αζ. With squared error and the mean's noise, gamma decay has "
                              "ζ = 3/(2M); the text compares with a ridge of 1/(2M) at every α.",
                              "A reason for the outcome, not measured apart: BN's γ² is the variance of the student's output on "
                              "the training set, vᵀ(XᵀX/P)v, not |v|². Decaying it is ridge regression only where XᵀX/P is near "
                              "the identity, α ≫ 1; it does not hold back the directions that make α = 1 diverge."))


def draw(m: Measurement):
    figure, axes = panels(3, width=11.5)
    grid = np.linspace(0.05, 4.2, 400)
    alphas, errors = m.series["alphas"], m.series["errors"]
    low, high = np.abs(grid - 1) > 0.01, grid > 1.02
    axes[0].plot(grid[low], theory.plain_error(grid[low]), color=PLAIN, label="plain, corrected")
    axes[0].plot(grid[high], theory.plain_error_as_printed(grid[high]), color=PLAIN, linestyle=":", label="plain, as printed")
    axes[0].plot(grid, theory.ridge_error(0.25, grid), color=GREEN, label="ridge 0.25, corrected")
    axes[0].plot(grid, theory.ridge_error_as_printed(0.25, grid), color=GREEN, linestyle=":", label="ridge 0.25, as printed")
    for key, color in (("pinv", PLAIN), ("ridge", GREEN)):
        axes[0].plot(alphas, np.median(errors[key], 1), "o", color=color, markersize=4.5)
    axes[0].set(title="The errata: points are simulations", ylim=(-2.2, 2.5), ylabel="generalization error")
    axes[1].plot(grid[low], theory.plain_error(grid[low]), color=PLAIN, label="plain, theory")
    axes[1].plot(grid, theory.ridge_error(1 / (2 * M), grid), color=BN, label="ridge 1/(2M), theory")
    axes[1].plot(grid, theory.ridge_error(m.series["fit"], grid), color=AMBER, linestyle="--", label="ridge fitted to BN")
    for key, color, label, marker in (("bn", BN, "BN, trained", "s"), ("plain", ALT, "plain SGD, same steps", "o")):
        values = errors[key]
        axes[1].errorbar(alphas, values.mean(1), values.std(1, ddof=1) * 2 / math.sqrt(values.shape[1]), fmt=marker,
                         color=color, markersize=4.5, capsize=2, label=label)
    axes[1].set(title="BN, M = 32", ylim=(0, 2.5), ylabel="generalization error")
    for axis in axes[:2]:
        axis.set_xlabel("α = samples / inputs")
        axis.legend(fontsize=7.8, loc="lower right" if axis is axes[0] else "upper right")
    steps = m.series["steps"] / np.array([16, 4, 1])
    for key, color, label in (("bn", BN, "BN"), ("plain", ALT, "plain SGD")):
        axes[2].semilogx(steps, m.series["budgets"][key], "o-", color=color, label=label)
    axes[2].axhline(float(theory.ridge_error(1 / (2 * M), 1.0)), color=PINK, linestyle=":", label="ridge 1/(2M)")
    axes[2].set(title="α = 1: longer training", xlabel="SGD steps", ylabel="generalization error")
    axes[2].set_xticks(steps, [f"{s:,.0f}" for s in steps])
    axes[2].minorticks_off()
    axes[2].set_ylim(0, None)
    axes[2].legend()
    return figure


CLAIM = Claim(
    name="committee",
    title="A BN unit generalizes like ridge regression with ζ = 1/(2M)",
    statement="A linear student of a noisy linear teacher diverges at α = P/N = 1 with plain SGD. With BN (M = 32) it does not, "
              "and its errors lie on the curve of weight normalization with gamma decay ζ = 1/(2M).",
    source="Text 001 (regularization in BN), after Luo et al. 2019",
    method="Teacher noise 0.25. Pseudo-inverse and ridge regression (which is weight normalization with gamma decay, solved) "
           "against the printed and the corrected formulas; students with and without BN trained by the same SGD on the same "
           "problems, batch 32, step falling to 0; ζ fitted to BN's errors over all α; at α = 1 also with 1/4 and 1/16 of the steps.",
    checks=(
        Check("BN stays finite at α = 1: below half the pseudo-inverse's median error.",
              lambda n: n["bn1"].high < n["solved1"].value / 2),
        Check("BN's points lie on the ridge curve with ζ = 1/(2M): RMS log distance at most 0.2.",
              lambda n: n["distance"].value <= 0.2),
        Check("BN is the cause: at α = 1 plain SGD with the same steps is worse.", lambda n: n["gain1"].low > 0, core=False),
        Check("The fitted ζ is 1/(2M) within a factor of 1.5.", lambda n: n["fit"].within(1 / (3 * M), 1.5 / (2 * M)), core=False),
        Check("The fitted ζ of the averaged loss is the derived 3/(2M) within a factor of 1.5.",
              lambda n: n["fit_scaled"].within(1 / M, 2.25 / M), core=False),
        Check("BN has settled: a quarter of the steps gives the same error at α = 1 within 10 %.",
              lambda n: abs(n["bn1_short"].value / n["bn1"].value - 1) < 0.1, core=False),
    ),
    errata=("For α > 1 the text has δ²/(1-α), which is negative; it is δ²/(α-1), 0.25 at α = 2 for δ² = 0.25.",
            "G = [1-α-ζ+√((ζ+(1+√α)²)(ζ+(1-√α)²))]/(2ζ): in the text a parenthesis of the root is misplaced and the last term "
            "lacks the inner root, (1-α)²."),
    quick={"inputs": 128, "repetitions": 6, "steps": 3000, "lr": 0.05, "alphas": [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0]},
    full={"inputs": 512, "repetitions": 10, "steps": 20_000, "lr": 0.05,
          "alphas": [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0]},
    measure=measure, draw=draw,
)
