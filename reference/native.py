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


class Native:
    """`buffered.Buffered` without buffers: memory is read and written in place. plan: a tiles.Plan that `fits`."""

    limits = Limits(long=16, rows=819_200, columns=1_638_400, written=819_200, widest=8192, wide=1024, folded=64)
    alone, group, shifts = 1 << 22, 1, True

    def __init__(self, plan, x, out):
        self.plan, of, to = plan, _named(x.dtype), _named(out.dtype)
        self.moments, self.outputs = FUNCTIONS[f"moments_{of}"], FUNCTIONS[f"write_{of}_{to}"]

    @staticmethod
    def fits(plan, views):
        """Whether kernels.c was built and can walk these views (name -> view), cut by the plan."""
        x, out = views["x"], views["y" if "y" in views else "dx"]
        if f"write_{_named(x.dtype)}_{_named(out.dtype)}" not in FUNCTIONS:
            return False
        if "dy" in views and views["dy"].dtype != x.dtype:
            return False
        if not all(a.flags.aligned for a in views.values()):
            return False
        outer, channels, inner = x.shape
        wanted = {2: 1, 1: inner, 0: channels * inner} if plan.fold > 1 else {2: 1, 1: inner} if plan.fold else {2: 1}
        return all(
            x.shape[axis] == 1 or a.strides[axis] == step * a.itemsize for a in views.values() for axis, step in wanted.items()
        )

    def measure(self, key, x, dy, count, given):
        """See Buffered.measure; given: None, or the mean to be taken and whether it is far from 0."""
        sizes, fold = self._sizes(x.shape)
        mean = self._spread(given[0], x.shape, fold) if given else None
        found = np.empty((DY_X + 1, sizes[1]))
        self.moments(_address(x), _address(dy), self._tile(sizes, fold, x, dy), _address(mean), _address(found))
        if sizes[1] == x.shape[1]:
            return found
        columns = found.reshape(len(found), fold, x.shape[1], x.shape[2])
        alike = np.moveaxis(columns, 1, 2).reshape(len(found), x.shape[1], -1)
        return stack_merged(alike, np.full(alike.shape[-1], float(sizes[0])))

    def write(self, key, x, dy, y, dx, of, spread, shifted_alike):
        """See Buffered.write."""
        shape = (dy if x is None else x).shape
        sizes, fold = self._sizes(shape)
        if fold not in spread:
            spread[fold] = np.empty((len(of), sizes[1]))  # what is None is not read
            for to, row in zip(spread[fold], of):
                if row is not None:
                    to[:] = self._spread(row, shape, fold)
        tile = self._tile(sizes, fold, x, dy, y, dx)
        self.outputs(*map(_address, (x, dy, y, dx)), tile, _address(spread[fold]))

    def _sizes(self, shape):
        """What kernels.c is told: outer, channels, inner; and how many rows of the tile lie side by side, 0 for rows of one channel."""
        outer, channels, inner = shape
        if not self.plan.fold:
            return shape, 0
        fold = self.plan.fold if outer % self.plan.fold == 0 else 1
        return (outer // fold, fold * channels * inner, 1), fold

    @staticmethod
    def _spread(row, shape, fold):
        """A number a channel as one a column; rows of one channel need no more than the first."""
        return np.tile(np.repeat(row, shape[2]), fold) if fold * shape[2] > 1 and fold else np.ascontiguousarray(row)

    @staticmethod
    def _tile(sizes, fold, *arrays):
        """struct tile of kernels.c."""
        steps = []
        for array in arrays:
            outer, channel, _ = (0, 0, 0) if array is None else (step // array.itemsize for step in array.strides)
            steps += (fold * outer, 1) if fold else (outer, channel)
        return (ctypes.c_int64 * 11)(*sizes, *steps)
