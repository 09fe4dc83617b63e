"""What the oracle's tests measure it with: the definition in 400 digits, differentiated numerically, and rounding
intervals.

Nothing here is taken from the oracle. Derivatives are central differences: with steps of 1e-60 in 400 digits they are
right to some 1e-115, and no formula for a gradient is involved.
"""

import ml_dtypes
import mpmath
import numpy as np
from mpmath import mp, mpf

DIGITS = 400
STEP = mpf(10) ** -60
DTYPES = {
    "float64": np.dtype(np.float64),
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}


def numbers(values):
    """Float array (any of the four types) as an object array of mpf."""
    flat = [mpf(float(v)) for v in np.asarray(values).ravel()]
    out = np.empty(len(flat), object)
    out[:] = flat
    return out.reshape(np.shape(values))


def normalized(x, gamma, beta, eps, *, counted=None, frozen=None, renorm=None):
    """y of one channel (1-D object arrays): statistics over `counted`, or the (mean, var) `frozen`; x_hat r' + d' by
    `renorm`."""
    if frozen is None:
        used = x if counted is None else x[counted]
        mean = sum(used) / len(used)
        var = sum((v - mean) ** 2 for v in used) / len(used)
    else:
        mean, var = frozen
    factor, shift = renorm or (1, 0)
    return np.array([gamma * ((v - mean) / mpmath.sqrt(var + eps) * factor + shift) + beta for v in x], object)


def derivative(function, step=STEP):
    """d function(t) / dt at 0."""
    return (function(step) - function(-step)) / (2 * step)


def along(point, direction, t):
    """point + t direction for tuples (x, gamma, beta)."""
    return tuple(p + t * d for p, d in zip(point, direction, strict=True))


def unit(n, i):
    e = np.array([mpf(0)] * n, object)
    e[i] = mpf(1)
    return e


def gradients(x, gamma, beta, dy, **kw):
    """dx, dgamma, dbeta of sum(dy y)."""
    zero = numbers(np.zeros(len(x)))

    def loss_along(direction):
        return derivative(lambda t: sum(dy * normalized(*along((x, gamma, beta), direction, t), **kw)))

    return {
        "dx": [loss_along((unit(len(x), i), 0, 0)) for i in range(len(x))],
        "dgamma": loss_along((zero, 1, 0)),
        "dbeta": loss_along((zero, 0, 1)),
    }


def second_order(x, gamma, beta, dy, u, **kw):
    """Gradients of the derivative of sum(dy y) along u = (u_x, u_gamma, u_beta), which is <u_x, dx> + ..."""
    zero = numbers(np.zeros(len(x)))

    def slope(point, weights):
        return derivative(lambda t: sum(weights * normalized(*along(point, u, t), **kw)))

    def mixed(direction):
        return derivative(lambda t: slope(along((x, gamma, beta), direction, t), dy))

    n = len(x)
    return {
        "d2x": [mixed((unit(n, i), 0, 0)) for i in range(n)],
        "d2gamma": mixed((zero, 1, 0)),
        "d2dy": [slope((x, gamma, beta), unit(n, i)) for i in range(n)],
    }


def exact_value(real):
    """An exact number of the oracle as mpf, to 300 bits more than its roots lose."""
    low, high = real.bounds(1200)
    with mp.workdps(DIGITS):
        return (mpf(low.numerator) / low.denominator + mpf(high.numerator) / high.denominator) / 2


def neighbours(value, dtype):
    """The numbers of the type just below and above a finite value, by their bits; +-inf at the ends."""
    width = {2: np.int16, 4: np.int32, 8: np.int64}[dtype.itemsize]

    def order(bits):  # sign-magnitude bits <-> integers in the order of the numbers
        return bits if bits >= 0 else int(np.iinfo(width).min) - bits

    here = order(int(np.array(value, dtype).view(width)))
    return [float(np.array(order(here + d), width).view(dtype)) for d in (-1, 1)]


def rounding_interval(value, dtype):
    """mpf ends of the reals that round to `value`: half-way to its neighbours; beyond the largest number half its
    spacing."""
    if np.isinf(value):
        largest = float(ml_dtypes.finfo(dtype).max)
        return (
            (overflow_bound(largest, dtype), mpf("inf"))
            if value > 0
            else (mpf("-inf"), -overflow_bound(largest, dtype))
        )
    ends = []
    for neighbour in neighbours(value, dtype):
        if np.isinf(neighbour):
            bound = overflow_bound(abs(float(value)), dtype)
            ends.append(bound if neighbour > 0 else -bound)
        else:
            ends.append((mpf(float(value)) + mpf(neighbour)) / 2)
    return ends


def overflow_bound(largest, dtype):
    """Half a spacing beyond the largest finite number: from here on, infinity."""
    below = min(neighbours(largest, dtype))
    return mpf(largest) + (mpf(largest) - mpf(below)) / 2
