"""The definition at speed: the functions of forward.py and backward.py, tile by tile in cache, on a few threads.

Arithmetic is float64 whatever the input and the output type, and no bit depends on the number of threads.

A tile's arithmetic is that of kernels.c where it was built and takes the types (out the same as in, or float64) and
the strides, otherwise NumPy's (numpy_tile.py). Wherever a statistic is not finite the readable definition is called.

How far it stays from the readable definition: at most 1 + KAPPA times the allowance that allowance/statistics.py and
allowance/step.py derive for float64 arithmetic with merged moments, KAPPA = 4, since each of the two stays within its
part. Tiles are merged as Chan, Golub and LeVeque (1983) do.
- kernels.c sums over a tile once, about a guess of the mean, and once more about the mean where the guess made
  sum (x - guess)**2 more than 1.67 times as large. No value passes through more than 2.2 (2 + sqrt m) additions, m the
  values of a channel in the tile, and the allowance has 2 + sqrt m: together less than KAPPA. The output is
  a (x - mean) + beta.
- NumPy's statistics of a tile are sums of x and x**2 where that loses at most two bits (E[x**2] <= KAPPA var),
  otherwise of two passes over the tile in cache; the output is a x + b where mean**2 < (KAPPA - 1)(var + eps),
  otherwise a (x - mean) + beta.

Memory beyond the outputs: with kernels.c next to none; with NumPy on each thread the tiles of x and dy in float64 and
one in the narrower type, 1.2 MB for one input and 2.1 MB for two; and with both some twenty arrays of the parameters of
a tile's channels. On two threads that is less than a tenth of the inputs from 25 MB an input on. NumPy's tiles, one set
a core, are kept for the next call.
"""

import os
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache, partial

import numpy as np

from .. import backward, forward
from ..backward import Gradients
from ..dtypes import NAMES, as_float64, dtype
from ..forward import TrainForward, check_eps
from ..layout import Layout
from .sweep import Sweep
from .tiles import views

QUICK = {np.dtype(np.float32), np.dtype(np.float64)}  # to ask a type for its name takes longer


def train_forward(
    x, gamma=None, beta=None, *, eps, channel_axes, mask=None, out_dtype=None, threads=None
) -> TrainForward:
    """`bnconform.train_forward`, y in `out_dtype` (a name or dtype; float64), on `threads` threads (all cores).

    Statistics are float64. With a mask the readable definition is called [BN-6.1].

    >>> out = train_forward(np.array([[1.0], [3.0]], np.float32), eps=0.0, channel_axes=1, out_dtype="float32")
    >>> out.y.ravel().tolist(), out.y.dtype.name, out.batch_var.item()
    ([-1.0, 1.0], 'float32', 1.0)
    """
    call = _Call(x, channel_axes, out_dtype, threads)
    parameters = {"gamma": call.parameter("gamma", gamma, 1.0), "beta": call.parameter("beta", beta, 0.0)}
    found = call.run(("y",), eps=check_eps(eps), **parameters) if mask is None else None
    if found is None:
        return _readable_forward(call, x, gamma, beta, eps=eps, channel_axes=channel_axes, mask=mask)
    return _forward(found, call.layout)


def train_backward(
    dy, x, gamma=None, *, eps, channel_axes, mask=None, saved=None, out_dtype=None, threads=None
) -> Gradients:
    """`bnconform.train_backward`, dx in `out_dtype`; dgamma and dbeta are float64.

    saved: what `train_forward` returned for this x; its statistics are taken instead of computed again.

    >>> x = np.array([[0.0], [2.0]])
    >>> train_backward(np.array([[3.0], [1.0]]), x, eps=0.0, channel_axes=1).dgamma.item()
    -2.0
    """
    call = _Call(x, channel_axes, out_dtype, threads, dy)
    parameters = {"gamma": call.parameter("gamma", gamma, 1.0)}
    if saved is not None:
        parameters |= {
            name: call.parameter(f"batch_{name}", getattr(saved, f"batch_{name}")) for name in ("mean", "var")
        }
    found = call.run(("dx",), eps=check_eps(eps), **parameters) if mask is None else None
    if found is None:
        return _readable_backward(call, dy, x, gamma, eps=eps, channel_axes=channel_axes, mask=mask)
    return _gradients(found)


def train_step(dy, x, gamma=None, beta=None, *, eps, channel_axes, out_dtype=None, threads=None):
    """Forward and backward in one sweep, x converted once: (TrainForward, Gradients) [BN-2.3, BN-5.1].

    >>> out, gradients = train_step(np.ones((2, 1)), np.array([[0.0], [2.0]]), eps=0.0, channel_axes=1)
    >>> out.y.ravel().tolist(), gradients.dbeta.item()
    ([-1.0, 1.0], 2.0)
    """
    call = _Call(x, channel_axes, out_dtype, threads, dy)
    parameters = {"gamma": call.parameter("gamma", gamma, 1.0), "beta": call.parameter("beta", beta, 0.0)}
    found = call.run(("y", "dx"), eps=check_eps(eps), **parameters)
    if found is None:
        common = {"eps": eps, "channel_axes": channel_axes}
        return _readable_forward(call, x, gamma, beta, **common), _readable_backward(call, dy, x, gamma, **common)
    return _forward(found, call.layout), _gradients(found)


