"""x as a table of (values, channels), read rightly or as a mistaken layer would read it [BN-1.1, BN-8.3]."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from ..cases.memory import arrange


@lru_cache(maxsize=256)
def buffer_order(shape, memory, whole=False):
    """Flat indices of the values in the order of a buffer read from its first value on; -1 is padding.

    A layer that takes a strided array for a contiguous one sees these values in this order; with `whole` it starts
    where the buffer does, but keeps to the strides.
    """
    size = int(np.prod(shape))
    labels = arrange(np.arange(1, size + 1, dtype=np.int64).reshape(shape), memory)
    owner = labels
    while owner.base is not None:
        owner = owner.base
    start = (labels.__array_interface__["data"][0] - owner.__array_interface__["data"][0]) // labels.itemsize
    if whole:
        shifted = owner.ravel(order="K") if memory == "offset" else labels.reshape(-1)
        return shifted[:size] - 1
    flat = owner.ravel(order="K")[start : start + size] - 1
    return np.concatenate([flat, np.full(size - flat.size, -1)])


@dataclass(frozen=True)
class View:
    """How one step's tensors become tables: `rows` in, `back` out.

    read: "axes" is right; "memory" takes the buffer as if contiguous; "last" and "first" as if the channels lay there;
    "plane" swaps the two first inner axes; "axis:k" takes axis k for the channel axis. write: "axes" puts results
    where they belong although x was read elsewhere.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    memory: str = "contiguous"
    read: str = "axes"
    write: str = "as read"

    @cached_property
    def count(self):
        return int(np.prod([self.shape[axis] for axis in self.axes]))

    @cached_property
    def m(self):
        return int(np.prod([n for axis, n in enumerate(self.shape) if axis not in self.axes]))

    @property
    def reduced(self):
        """Sizes of the reduced axes, in order."""
        return tuple(n for axis, n in enumerate(self.shape) if axis not in self.axes)

    @property
    def samples(self):
        """Rows are samples x inner, in this order; 1 where axis 0 keeps statistics."""
        return 1 if 0 in self.axes else self.shape[0]

    def table(self, array, read):
        """x's shape -> (m, channels), in the order `read` gives."""
        if read in ("memory", "buffer"):
            read = "axes"
        if read == "blocks":
            return array.reshape(self.count, -1).T
        if read == "last":
            return array.reshape(-1, self.count)
        if read == "first":
            return np.moveaxis(array.reshape(self.samples, self.count, -1), 1, -1).reshape(-1, self.count)
        axes = (int(read[5:]),) if read.startswith("axis:") else self.axes
        table = np.moveaxis(array, axes, range(-len(axes), 0))
        if read == "plane":
            table = np.swapaxes(table, 1, 2)
        return table.reshape(-1, self.count)

    @cached_property
    def places(self):
        """(rows, channels) -> flat place in x that is read there, -1 for padding."""
        flat = np.arange(self.m * self.count).reshape(self.shape)
        if self.read in ("memory", "buffer"):
            flat = buffer_order(self.shape, self.memory, self.read == "buffer").reshape(self.shape)
        return self.table(flat, self.read)

    @cached_property
    def targets(self):
        """(rows, channels) -> flat place in the result that is written from there."""
        if self.write in ("table", "blocks"):
            flat = np.arange(self.m * self.count)
            return flat.reshape(self.m, self.count) if self.write == "table" else flat.reshape(self.count, self.m).T
        read = "axes" if self.write == "axes" else self.read
        return self.table(np.arange(self.m * self.count).reshape(self.shape), read)

    def rows(self, values):
        """x's shape -> (values of a channel, channels), float64."""
        array = np.asarray(values, np.float64).reshape(-1)
        table = array[self.places]
        return np.where(self.places < 0, 0.0, table) if self.read == "memory" or self.read == "buffer" else table

    def back(self, table):
        """(values, channels) -> x's shape."""
        out = np.empty(self.m * self.count)
        out[self.targets] = table
        return out.reshape(self.shape)


@lru_cache(maxsize=4096)
def view_of(shape, axes, memory, read, write) -> View:
    """The view of these; it keeps its tables."""
    return View(shape, axes, memory, read, write)
