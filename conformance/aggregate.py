"""The errors of one output taken together: their sum (a bias) and the sum of their squares.

Each element may stay within its allowance while all of them lean the same way. What a channel's elements share (the errors
of its mean and variance) may lean; what each has for itself, its own roundings, is bounded and as often up as down, so that
its sum grows like a root. Derivation: BOUNDS.md, section 8.
"""

from typing import NamedTuple

import numpy as np
from bnconform.bounds import Allowance

# Hoeffding 1963: a sum of independent errors, bounded by a_i and of mean zero, passes SIGMAS sqrt(sum a_i^2) with
# probability below 2 exp(-SIGMAS^2 / 2) = 3e-8.
SIGMAS = 6.0


class Aggregate(NamedTuple):
    """Sum of the errors and of their squares, each with its allowance."""

    total: float
    total_allowed: float
    squares: float
    squares_allowed: float

    @property
    def score(self) -> float:
        """The larger of |sum| / allowance and the root of the squares' / allowance."""
        return max(_ratio(abs(self.total), self.total_allowed), _ratio(self.squares, self.squares_allowed) ** 0.5)

    def text(self) -> str:
        return (
            f"no value is off by more than its allowance, but together they are: sum of errors {self.total:.3g}, allowance "
            f"{self.total_allowed:.3g}; sum of squares {self.squares:.3g}, allowance {self.squares_allowed:.3g}"
        )


def _ratio(got, allowed) -> float:
    return float(got / allowed) if allowed > 0 else 0.0 if got == 0 else float("inf")


@np.errstate(all="ignore")
def aggregate(error: np.ndarray, exact: np.ndarray, allowed: Allowance) -> Aggregate:
    """Sums over the elements where error and allowance are finite.

    Elements with one and the same exact value may share their roundings: each such group counts as one error.
    """
    element, local = (np.broadcast_to(values, error.shape) for values in (allowed.element, allowed.local))
    counted = np.isfinite(error) & np.isfinite(element)
    error, exact, element, local = (values[counted] for values in (error, exact, element, local))
    _, group = np.unique(exact, return_inverse=True)
    own = np.bincount(group.ravel(), weights=local)
    drift = np.asarray(allowed.drift)[np.isfinite(allowed.drift)]
    total = np.sum(drift) + min(np.sum(own), SIGMAS * np.sqrt(np.sum(own**2)))
    squares = (np.linalg.norm(element - local) + np.sqrt(_squares(local, own))) ** 2
    return Aggregate(float(np.sum(error)), float(min(total, np.sum(element))), float(np.sum(error**2)), float(squares))


def _squares(local, own):
    """Sum of squares of independent errors bounded by `local`: a third of the bounds' own, as of uniform errors, and
    Hoeffding's margin for variables from 0 to own^2; never more than the bounds' own.
    """
    worst = np.sum(local**2)
    return min(worst, worst / 3 + SIGMAS / 2 * np.sqrt(np.sum(own**4)))
