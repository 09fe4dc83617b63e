"""Arrays of exact numbers that round themselves correctly, and say how they knew.

Signs of zero: an exact zero is +0, except where the definition is one product (dx in inference, a folded weight),
whose zero has the product's sign. What is not zero and underflows keeps its sign.
"""

import math
from dataclasses import dataclass

import numpy as np

from .doubled import coefficients, decide, evaluate_form
from .formats import format_of
from .moments import ONES
from .reals import Real
from .scaling import blocks, times_power
from .vectors import Form


@dataclass(frozen=True)
class Proof:
    """How the elements of one rounding were decided.

    elements: how many; fast: by an enclosure in double-double arithmetic; exact: by rational arithmetic and, for
    irrational numbers, roots of as many digits as it took; digits: the most decimal digits a root needed (0 if none
    did).
    """

    elements: int
    fast: int
    exact: int
    digits: int


class Exact:
    """An output of the definition: exact numbers in an array of some shape, one by one."""

    def __init__(self, values):
        """values: object array of Real."""
        self._values = values
        self.shape = values.shape
        self.proof: Proof | None = None  # of the last rounding

    def value(self, *index) -> Real:
        """The exact number at an index."""
        return self._values[index]

    def round(self, dtype) -> np.ndarray:
        """The nearest numbers of "float64", "float32", "float16" or "bfloat16", ties to even, too large ones
        infinite."""
        to = format_of(dtype)
        rounded, bits = np.empty(self.shape), 0
        for index in np.ndindex(self.shape):
            rounded[index], needed = self.value(*index).round(to)
            bits = max(bits, needed)
        self.proof = Proof(rounded.size, 0, rounded.size, _digits(bits))
        return rounded.astype(to.dtype)


def _digits(bits: int) -> int:
    return math.ceil(bits * math.log10(2))


class ExactRows(Exact):
    """An element-wise output: for each channel a `Form` in the input rows, or `Values` where something is not
    finite."""

    def __init__(self, vectors, moments, layout, negative_zero=None):
        """vectors: one a channel; moments: has the rows and regions of the forms; layout: from (channels, positions)
        to the shape.

        negative_zero: (channels, positions) boolean, True where an exact zero is -0; None: nowhere.
        """
        self._vectors, self._moments, self._layout = vectors, moments, layout
        self._negative_zero = negative_zero
        self._columns = {}
        self.shape = layout.output_shape
        self.proof = None

    def value(self, *index) -> Real:
        """The exact number at an index."""
        return self._value(*self._layout.row_index(index))

    def _value(self, channel, position) -> Real:
        vector = self._vectors[channel]
        if not isinstance(vector, Form):
            return vector.items[position]
        result = Real.of(0)
        for name, coefficient in self._form(channel, position).items():
            if name != ONES:
                coefficient = coefficient * Real.of(self._moments.rows[name][channel, position])
            result = result + coefficient
        return result

    def _form(self, channel, position) -> dict:
        regions, weights = self._vectors[channel].regions, self._moments.regions
        for form, weight in zip(regions, weights, strict=True):
            if weight is None or weight[channel, position]:
                return form
        raise AssertionError("a position is in one region")

    def round(self, dtype) -> np.ndarray:
        """The nearest numbers of "float64", "float32", "float16" or "bfloat16", ties to even, too large ones
        infinite."""
        to = format_of(dtype)
        rows = (self._layout.channels, self._layout.positions)
        rounded, proven = np.zeros(rows, to.dtype), np.zeros(rows, bool)
        with np.errstate(all="ignore"):
            for region in range(len(self._moments.regions)):
                self._decide_region(region, to, rounded, proven)
        open_channels = np.flatnonzero(~proven.all(axis=1))
        bits = max((self._decide_exactly(c, ~proven[c], to, rounded) for c in open_channels), default=0)
        if self._negative_zero is not None:
            np.copyto(rounded, to.dtype.type(-0.0), where=(rounded == 0) & self._negative_zero)
        fast = int(proven.sum())
        self.proof = Proof(proven.size, fast, proven.size - fast, _digits(bits))
        return self._layout.unrows(rounded)

    def _decide_region(self, region, to, rounded, proven) -> None:
        """Round what double-double arithmetic can prove of one region."""
        moments, weight = self._moments, self._moments.regions[region]
        if region not in self._columns:
            self._columns[region] = self._coefficients(region)
        names, columns = self._columns[region]
        for rows, cols in blocks(*rounded.shape):
            terms = []
            for name in names:
                scaled = times_power(moments.rows[name][rows, cols], -moments.exponents[name][rows, None])
                terms.append((columns[name][0][rows], columns[name][1][rows], scaled))
            constant = tuple(column[rows] for column in columns[ONES])
            values = evaluate_form(constant, terms)
            here, decided = decide(*values, columns["exponent"][rows], to)
            decided = decided & columns["form"][rows]
            if weight is not None:
                decided = decided & weight[rows, cols]
            np.copyto(rounded[rows, cols], here, where=decided)
            proven[rows, cols] |= decided

    def _coefficients(self, region) -> tuple[list, dict]:
        """Names of the rows in use, and the double-double coefficients of all channels as columns."""
        moments, channels = self._moments, len(self._vectors)
        columns = {"exponent": np.zeros((channels, 1), np.int64), "form": np.zeros((channels, 1), bool)}
        for name in (ONES, *moments.rows):
            columns[name] = np.zeros((channels, 1)), np.zeros((channels, 1))
        names = set()
        for c, vector in enumerate(self._vectors):
            if not isinstance(vector, Form):
                continue
            exponents = {name: int(column[c]) for name, column in moments.exponents.items()}
            found = coefficients(vector.regions[region], ONES, exponents)
            columns["form"][c], columns["exponent"][c] = True, found.exponent
            for name, pair in (found.pairs | {ONES: found.constant}).items():
                columns[name][0][c], columns[name][1][c] = pair
            names |= set(found.pairs)
        return sorted(names), columns

    def _decide_exactly(self, channel, here, to, rounded) -> int:
        """Round the positions `here` of a channel by exact arithmetic; returns the bits it took."""
        vector = self._vectors[channel]
        if not isinstance(vector, Form):
            return self._work_out(channel, np.flatnonzero(here), slice(None), to, rounded, here)
        most = 0
        for form, weight in zip(vector.regions, self._moments.regions, strict=True):
            part = here if weight is None else here & weight[channel]
            names = [name for name, coefficient in form.items() if name != ONES and coefficient.sign()]
            table = np.stack(
                [np.zeros(np.count_nonzero(part)), *(self._moments.rows[name][channel, part] for name in names)]
            )
            _, first, inverse = np.unique(table, axis=1, return_index=True, return_inverse=True)
            most = max(most, self._work_out(channel, np.flatnonzero(part)[first], inverse.ravel(), to, rounded, part))
        return most

    def _work_out(self, channel, positions, inverse, to, rounded, part) -> int:
        """Round one position of each kind, and spread the results over `part`: equal inputs give equal outputs."""
        results = [self._value(channel, i).round(to) for i in positions]
        if results:
            rounded[channel, part] = np.array([value for value, _ in results])[inverse]
        return max((bits for _, bits in results), default=0)
