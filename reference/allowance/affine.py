"""Running error analysis that remembers which errors are one and the same.

An `Affine` is an exact value with a description of how far a computed one may stay from it:

    computed = value + sum_k e_k terms[k] + correlated + local,    |e_k| <= 1

`terms` are named errors of a channel with their signs: all values of the channel share e_k, so in a sum they cancel
or add up as the terms do. `rest` bounds what is correlated in an unknown way (products of errors, roundings of
channel quantities); `local` bounds the roundings that every element has for itself. This is affine arithmetic
(Stolfi and de Figueiredo 2003) with the rounding model of Higham, *Accuracy and Stability*, 2nd ed., section 2.2.
"""

from typing import NamedTuple

import numpy as np

HUGE = 1e30  # stands for "no bound" of a relative error: finite, so that 0 times it stays 0


class Affine(NamedTuple):
    """value with its errors; arrays that broadcast against each other, terms: name -> signed array.

    A bound that forgot which errors are the same would let a sum's error grow with its length where in truth they
    cancel: dx sums to nearly 0 whatever the mean is off by.
    """

    value: np.ndarray
    terms: dict
    rest: np.ndarray | float = 0.0
    local: np.ndarray | float = 0.0

    @property
    def common(self):
        """Bound of the errors that the values of a channel share."""
        return sum(map(np.abs, self.terms.values()), self.rest)

    @property
    def error(self):
        """Bound of |computed - value|, element by element."""
        return self.common + self.local

    def scaled(self, factor) -> "Affine":
        """Times an exact factor, without rounding."""
        size = np.abs(factor)
        terms = {name: factor * term for name, term in self.terms.items()}
        return Affine(factor * self.value, terms, size * self.rest, size * self.local)


def exact(value) -> Affine:
    """A value without error."""
    return Affine(np.asarray(value, np.float64), {})


def add(a: Affine, b: Affine) -> Affine:
    """a + b, before its rounding."""
    terms = {name: a.terms.get(name, 0.0) + b.terms.get(name, 0.0) for name in (*a.terms, *b.terms)}
    return Affine(a.value + b.value, terms, a.rest + b.rest, a.local + b.local)


def multiply(a: Affine, b: Affine) -> Affine:
    """a b, before its rounding; products of errors go to `rest`."""
    left, right = a.scaled(b.value), b.scaled(a.value)
    both = add(left, right)
    return both._replace(value=a.value * b.value, rest=both.rest + a.error * b.error)
