"""One BN layer in the words of the definition, and the checks that every reader shares."""

from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from bnconform.dtypes import NAMES

FIELDS = ("gamma", "beta", "running_mean", "running_var")


class MovingError(ValueError):
    """A file, a name or a value that cannot be moved: what was got, what was expected."""


@dataclass(frozen=True)
class BatchNorm:
    """Parameters, state and numbers of a layer.

    running_mean, running_var: param_shape. gamma, beta: the same, or None where the layer has none [BN-1.5].
    eps: in units of the variance [BN-2.4]. decay: weight of the OLD state, None for the cumulative average [BN-3.2].
    count: training steps behind the state, None where it was not counted. running_ddof: of the variance that is in
    running_var, 0 or 1 [BN-3.3]. debiased: the state is an average that is divided by 1 - decay**count.
    """

    gamma: np.ndarray | None
    beta: np.ndarray | None
    running_mean: np.ndarray
    running_var: np.ndarray
    eps: float
    decay: float | None
    count: int | None = None
    running_ddof: int = 0
    debiased: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return self.running_mean.shape

    @property
    def settled(self) -> bool:
        """Whether a debiased average goes on as a plain one does, to the last bit of float32."""
        return not self.debiased or self.decay == 0 or (self.decay or 1.0) ** (self.count or 0) < 2.0**-25

    def corrected(self, m: int, running_ddof: int) -> "BatchNorm":
        """running_var as the other estimator has it, over batches of m values a channel [BN-3.3]."""
        if m < 2:
            raise MovingError(f"m is {m}, expected at least 2 values a channel [BN-3.3]")
        if running_ddof == self.running_ddof:
            raise MovingError(f"both sides keep running_var with ddof {running_ddof}: there is nothing to correct")
        factor = m / (m - 1) if running_ddof else (m - 1) / m
        var = (self.running_var.astype(np.float64) * factor).astype(self.running_var.dtype)
        return replace(self, running_var=var, running_ddof=running_ddof)


def complement(number: float) -> float:
    """1 - number as a person would write it: 0.1 becomes 0.9 and 0.9 becomes 0.1 again, to the bit.

    >>> complement(0.1), complement(0.9), 1 - 0.9
    (0.9, 0.1, 0.09999999999999998)
    """
    return float(1 - Decimal(repr(float(number))))


def checked(layer: BatchNorm, where: str) -> BatchNorm:
    """The layer, if its values are those of a BN layer. Errors: MovingError with the place `where`."""
    given = {name: getattr(layer, name) for name in FIELDS if getattr(layer, name) is not None}
    for name, array in given.items():
        if array.dtype.name not in NAMES:
            raise MovingError(f"{where}: {name} has dtype {array.dtype}, expected one of {', '.join(NAMES)} [BN-8.2]")
        if array.shape != layer.shape:
            raise MovingError(
                f"{where}: {name} has shape {array.shape}, expected {layer.shape} as running_mean has [BN-1.5]"
            )
        if not np.isfinite(array.astype(np.float64)).all():
            index = int(np.flatnonzero(~np.isfinite(array.astype(np.float64)).ravel())[0])
            raise MovingError(f"{where}: {name} is {array.ravel()[index]} at channel {index}, expected finite numbers")
    _one_type(where, given, ("gamma", "beta"))
    _one_type(where, given, ("running_mean", "running_var"))
    lowest = layer.running_var.astype(np.float64).min(initial=0.0)
    if lowest < 0:
        raise MovingError(f"{where}: running_var is {lowest:g}, expected no negative variance [BN-2.2]")
    _numbers(layer, where)
    return layer


def _one_type(where, given, names):
    kinds = {name: given[name].dtype.name for name in names if name in given}
    if len(set(kinds.values())) > 1:
        words = " and ".join(f"{name} {kind}" for name, kind in kinds.items())
        raise MovingError(f"{where}: {words}, expected one type for both [BN-8.2]")


def _numbers(layer, where):
    if not (np.isfinite(layer.eps) and layer.eps >= 0):
        raise MovingError(f"{where}: eps is {layer.eps!r}, expected a finite number >= 0 [BN-2.4]")
    if layer.decay is not None and not 0 <= layer.decay <= 1:
        raise MovingError(f"{where}: the weight of the old state is {layer.decay!r}, expected 0 to 1 [BN-3.1]")
    if layer.count is not None and layer.count < 0:
        raise MovingError(f"{where}: the batch counter is {layer.count}, expected 0 or more")
