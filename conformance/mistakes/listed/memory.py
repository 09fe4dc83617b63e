"""Wrong memory: orders of x and dy apart, strides, arrays that are shared or kept."""

import numpy as np

from ..point import Point as P
from ..point import When
from ..record import mutant as M
from ..whats import formula, reread, writing
from ..whens import READS_DY, READS_X, TRAINING, WITH_GRADIENT


def dense(array):
    """Whether the array fills a block of memory of its own, upwards."""
    low, high = np.lib.array_utils.byte_bounds(array)
    return high - low == array.nbytes and min(array.strides) > 0


def as_lies(array, other):
    """The elements of `array` in the order in which `other` lies; the array itself where one of them is not dense."""
    if not (array.size and dense(array) and dense(other)):
        return array
    return np.lib.stride_tricks.as_strided(array, array.shape, other.strides)


def x_as_dy_lies(value, at):
    """x_hat of an x that is read again in the order in which dy lies."""
    x = as_lies(at.arrays["x"], at.arrays["dy"])
    return (at.layer.read_rows(x, value.dtype) - at.mean_used) * at.root


def upwards(array):
    """The elements from the lowest address on, strides taken without their sign."""
    turned = tuple(slice(None, None, -1 if stride < 0 else 1) for stride in array.strides)
    return array[turned]


def in_memory_of_dy(out, at):
    """dx as it comes out of memory that is strided as dy is: where a stride is 0 the last value written stays."""
    dy, dx = at.arrays["dy"], out.get("dx")
    if dx is None:
        return out
    for axis, stride in enumerate(dy.strides):
        if stride == 0 and dx.shape[axis] > 1:
            dx = np.broadcast_to(np.take(dx, [-1], axis), dx.shape)
    return out | {"dx": np.array(dx)}


def one_buffer(out, at):
    if "y" not in out:
        return out
    buffer = at.memory.setdefault(("y", out["y"].shape), np.empty_like(out["y"]))
    buffer[...] = out["y"]
    return out | {"y": buffer}


def equal(first, second):
    return first is not None and second is not None and np.array_equal(first, second)


def scratch(at):
    at.arrays["x"][...] = 0


LENT = {"gamma": (0, 3, "var"), "beta": (1, 2, "mean")}


def of_state(name, shared):
    """The parameter `name` in one buffer with the running value where `shared` says so of what was handed over."""
    mine, theirs, which = LENT[name]
    act = lambda v, at: at.layer.running[which] if shared(at.layer.lent[mine], at.layer.lent[theirs]) else v
    return formula("in one buffer with a running value", act)


SAME = lambda first, second: first is not None and first is second
UNIT_AXIS = When("only where an axis has size 1", lambda at: 1 in at.array.shape)
STATELESS = When("only without running statistics", lambda at: at.layer.stateless)


# fmt: off
M("gradient-read-as-x-lies-beside-one", "LAYOUT_CORRUPTION", "BN-8.3", "dy is read in the memory order of x where an axis of size 1 lets both pass for the same.",
  P("rows", formula("in the order in which x lies", lambda v, at: at.layer.read_rows(as_lies(at.array, at.arrays["x"]), v.dtype), "other layout"), READS_DY & UNIT_AXIS))
M("input-read-as-gradient-lies", "LAYOUT_CORRUPTION", "BN-8.3", "The backward pass reads x in the memory order of dy.",
  P("x_hat_grad", formula("of x in the order in which dy lies", x_as_dy_lies, "other layout"), WITH_GRADIENT))
M("strides-without-sign", "LAYOUT_CORRUPTION", "BN-8.3", "x is read upwards from its lowest address, whatever the signs of its strides.",
  P("rows", reread("upwards from the lowest address", upwards), READS_X))
M("gradient-in-memory-of-dy", "LAYOUT_CORRUPTION", "BN-8.3", "dx is written into memory with the strides of dy, where strides of 0 let one value overwrite the others.",
  P("outputs", formula("dx under the strides of dy", in_memory_of_dy), WITH_GRADIENT))
M("output-buffer-reused", "OUTPUT_ALIASES", "BN-8.3", "y is given out in one buffer, which the next step overwrites.",
  P("outputs", formula("y in one buffer", one_buffer)))
M("equal-constants-shared", "BUFFER_SHARED", "BN-3.6", "A parameter and a running value of equal numbers share a buffer, and the update changes both.",
  P("gamma", of_state("gamma", equal)), P("beta", of_state("beta", equal)))
M("state-written-over-parameters", "BUFFER_SHARED", "BN-3.6", "The running values of a training step are written, before y, into the buffers of gamma and beta.",
  P("gamma", formula("running_var", lambda v, at: at.layer.running["var"]), TRAINING), P("beta", formula("running_mean", lambda v, at: at.layer.running["mean"]), TRAINING))
M("roles-share-buffer", "BUFFER_SHARED", "BN-8.3", "An array that is handed over as parameter and as running value stays one, and the update of the state, done before y, changes the parameter.",
  P("gamma", of_state("gamma", SAME)), P("beta", of_state("beta", SAME)))
M("input-as-scratch", "INPUT_CHANGED", "BN-8.3", "A layer without running statistics uses x as scratch memory.",
  P("done", writing("x is scratch", scratch), STATELESS))
