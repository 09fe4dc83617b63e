"""An array of exact numbers that rounds itself correctly, and says how it knew."""

import math
from dataclasses import dataclass

import numpy as np

from .formats import format_of
from .reals import Real


@dataclass(frozen=True)
class Proof:
    """How the elements of one rounding were decided.

    elements: how many; fast: by an enclosure in double-double arithmetic; exact: by rational arithmetic and, for irrational
    numbers, roots of as many digits as it took; digits: the most decimal digits a root needed (0 if none did).
    """

    elements: int
    fast: int
    exact: int
    digits: int


class Exact:
    """An output of the definition: exact numbers in an array of some shape.

    round(dtype) gives the nearest numbers of a format, ties to even. Signs of zero: an exact zero is +0, except where the
    definition is one product (dx in inference), whose zero has the product's sign; what underflows keeps its sign.
    """

    def __init__(self, values, zero_sign=None):
        """values: object array of Real. zero_sign: boolean array, True where an exact zero is -0 (None: nowhere)."""
        self._values = values
        self._negative_zero = zero_sign
        self.shape = values.shape
        self.proof: Proof | None = None

    def value(self, *index) -> Real:
        """The exact number at an index."""
        return self._values[index]

    def round(self, dtype) -> np.ndarray:
        """The correctly rounded values in "float64", "float32", "float16" or "bfloat16"; sets `proof`."""
        to = format_of(dtype)
        rounded, bits = np.empty(self.shape), 0
        for index in np.ndindex(self.shape):
            rounded[index], needed = self.value(*index).round(to)
            bits = max(bits, needed)
        if self._negative_zero is not None:
            negative = (rounded == 0) & ~np.signbit(rounded) & self._negative_zero
            rounded = np.where(negative, -0.0, rounded)
        self.proof = Proof(rounded.size, 0, rounded.size, math.ceil(bits * math.log10(2)))
        return rounded.astype(to.dtype)