def inference_forward(
    x, gamma=None, beta=None, *, running_mean, running_var, eps, channel_axes, out_dtype=None, threads=None
):
    """`bnconform.inference_forward`, y in `out_dtype`.

    >>> inference_forward(np.array([[5.0]]), running_mean=np.array([1.0]), running_var=np.array([4.0]),
    ...                   eps=0.0, channel_axes=1).item()
    2.0
    """
    call = _Call(x, channel_axes, out_dtype, threads)
    parameters = {
        "gamma": call.parameter("gamma", gamma, 1.0),
        "beta": call.parameter("beta", beta, 0.0),
        "mean": call.parameter("running_mean", running_mean),
        "var": call.parameter("running_var", running_var),
    }
    eps = check_eps(eps)
    found = call.run(("y",), eps=eps, **parameters)
    if found is None:
        state = {"running_mean": running_mean, "running_var": running_var}
        y = forward.inference_forward(x, gamma, beta, **state, eps=eps, channel_axes=channel_axes)
        return y.astype(call.out, copy=False)
    return found["y"]


def inference_backward(
    dy, x, gamma=None, *, running_mean, running_var, eps, channel_axes, out_dtype=None, threads=None
) -> Gradients:
    """`bnconform.inference_backward`, dx in `out_dtype`; dgamma and dbeta are float64.

    >>> inference_backward(np.ones((2, 1)), np.array([[0.0], [2.0]]), running_mean=np.zeros(1),
    ...                    running_var=np.full(1, 3.0), eps=1.0, channel_axes=1).dx.ravel().tolist()
    [0.5, 0.5]
    """
    call = _Call(x, channel_axes, out_dtype, threads, dy)
    parameters = {
        "gamma": call.parameter("gamma", gamma, 1.0),
        "mean": call.parameter("running_mean", running_mean),
        "var": call.parameter("running_var", running_var),
    }
    eps = check_eps(eps)
    found = call.run(("dx",), eps=eps, training=False, **parameters)
    if found is None:
        state = {"running_mean": running_mean, "running_var": running_var}
        out = backward.inference_backward(dy, x, gamma, **state, eps=eps, channel_axes=channel_axes)
        return out._replace(dx=out.dx.astype(call.out, copy=False))
    return _gradients(found)


def _readable_forward(call, x, gamma, beta, **common):
    """What forward.py gives, y in the type of the call."""
    out = forward.train_forward(x, gamma, beta, **common)
    return out._replace(y=out.y.astype(call.out, copy=False))


def _readable_backward(call, dy, x, gamma, **common):
    """What backward.py gives, dx in the type of the call."""
    out = backward.train_backward(dy, x, gamma, **common)
    return out._replace(dx=out.dx.astype(call.out, copy=False))


class _Call:
    """The checked arguments of one call, in the order in which the readable functions check them."""

    def __init__(self, x, channel_axes, out_dtype, threads, dy=None):
        self.x = _floating("x", x)
        self.layout = Layout(self.x.shape, channel_axes)
        self.dy = None if dy is None else _floating("dy", dy)
        if dy is not None and self.dy.shape != self.x.shape:
            self.layout.like_x("dy", self.dy)  # raises
        self.out = np.dtype(np.float64) if out_dtype is None else dtype(getattr(out_dtype, "name", str(out_dtype)))
        self.threads = threads or os.cpu_count()
        self.parameter = self.layout.parameter

    def run(self, wanted, *, eps, training=True, **parameters):
        """The outputs by name: y and dx as far as wanted, and what a Sweep finds of each channel, in param_shape.

        None where that is for the readable definition: no values, no axis to reduce [BN-1.6], or statistics, given or
        found, that are not finite [BN-7].
        """
        if not (self.layout.reduced_axes and self.x.size) or (
            "var" in parameters and _extreme(parameters["mean"], parameters["var"], eps)
        ):
            return None
        arrays = {"x": self.x, "dy": self.dy}
        arrays |= {name: np.empty_like(self.x, self.out, subok=False) for name in wanted}
        arrays = {name: array for name, array in arrays.items() if array is not None}
        split = views(tuple(arrays.values()), self.layout)
        rows = {name: split.split(value) for name, value in parameters.items()}
        pieces = [[dict(zip(arrays, piece)) for piece in problem] for problem in split.problems]
        sweep = Sweep(pieces, rows, eps, training)
        threads = self.threads if self.x.size > sweep.serial else 1
        sweep.run(partial(_shared, threads), threads)
        if not all(np.isfinite(rows).all() for rows in sweep.results.values()):
            return None
        return {name: arrays[name] for name in wanted} | {k: split.join(v) for k, v in sweep.results.items()}


def _extreme(mean, var, eps):
    """Whether given statistics make 1/sqrt(var + eps) or x - mean not finite."""
    return not (np.isfinite(mean).all() and np.isfinite(var).all() and (var > -eps).all())


@cache
def _others(threads):
    """So many threads that wait for work."""
    return ThreadPoolExecutor(threads)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_others.cache_clear)  # a child has none of them


def _shared(threads, work, items):
    """[work(item) for item in items], shared with so many threads, this one included; each takes the next item."""
    done, left = [None] * len(items), iter(range(len(items)))

    def take():
        for index in left:
            done[index] = work(items[index])

    others = [_others(threads - 1).submit(take) for _ in range(threads - 1)]
    try:
        take()
    finally:
        wait([other for other in others if not other.cancel()])  # who has not begun by now is not needed
    for other in others:
        if not other.cancelled():
            other.result()
    return done


def _floating(name, value):
    """`value` as an array of one of the four types; the error is that of the readable definition [BN-8.2]."""
    array = np.asarray(value)
    return array if array.dtype in QUICK or array.dtype.name in NAMES else as_float64(name, array)


def _forward(found, layout):
    return TrainForward(found["y"], found["mean"], found["var"], np.full(layout.param_shape, layout.m))


def _gradients(found):
    return Gradients(found["dx"], found["dgamma"], found["dbeta"])
