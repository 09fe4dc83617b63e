"""The engine's arithmetic on one tile in C (kernels.c), where a compiler was there when bnconform was installed."""

import ctypes

import numpy as np

from .moments import DY_X, stack_merged
from .tiles import Limits

TYPES = {np.dtype(np.float64): "f64", np.dtype(np.float32): "f32", np.dtype(np.float16): "f16"}


def _load():
    """The functions of kernels.c by name; none where it was not built."""
    try:
        from . import _kernels
    except ImportError:
        return {}
    library = ctypes.CDLL(_kernels.__file__)
    types = (*TYPES.values(), "bf16")
    pointers = {f"moments_{of}": 5 for of in types} | {f"write_{of}_{to}": 6 for of in types for to in {of, "f64"}}
    functions = {name: getattr(library, name) for name in pointers}
    for name, function in functions.items():
        function.argtypes, function.restype = [ctypes.c_void_p] * pointers[name], None
    return functions


FUNCTIONS = _load()


def _named(dtype):
    """What kernels.c calls the type; None for others, and for the other byte order."""
    return TYPES.get(dtype) or ("bf16" if dtype.name == "bfloat16" else None)


def _address(array):
    return None if array is None else array.__array_interface__["data"][0]


class CTileKernel:
    """`numpy_tile.NumpyTileKernel` without buffers: memory is read and written in place. Made by `of`."""

    limits = Limits(long=16, rows=819_200, columns=1_638_400, written=819_200, widest=8192, wide=1024, folded=64)
    serial, group, always_shifts = 1 << 22, 1, True

    taken = ()

    def __init__(self, plan, of, to):
        self.plan, self.moments, self.outputs = plan, FUNCTIONS[f"moments_{of}"], FUNCTIONS[f"write_{of}_{to}"]

    @classmethod
    def of(cls, plan, views):
        """For these views (name -> view), cut by the plan; None where kernels.c was not built or cannot walk them."""
        x, out = views["x"], views["y" if "y" in views else "dx"]
        of, to = _named(x.dtype), _named(out.dtype)
        if f"write_{of}_{to}" not in FUNCTIONS or ("dy" in views and views["dy"].dtype != x.dtype):
            return None
        inner = x.shape[2]
        steps = {2: 1, 1: inner, 0: x.shape[1] * inner} if plan.fold > 1 else {2: 1, 1: inner} if plan.fold else {2: 1}
        walked = all(
            a.flags.aligned
            and all(a.shape[axis] == 1 or a.strides[axis] == step * a.itemsize for axis, step in steps.items())
            for a in views.values()
        )
        return cls(plan, of, to) if walked else None

    def measure(self, key, x, dy, count, given):
        """See NumpyTileKernel.measure; given: None, or the mean to be taken first."""
        sizes, fold = self._sizes(x.shape)
        mean = self._broadcast(given[0], x.shape, fold) if given else None
        found = np.empty((DY_X + 1, sizes[1]))
        self.moments(_address(x), _address(dy), self._tile(sizes, fold, x, dy), _address(mean), _address(found))
        if sizes[1] == x.shape[1]:
            return found
        columns = found.reshape(len(found), fold, x.shape[1], x.shape[2])
        alike = np.moveaxis(columns, 1, 2).reshape(len(found), x.shape[1], -1)
        return stack_merged(alike, np.full(alike.shape[-1], float(sizes[0])))

    def write(self, key, x, dy, y, dx, coefficients, broadcast, shifted_alike):
        """See NumpyTileKernel.write."""
        shape = (dy if x is None else x).shape
        sizes, fold = self._sizes(shape)
        if fold not in broadcast:
            broadcast[fold] = np.empty((len(coefficients), sizes[1]))  # what is None is not read
            for to, row in zip(broadcast[fold], coefficients):
                if row is not None:
                    to[:] = self._broadcast(row, shape, fold)
        tile = self._tile(sizes, fold, x, dy, y, dx)
        self.outputs(*map(_address, (x, dy, y, dx)), tile, _address(broadcast[fold]))

    def _sizes(self, shape):
        """What kernels.c is told: outer, channels, inner; and how many rows of the tile lie side by side, 0 for rows
        of one channel."""
        outer, channels, inner = shape
        if not self.plan.fold:
            return shape, 0
        fold = self.plan.fold if outer % self.plan.fold == 0 else 1
        return (outer // fold, fold * channels * inner, 1), fold

    @staticmethod
    def _broadcast(row, shape, fold):
        """A number a channel as one a column; rows of one channel need no more than the first."""
        return np.tile(np.repeat(row, shape[2]), fold) if fold * shape[2] > 1 else np.ascontiguousarray(row)

    @staticmethod
    def _tile(sizes, fold, *arrays):
        """struct tile of kernels.c."""
        steps = []
        for array in arrays:
            outer, channel, _ = (0, 0, 0) if array is None else (step // array.itemsize for step in array.strides)
            steps += (fold * outer, 1) if fold else (outer, channel)
        return (ctypes.c_int64 * 11)(*sizes, *steps)
