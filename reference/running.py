"""Statistics for inference, gathered while training [BN-3.1 to BN-3.6]."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from .dtypes import as_float64
from .errors import DomainError
from .forward import batch_statistics
from .layout import Axes


def check_running(decay: float | None, running_ddof: int) -> None:
    """Raise unless decay is in [0, 1] or None, and running_ddof is 0 or 1 [BN-3.1, BN-3.3]."""
    if decay is not None and not (bool(np.isscalar(decay)) and 0 <= decay <= 1):
        raise DomainError(f"decay is {decay!r}, expected a number from 0 to 1, or None for cumulative", "BN-3.1")
    if running_ddof not in (0, 1):
        raise DomainError(f"running_ddof is {running_ddof!r}, expected 0 or 1", "BN-3.3")


@dataclass(frozen=True)
class RunningState:
    """running_mean and running_var (param_shape) and how many batches entered each.

    A new state has mean 0, variance 1, and no batches.

    >>> state = RunningState.initial((2,)).update(np.ones(2), np.full(2, 3.0), 4, decay=0.75, running_ddof=1)
    >>> state.running_mean.tolist(), state.running_var.tolist()
    ([0.25, 0.25], [1.75, 1.75])
    """

    running_mean: np.ndarray
    running_var: np.ndarray
    mean_count: np.ndarray | int = 0
    var_count: np.ndarray | int = 0

    @classmethod
    def initial(cls, param_shape: tuple[int, ...]) -> "RunningState":
        """Mean 0 and variance 1 of shape `param_shape`."""
        return cls(np.zeros(param_shape), np.ones(param_shape))

    def update(
        self, batch_mean: np.ndarray, batch_var: np.ndarray, m: ArrayLike, *, decay: float | None, running_ddof: int
    ) -> "RunningState":
        """The state after one training step.

        batch_mean, batch_var (ddof 0): param_shape. m: values a channel, scalar or param_shape.
        decay: weight of the OLD state, None for the cumulative average [BN-3.2].
        running_ddof: 0, or 1 to blend in m/(m-1) times batch_var [BN-3.3].
        A statistic that does not exist (m = 0; m = 1 with ddof 1) leaves its state as it was [BN-3.5].
        """
        check_running(decay, running_ddof)
        m = np.broadcast_to(np.asarray(m), np.shape(batch_mean))
        mean, mean_count = _blend(self.running_mean, batch_mean, m > 0, self.mean_count, decay)
        degrees = m - running_ddof
        with np.errstate(invalid="ignore", divide="ignore"):
            estimate = np.asarray(batch_var) * (m / degrees)
        var, var_count = _blend(self.running_var, estimate, degrees > 0, self.var_count, decay)
        return replace(self, running_mean=mean, running_var=var, mean_count=mean_count, var_count=var_count)


def _blend(
    old: np.ndarray, new: np.ndarray, exists: np.ndarray, count: np.ndarray | int, decay: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted average of old and new where `new` exists [BN-3.1, BN-3.2, BN-3.5]."""
    count = np.where(exists, np.asarray(count) + 1, count)
    with np.errstate(invalid="ignore", divide="ignore"):
        if decay is not None:
            blended = decay * old + (1.0 - decay) * new
        else:
            blended = np.where(count == 1, new, old + (new - old) / count)
    return np.where(exists, blended, old), count


def population_statistics(batches: Iterable[ArrayLike], *, channel_axes: Axes) -> tuple[np.ndarray, np.ndarray]:
    """The paper's estimate for inference (Algorithm 2, lines 8 to 10) [BN-3.4].

    batches: arrays of x's rank; every batch counts once, whatever its size.
    Returns (mean of the batch means, mean of m/(m-1) times the batch variances), param_shape each.
    Errors: no batch, or one with m < 2.

    >>> mean, var = population_statistics([np.array([[0.0], [2.0]]), np.array([[4.0], [4.0]])], channel_axes=1)
    >>> mean.item(), var.item()
    (2.5, 1.0)
    """
    means, variances = [], []
    for x in batches:
        mean, var, m = batch_statistics(as_float64("batch", x), channel_axes=channel_axes)
        if np.any(m < 2):
            raise DomainError(f"a batch has m = {int(np.min(m))} values a channel, expected at least 2", "BN-3.4")
        means.append(mean)
        variances.append(var * (m / (m - 1)))
    if not means:
        raise DomainError("batches is empty, expected at least one batch", "BN-3.4")
    return np.mean(means, axis=0), np.mean(variances, axis=0)
