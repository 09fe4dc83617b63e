"""Linear forms in double-double arithmetic, with a proven error bound, and the rounding it decides.

One element is t = c_1 + sum_k c_k v_k with at most 4 rows v_k and exact coefficients. Everything is scaled by powers
of two, so that
|v_k| < 1 and |c_k| <= 1; v_k is then the input itself, or off by less than 2^-1074 where it became subnormal. With u =
2^-53 and S = |c_1| + sum |c_k v_k|:

1. c_k is held as hi + lo with |c_k - hi - lo| <= 2^-105 |c_k|: together 2 u^2 S.
2. hi v_k = p + e exactly (Dekker 1971, Veltkamp's split), |e| <= u |p|. lo v_k costs u^2 |c_k v_k| when rounded and
adding it to
   e 2 u^2 |c_k v_k|: together 3 u^2 S.
3. The p are added one by one by two_sum (Knuth), each step exact with an error term |t_k| <= u S (1 + 5u). Error terms
and e go to
   a running low part, which never exceeds 6 u S. Each of its 4 times 2 additions costs at most u times the sum it
   makes: less than 4 (2 + 6) u^2 S = 32 u^2 S.
4. The last two_sum is exact.

In all 38 u^2 S (1 + small) < 2^-100 S. S is computed with relative error below 8u, and 2^-99 S plus 2^-1060 for all
underflows is the bound `err` that is used. The true value then lies in hi + [lo - err, lo + err].

Rounding is monotone, so if both ends round to the same number, that is the correct rounding, ties included. The ends
are taken as fl(hi + fl(lo -+ 2 err)): the rounding of lo -+ 2 err costs less than err. For a narrower format the ends
are moved out by 2^-52 |hi| more, which covers the rounding to float64, before they are rounded again. What is not
decided so is left to exact arithmetic. (A common exponent beyond +-2046 turns everything into infinity or zero, and
rightly so: what is decided is above 2^-1059 before it is applied, so it ends above 2^987, infinite in the narrower
formats, and in float64, where more than 52 bits
must be certain, above 2^1039; or below 2^-2043.)
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .formats import Format, floor_log2
from .reals import Real
from .scaling import times_power

SPLITTER = 2.0**27 + 1


@dataclass
class Coefficients:
    """A row's coefficients in double-double: name -> (hi, lo), and the constant, all divided by 2^exponent."""

    pairs: dict
    constant: tuple
    exponent: int


def coefficients(form: dict, ones: str, exponents: dict) -> Coefficients:
    """Double-double coefficients of one region of a `Form`; exponents: of the rows, by name."""
    scaled = {}
    for name, number in form.items():
        value = _approximate(number)
        if value:
            scaled[name] = value, 0 if name == ones else exponents[name]
    if not scaled:
        return Coefficients({}, (0.0, 0.0), 0)
    top = max(floor_log2(abs(value)) + 1 + power for value, power in scaled.values())
    pairs = {name: _pair(value * Fraction(2) ** (power - top)) for name, (value, power) in scaled.items()}
    return Coefficients(pairs, pairs.pop(ones, (0.0, 0.0)), top)


def _approximate(number: Real) -> Fraction:
    """A fraction within 2^-110 of the number, relative to it."""
    number, bits = number.simplified(), 128
    if not number.terms:
        return Fraction(0)
    while True:
        low, high = number.bounds(bits)
        if (high - low) * (1 << 110) <= min(abs(low), abs(high)) and (low > 0) == (high > 0):
            return low
        bits *= 2


def _pair(value: Fraction) -> tuple[float, float]:
    hi = float(value)
    return hi, float(value - Fraction(hi))


def evaluate_form(constant, terms):
    """(hi, lo, S) of c_1 + sum c_k v_k; constant: (hi, lo) columns; terms: [(hi column, lo column, v)]."""
    high, low = constant
    size = np.abs(high)
    for c_high, c_low, v in terms:
        product, error = _two_product(c_high, v)
        error += c_low * v
        high, rest = _two_sum(high, product)
        rest += error
        low = low + rest
        size = size + np.abs(product)
    high, low = _two_sum(high, low)
    return high, low, size


def _two_sum(a, b):
    s = a + b
    bb = s - a
    return s, (a - (s - bb)) + (b - bb)


def _split(a):
    t = a * SPLITTER
    high = t - (t - a)
    return high, a - high


def _two_product(column, v):
    p = column * v
    c1, c2 = _split(column)
    v1, v2 = _split(v)
    error = c1 * v1
    error -= p
    error += c1 * v2
    error += c2 * v1
    error += c2 * v2
    return p, error


def decide(high, low, size, exponents, to: Format):
    """(rounded values in the format's own dtype, where they are proven) of (high + low) 2^exponents."""
    reach = size * 2.0**-98 + 2.0**-1059
    if to.p < 53:
        reach += np.abs(high) * 2.0**-52
    below, above = high + (low - reach), high + (low + reach)
    if to.p == 53:
        # unbounded exponent so far: right when normal or too large, but a subnormal would be rounded twice
        rounded = times_power(below, exponents)
        return rounded, (below == above) & (np.abs(rounded) >= 2.0**-1021)
    rounded = _narrow(times_power(below, exponents), to)
    same_sign = (below > 0) | (above < 0)
    return rounded, same_sign & (rounded == _narrow(times_power(above, exponents), to))


def _narrow(values, to: Format):
    """float64 to a narrower format: NumPy's own casts round once, but ml_dtypes casts to bfloat16 by way of float32."""
    if to.name != "bfloat16":
        return values.astype(to.dtype)
    dropped = 53 - to.p
    bits = values.view(np.int64)
    bits = bits + ((1 << dropped - 1) - 1 + (bits >> dropped & 1))
    normal = (bits & -(1 << dropped)).view(np.float64)
    anchor = 1.5 * 2.0 ** (52 + to.min_exponent)
    subnormal = np.copysign((values + anchor) - anchor, values)
    return np.where(np.abs(values) < 2.0**to.emin, subnormal, normal).astype(np.float32).astype(to.dtype)
