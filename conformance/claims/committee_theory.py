"""Generalization error of a linear student of a noisy linear teacher: the text's formulas, corrected, and simulations.

Teacher `y = w*·x + e` with x ~ N(0, I_N), w* ~ N(0, I/N), e ~ N(0, delta2); `alpha = P/N` samples a weight. The
error is the mean of (student(x) - w*·x)² over new x: the teacher's own noise is not counted.
"""

import numpy as np

DELTA2 = 0.25


def plain_error(alpha: np.ndarray) -> np.ndarray:
    """Pseudo-inverse: 1-α+αδ²/(1-α) below α = 1 and δ²/(α-1) above it.

    >>> plain_error(np.array([0.5, 2.0])).tolist()
    [0.75, 0.25]
    """
    with np.errstate(divide="ignore"):
        return np.where(alpha < 1, 1 - alpha + alpha * DELTA2 / (1 - alpha), DELTA2 / (alpha - 1))


def plain_error_as_printed(alpha: np.ndarray) -> np.ndarray:
    """The text's formula: δ²/(1-α) above α = 1, which is negative."""
    with np.errstate(divide="ignore"):
        return np.where(alpha < 1, 1 - alpha + alpha * DELTA2 / (1 - alpha), DELTA2 / (1 - alpha))


def _g(ridge: float, alpha: np.ndarray) -> np.ndarray:
    root = np.sqrt((ridge + (1 + np.sqrt(alpha)) ** 2) * (ridge + (1 - np.sqrt(alpha)) ** 2))
    return (1 - alpha - ridge + root) / (2 * ridge)


def _g_as_printed(ridge: float, alpha: np.ndarray) -> np.ndarray:
    root = np.sqrt(ridge + (1 + np.sqrt(alpha)) ** 2 * (ridge + (1 - alpha) ** 2))
    return (1 - alpha - ridge + root) / (2 * ridge)


def _from_g(g, ridge: np.ndarray | float, alpha: np.ndarray) -> np.ndarray:
    """δ²·∂(ζG)/∂ζ - ζ²·∂G/∂ζ by central differences: relative error about 1e-9 in float64."""
    step = 1e-5 * np.asarray(ridge)
    up, down = ridge + step, ridge - step
    return DELTA2 * (up * g(up, alpha) - down * g(down, alpha)) / (2 * step) - ridge**2 * (
        g(up, alpha) - g(down, alpha)
    ) / (2 * step)


def ridge_error(ridge: np.ndarray | float, alpha: np.ndarray) -> np.ndarray:
    """Ridge regression with XᵀX/N + ridge·I: the corrected formula.

    >>> [round(float(ridge_error(0.25, a)), 3) for a in (0.5, 1.0, 3.0)]
    [0.64, 0.39, 0.106]
    """
    return _from_g(_g, ridge, np.asarray(alpha, dtype=float))


def ridge_error_as_printed(ridge: float, alpha: np.ndarray) -> np.ndarray:
    """The text's G, whose root lacks a parenthesis' square and the inner root of α."""
    return _from_g(_g_as_printed, ridge, np.asarray(alpha, dtype=float))


def problem(rng: np.random.Generator, p: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs `[P, N]`, targets `[P]`, teacher `[N]`)."""
    x, w = rng.standard_normal((p, n)), rng.standard_normal(n) / np.sqrt(n)
    return x, x @ w + np.sqrt(DELTA2) * rng.standard_normal(p), w


def solve_error(x: np.ndarray, y: np.ndarray, w: np.ndarray, ridge: float) -> float:
    """Simulated error of the pseudo-inverse (`ridge` 0) or of ridge regression."""
    p, n = x.shape
    if ridge == 0:
        fit = np.linalg.lstsq(x, y, rcond=None)[0]
    else:
        fit = np.linalg.solve(x.T @ x / n + ridge * np.eye(n), x.T @ y / n)
    return float(((fit - w) ** 2).sum())
