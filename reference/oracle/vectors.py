"""The values of a channel as the definition sees them: something to scale, add, and sum, in two representations.

`Values` holds every number and follows IEEE 754 where one is not finite. `Form` holds a linear form in the channel's
input rows, such as r x - r mean for x_hat: every element-wise output of batch normalization is one, with coefficients
that are exact numbers of the channel, and every sum over the channel is a combination of the moments of its inputs.
"""

from .moments import ONES
from .reals import Real, total


class Values:
    """A list of exact numbers; `counts` says which of them enter the statistics (None: all)."""

    def __init__(self, items, counts=None):
        self.items, self.counts = items, counts

    def __mul__(self, number: Real):
        if number.nan:
            return self._all(number)
        return Values([v * number for v in self.items], self.counts)

    def __add__(self, other):
        if isinstance(other, Real):
            if other.nan:
                return self._all(other)
            return Values([v + other for v in self.items], self.counts)
        return Values([v + w for v, w in zip(self.items, other.items, strict=True)], self.counts)

    def __sub__(self, other):
        return self + (-other if isinstance(other, Real) else other * Real.of(-1))

    def zero(self):
        """As many zeros."""
        return self._all(Real.of(0))

    def counted(self):
        """The same where it enters the statistics, 0 elsewhere."""
        if self.counts is None:
            return self
        return Values([v if here else Real.of(0) for v, here in zip(self.items, self.counts, strict=True)], self.counts)

    def _all(self, number: Real):
        return Values([number] * len(self.items), self.counts)

    def sum(self, counted=False) -> Real:
        return total(v for v, here in zip(self.items, self._here(counted), strict=True) if here)

    def dot(self, other, counted=False) -> Real:
        pairs = zip(self.items, other.items, self._here(counted), strict=True)
        return total(v * w for v, w, here in pairs if here)

    def _here(self, counted):
        return self.counts if counted and self.counts is not None else [True] * len(self.items)


class Form:
    """sum_k coefficient_k row_k + coefficient_1, one such form a region (counted positions, then the others if there
    are any)."""

    def __init__(self, regions, moments, channel):
        self.regions, self.moments, self.channel = regions, moments, channel

    @classmethod
    def row(cls, name, moments, channel):
        """The input row called `name`."""
        return cls([{name: Real.of(1)} for _ in moments.regions], moments, channel)

    def _like(self, regions):
        return Form(regions, self.moments, self.channel)

    def __mul__(self, number: Real):
        return self._like([{name: q * number for name, q in form.items()} for form in self.regions])

    def __add__(self, other):
        others = [{ONES: other}] * len(self.regions) if isinstance(other, Real) else other.regions
        return self._like([_merge(form, term) for form, term in zip(self.regions, others, strict=True)])

    def __sub__(self, other):
        return self + (-other if isinstance(other, Real) else other * Real.of(-1))

    def zero(self):
        """The form that is 0 everywhere."""
        return self._like([{} for _ in self.regions])

    def counted(self):
        """The same where it enters the statistics, 0 elsewhere."""
        return self._like([form if i == 0 else {} for i, form in enumerate(self.regions)])

    def sum(self, counted=False) -> Real:
        return self.dot(self._like([{ONES: Real.of(1)}] * len(self.regions)), counted)

    def dot(self, other, counted=False) -> Real:
        result = Real.of(0)
        for region, (mine, theirs) in enumerate(zip(self.regions, other.regions, strict=True)):
            if counted and region > 0:
                break
            for a, p in mine.items():
                for b, q in theirs.items():
                    result = result + p * q * Real.of(self.moments.sum(self.channel, region, a, b))
        return result


def _merge(a: dict, b: dict) -> dict:
    merged = dict(a)
    for name, q in b.items():
        merged[name] = merged[name] + q if name in merged else q
    return merged
