"""Exact numbers: rationals extended by square roots, and what IEEE 754 adds to them.

Everything in the definition is rational but for 1/sqrt(var + eps). A result is therefore a sum of rationals times
products of at most two roots (a second one in batch renormalization). Such a number is decided exactly: either its
roots are rational after all, then it is a fraction and a tie is a tie, or it is irrational, then it lies strictly
between two rounding boundaries and enough digits tell which.
"""

import math
from fractions import Fraction

from .formats import Format, round_fraction

ZERO = Fraction(0)
FIRST_BITS = 96


def rational_root(q: Fraction) -> Fraction | None:
    """The square root of q >= 0 if it is rational."""
    num, den = math.isqrt(q.numerator), math.isqrt(q.denominator)
    return Fraction(num, den) if num * num == q.numerator and den * den == q.denominator else None


def root_bounds(q: Fraction, bits: int) -> tuple[Fraction, Fraction]:
    """Bounds of the square root of q > 0, apart by at most 2^-bits of it."""
    shift = max(0, bits - (q.numerator.bit_length() - q.denominator.bit_length()) // 2 + 1)
    floor = math.isqrt((q.numerator << 2 * shift) // q.denominator)
    return Fraction(floor, 1 << shift), Fraction(floor + 1, 1 << shift)


class Field:
    """The rationals with the square roots of some positive `radicands` adjoined.

    A number is held as {mask: coefficient}: bit i of the mask says that sqrt(radicands[i]) is a factor.
    """

    def __init__(self, *radicands: Fraction):
        self.radicands = radicands
        self.products = [
            math.prod((r for i, r in enumerate(radicands) if mask >> i & 1), start=Fraction(1))
            for mask in range(1 << len(radicands))
        ]
        self._basis = None
        self._roots = {}

    def basis(self):
        """For each mask (representative, factor) with root(mask) = factor * root(representative).

        Roots of different representatives have ratios that are irrational, so they are linearly independent over the
        rationals (Besicovitch 1940), and a sum of them is rational only if all but the rational part vanish.
        """
        if self._basis is None:
            self._basis = []
            for mask, product in enumerate(self.products):
                for other, (kept, _) in enumerate(self._basis):
                    factor = rational_root(product / self.products[other]) if kept == other else None
                    if factor is not None:
                        self._basis.append((other, factor))
                        break
                else:
                    self._basis.append((mask, Fraction(1)))
        return self._basis

    def root(self, mask: int, bits: int) -> tuple[Fraction, Fraction]:
        """Bounds of the root of `mask`, apart by at most 2^-bits of it."""
        if (mask, bits) not in self._roots:
            self._roots[mask, bits] = root_bounds(self.products[mask], bits)
        return self._roots[mask, bits]


class Real:
    """An exact number of a `Field`, or one of NaN, +inf, -inf, with IEEE 754's rules for those."""

    __slots__ = ("terms", "field", "special")

    def __init__(self, terms=None, field=None, special=None):
        self.terms = terms
        self.field = field
        self.special = special

    @classmethod
    def of(cls, value) -> "Real":
        """The exact value of a Python or NumPy number."""
        if isinstance(value, Real):
            return value
        if not isinstance(value, (int, Fraction)):
            value = float(value)
            if not math.isfinite(value):
                return cls(special=value)
        return cls({0: Fraction(value)})

    @property
    def fraction(self) -> Fraction:
        """The value of a number that holds no root."""
        assert self.special is None and set(self.terms) <= {0}
        return self.terms.get(0, ZERO)

    @property
    def finite(self) -> bool:
        return self.special is None

    @property
    def nan(self) -> bool:
        return self.special is not None and math.isnan(self.special)

    def __add__(self, other):
        if self.special is not None or other.special is not None:
            return Real(special=_ieee(self) + _ieee(other))
        terms = dict(self.terms)
        for mask, q in other.terms.items():
            terms[mask] = terms[mask] + q if mask in terms else q
        return Real(terms, self.field or other.field)

    def __neg__(self):
        if self.special is not None:
            return Real(special=-self.special)
        return Real({mask: -q for mask, q in self.terms.items()}, self.field)

    def __sub__(self, other):
        return self + -other

    def __mul__(self, other):
        if self.special is not None or other.special is not None:
            return Real(special=_ieee(self, sign_only=True) * _ieee(other, sign_only=True))
        field = self.field or other.field
        terms = {}
        for a, p in self.terms.items():
            for b, q in other.terms.items():
                product = p * q * field.products[a & b] if a & b else p * q
                terms[a ^ b] = terms[a ^ b] + product if a ^ b in terms else product
        return Real(terms, field)

    def over(self, count: int) -> "Real":
        """Divided by a count; 0/0 is NaN."""
        if count == 0:
            return Real(special=math.nan)
        return self * Real({0: Fraction(1, count)})

    def simplified(self) -> "Real":
        """The same number with linearly independent roots and no zero coefficient."""
        terms = {}
        for mask, q in self.terms.items():
            kept, factor = self.field.basis()[mask] if mask and q else (mask, 1)
            term = q * factor if factor != 1 else q
            terms[kept] = terms[kept] + term if kept in terms else term
        return Real({mask: q for mask, q in terms.items() if q}, self.field)

    def bounds(self, bits: int) -> tuple[Fraction, Fraction]:
        """Rational bounds of a finite number, each root taken to `bits` bits."""
        low = high = self.terms.get(0, ZERO)
        for mask, q in self.terms.items():
            if mask and q:
                ends = sorted(q * end for end in self.field.root(mask, bits))
                low, high = low + ends[0], high + ends[1]
        return low, high

    def sign(self) -> int:
        """-1, 0 or 1, of a finite number."""
        number = self.simplified()
        bits = FIRST_BITS
        while number.terms:
            low, high = number.bounds(bits)
            if low > 0 or high < 0:
                return 1 if low > 0 else -1
            bits *= 2
        return 0

    def round(self, to: Format) -> tuple[float, int]:
        """(the correctly rounded value, bits of the roots that decided it; 0 for a rational number)."""
        if self.special is not None:
            return math.nan if math.isnan(self.special) else self.special, 0  # one NaN, without a sign
        number, bits = self.simplified(), FIRST_BITS
        if not any(number.terms):
            return round_fraction(number.terms.get(0, ZERO), to), 0
        while True:  # irrational, so on no boundary: some number of bits decides
            low, high = number.bounds(bits)
            rounded = round_fraction(low, to)
            if (low > 0 or high < 0) and rounded == round_fraction(high, to):
                return rounded, bits
            bits *= 2

    def __repr__(self):
        if self.special is not None:
            return f"Real({self.special})"
        radicands = self.field.products if self.field else [1]
        return "Real(" + " + ".join(f"{q}*sqrt({radicands[mask]})" for mask, q in self.terms.items()) + ")"


def _ieee(number: Real, sign_only: bool = False) -> float:
    """A float that behaves like the number beside an infinity or NaN."""
    if number.special is not None:
        return number.special
    return float(number.sign()) if sign_only else 0.0


def total(numbers) -> Real:
    """The sum of numbers; of none, 0."""
    result = Real({})
    for number in numbers:
        result = result + number
        if result.nan:
            break
    return result
