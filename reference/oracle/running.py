"""Running statistics as exact numbers, one channel at a time [BN-3]."""

from dataclasses import dataclass
from fractions import Fraction

from .reals import Real


@dataclass
class Running:
    """The running mean and variance of one channel (None: not kept) and how many batches entered each."""

    mean: Real | None
    var: Real | None
    mean_count: int = 0
    var_count: int = 0

    def update(self, mean: Real, var: Real, m: int, decay: Fraction | None, ddof: int) -> None:
        """Blend in the statistics of a training step; one that does not exist changes nothing [BN-3.5]."""
        if self.mean is not None and m > 0:
            self.mean_count += 1
            self.mean = _blend(self.mean, mean, decay, self.mean_count)
        if self.var is not None and m > ddof:
            self.var_count += 1
            self.var = _blend(self.var, var * Real.of(Fraction(m, m - ddof)), decay, self.var_count)


def _blend(old: Real, new: Real, decay: Fraction | None, count: int) -> Real:
    """decay old + (1 - decay) new [BN-3.1], or the mean of `count` statistics of which `old` averages all but the last
    [BN-3.2]."""
    if decay is None:
        if count == 1:
            return new
        decay = Fraction(count - 1, count)
    return Real.of(decay) * old + Real.of(1 - decay) * new
