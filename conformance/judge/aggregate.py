"""The errors of one output taken together: their sum (a bias) and the sum of their squares.

Each element may stay within its allowance while all of them lean the same way. What a channel's elements share (the
errors of its mean and variance) may lean; what each has for itself, its own roundings, is bounded and as often up as
down, so that its sum grows like a root. Derivation: BOUNDS.md, section 8.
"""

from typing import NamedTuple

import numpy as np

from bnconform.allowance import Allowance

# Hoeffding 1963: a sum of independent errors, bounded by a_i and of mean zero, passes SIGMAS sqrt(sum a_i^2) with
# probability below 2 exp(-SIGMAS^2 / 2) = 3e-8.
SIGMAS = 6.0


class Aggregate(NamedTuple):
    """Sum of the errors, and root of the sum of their squares, each with its allowance."""

    total: float
    total_allowed: float
    root: float
    root_allowed: float

    @property
    def score(self) -> float:
        """The larger of the two errors in units of its allowance."""
        return max(_ratio(abs(self.total), self.total_allowed), _ratio(self.root, self.root_allowed))

    def text(self) -> str:
        return (
            "no value is off by more than its allowance, but together they are: sum of errors "
            f"{self.total:.3g}, allowance {self.total_allowed:.3g}; root of the sum of squares {self.root:.3g}, "
            f"allowance {self.root_allowed:.3g}"
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
    scale = np.max(element, initial=0.0, where=counted) or 1.0  # squares of subnormal errors would vanish
    error, element, local = (values[counted] / scale for values in (error, element, local))
    _, group = np.unique(exact[counted], return_inverse=True)
    own = np.bincount(group.ravel(), weights=local)
    drift = allowed.drift[np.isfinite(allowed.drift)] / scale
    total = np.sum(drift) + min(np.sum(own), SIGMAS * _norm(own))
    root = _norm(element - local) + np.sqrt(_squares(local, own))
    sums = np.sum(error), min(total, np.sum(element)), _norm(error), root
    return Aggregate(*(float(scale * value) for value in sums))


def _norm(values):
    """Root of the sum of squares, without BLAS: its threads wait for cores that workers use, and its last bits depend
    on their number."""
    return np.sqrt(np.sum(np.square(values)))


def _squares(local, own):
    """Sum of squares of independent errors bounded by `local`: a third of the bounds' own, as of uniform errors, and
    Hoeffding's margin for variables from 0 to own^2; never more than the bounds' own.
    """
    worst = np.sum(local**2)
    return min(worst, worst / 3 + SIGMAS / 2 * _norm(own**2))
