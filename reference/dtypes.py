"""The four floating types of the suite, by name.

float64, float32 and float16 are NumPy's; bfloat16 comes from ml_dtypes, which is
loaded only when an array of that type has to be *made*.
"""

import numpy as np
from numpy.typing import ArrayLike

from .errors import DomainError

NAMES = ("float64", "float32", "float16", "bfloat16")

_PRECISION = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}
_MIN_EXPONENT = {"float64": -1074, "float32": -149, "float16": -24, "bfloat16": -133}


def dtype(name: str) -> np.dtype:
    """NumPy dtype called `name`.

    >>> dtype("float16").itemsize, dtype("bfloat16").itemsize
    (2, 2)
    """
    if name not in NAMES:
        raise DomainError(f"dtype is {name!r}, expected one of {', '.join(NAMES)}", "BN-8.2")
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def unit_roundoff(name: str) -> float:
    """Half the distance from 1 to the next larger number: 2**-p with p bits of precision.

    >>> unit_roundoff("bfloat16")
    0.00390625
    """
    dtype(name)
    return 2.0 ** -_PRECISION[name]


def smallest(name: str) -> float:
    """The smallest positive (subnormal) number of the type.

    >>> smallest("float16") == 2.0 ** -24
    True
    """
    dtype(name)
    return 2.0 ** _MIN_EXPONENT[name]


def as_float64(name: str, value: ArrayLike) -> np.ndarray:
    """`value` as a float64 array; every real floating input converts without rounding.

    Errors: complex, integer, boolean or object input is out of the domain [BN-8.2].
    """
    array = np.asarray(value)
    if array.dtype == np.float64:
        return array
    if array.dtype.name not in NAMES:
        raise DomainError(
            f"{name} has dtype {array.dtype}, expected a real floating type ({', '.join(NAMES)})",
            "BN-8.2",
        )
    return array.astype(np.float64)
