"""Round-to-nearest-even from a rational number straight to a floating-point format.

A format is p significant bits and the exponents emin..emax of its normal numbers. Every format here is a subset of
float64, so results are handed over as float64 and the last cast is exact. Nothing is rounded twice.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import ml_dtypes
import numpy as np


@dataclass(frozen=True)
class Format:
    """A binary interchange format: p bits of significand, normal exponents emin..emax."""

    name: str
    p: int
    emin: int
    emax: int
    dtype: np.dtype

    @property
    def min_exponent(self) -> int:
        """Exponent of the smallest subnormal: no number of the format has a finer quantum."""
        return self.emin - self.p + 1


FORMATS = {
    "float64": Format("float64", 53, -1022, 1023, np.dtype(np.float64)),
    "float32": Format("float32", 24, -126, 127, np.dtype(np.float32)),
    "float16": Format("float16", 11, -14, 15, np.dtype(np.float16)),
    "bfloat16": Format("bfloat16", 8, -126, 127, np.dtype(ml_dtypes.bfloat16)),
}


def format_of(name) -> Format:
    """The format called `name` (a name or a dtype)."""
    key = name if isinstance(name, str) else np.dtype(name).name
    if key not in FORMATS:
        raise ValueError(f"dtype is {key!r}, expected one of {', '.join(FORMATS)} [BN-8.2]")
    return FORMATS[key]


def floor_log2(q: Fraction) -> int:
    """The e with 2^e <= q < 2^(e+1), for q > 0."""
    e = q.numerator.bit_length() - q.denominator.bit_length()
    num, den = (q.numerator, q.denominator << e) if e >= 0 else (q.numerator << -e, q.denominator)
    return e if num >= den else e - 1


def round_fraction(q: Fraction, to: Format) -> float:
    """The number of the format nearest to q, ties to even, beyond its range +-inf; an exact 0 is +0.

    A non-zero q that rounds to zero keeps its sign, as in IEEE 754.

    >>> round_fraction(Fraction(-1, 10**400), FORMATS["float64"])
    -0.0
    >>> round_fraction(Fraction(65520), FORMATS["float16"]), round_fraction(Fraction(65519), FORMATS["float16"])
    (inf, 65504.0)
    """
    if not q:
        return 0.0
    size = abs(q)
    quantum = max(floor_log2(size) - to.p + 1, to.min_exponent)
    scaled = size / (1 << quantum) if quantum >= 0 else size * (1 << -quantum)
    significand = round(scaled)  # Fraction rounds half to even
    if significand.bit_length() + quantum > to.emax + 1:
        rounded = math.inf
    else:
        rounded = math.ldexp(significand, quantum)
    return -rounded if q < 0 else rounded
