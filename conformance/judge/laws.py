"""Laws: what two calls of one layer owe each other, with no golden value between them.

Each law is linear in the outputs: sum_k factor_k take_k(output_k) = constant, where factors and constants are float64
functions of the inputs. A right implementation misses it by at most sum_k |factor_k| take_k(allowance_k): the
allowances of both calls together.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bnconform.backends.contract import Conventions
from bnconform.extensions.folding import fold
from bnconform.forward import batch_statistics
from bnconform.layout import Layout

from ..records import Case
from .allowances import allowances, output_dtype


class Term(NamedTuple):
    """factor · take(output); take picks, orders or adds elements, and so never makes an allowance smaller."""

    output: str
    factor: np.ndarray | float = 1.0
    take: Callable[[np.ndarray], np.ndarray] = lambda values: values


class Law(NamedTuple):
    """The terms that add up to `constant`."""

    terms: tuple[Term, ...]
    constant: np.ndarray | float = 0.0


class Residual(NamedTuple):
    """By how much a law is missed, and by how much it may be; arrays of one shape."""

    error: np.ndarray
    allowed: np.ndarray


PAIRED = ("y", "batch_mean", "batch_var", "dx", "dgamma", "dbeta")


class _Channel:
    """Exact statistics of a step's x, and how they spread over it."""

    def __init__(self, case, inputs, step=0):
        self.x = np.asarray(inputs[f"{step}.x"], np.float64)
        self.layout = Layout(self.x.shape, case.channel_axes)
        self.expand, self.total = self.layout.expand, self.layout.total
        self.mean, self.var, self.m = batch_statistics(self.x, channel_axes=case.channel_axes)
        self.r = 1.0 / np.sqrt(self.var + case.eps)
        self.gamma = self.layout.parameter("gamma", inputs.get("gamma"), 1.0)
        self.beta = self.layout.parameter("beta", inputs.get("beta"), 0.0)
        self.x_hat = (self.x - self.expand(self.mean)) * self.expand(self.r)


def _equal(name, take=lambda values: values, factor=1.0, constant=0.0):
    """1.name = factor · take(0.name) + constant."""
    return Law((Term(f"1.{name}"), Term(f"0.{name}", -np.asarray(factor), take)), constant)


def shift(case: Case, inputs: dict, conventions: Conventions) -> dict[str, Law]:
    """x + c moves the mean by c and nothing else [BN-2.1, BN-2.2, BN-2.3, BN-5.1]."""
    moved = float(inputs["1.x"].flat[0]) - float(inputs["0.x"].flat[0])
    return {name: _equal(name, constant=moved if name == "batch_mean" else 0.0) for name in PAIRED}


def scale(case: Case, inputs: dict, conventions: Conventions) -> dict[str, Law]:
    """s x has s times the mean and s² times the variance; x_hat grows by sqrt((var + eps) / (var + eps / s²)) [BN-2.3,
    BN-2.4]."""
    at, s = _Channel(case, inputs), float(inputs["1.x"].flat[0]) / float(inputs["0.x"].flat[0])
    grows = np.sqrt((at.var + case.eps) / (at.var + case.eps / s**2))
    wide = at.expand(grows)
    # dx = gamma r (dy - mean(dy) - x_hat dgamma / m): where x_hat grows, the last term grows with its square
    further = at.expand(at.gamma * at.r * grows / (s * at.m)) * at.x_hat * (1 - wide**2)
    dx = Law((Term("1.dx"), Term("0.dx", -wide / s), Term("0.dgamma", -further, at.expand)))
    return {
        "y": _equal("y", factor=wide, constant=at.expand(at.beta) * (1 - wide)),
        "batch_mean": _equal("batch_mean", factor=s),
        "batch_var": _equal("batch_var", factor=s * s),
        "dx": dx,
        "dgamma": _equal("dgamma", factor=grows),
        "dbeta": _equal("dbeta"),
    }


def permute(case: Case, inputs: dict, conventions: Conventions) -> dict[str, Law]:
    """The order of the samples is nothing: here they come in reverse [BN-1.2, BN-8.3]."""
    return {name: _equal(name, (lambda v: v[::-1]) if name in ("y", "dx") else (lambda v: v)) for name in PAIRED}


def duplicate(case: Case, inputs: dict, conventions: Conventions) -> dict[str, Law]:
    """Every sample twice: the same statistics and y, and twice the sums [BN-2.1, BN-2.2, BN-5.1]."""
    twice = lambda values: np.concatenate([values, values])
    laws = {name: _equal(name, twice if name in ("y", "dx") else (lambda v: v)) for name in PAIRED[:4]}
    return laws | {name: _equal(name, factor=2.0) for name in ("dgamma", "dbeta")}


def independent(case: Case, inputs: dict, conventions: Conventions) -> dict[str, Law]:
    """What happens in the last channel is nothing to the others [BN-1.1]."""
    axis = case.channel_axes[0]
    others = {
        name: (lambda v, a=axis if name in ("y", "dx") else 0: np.take(v, range(v.shape[a] - 1), a)) for name in PAIRED
    }
    return {name: Law((Term(f"1.{name}", 1.0, take), Term(f"0.{name}", -1.0, take))) for name, take in others.items()}


def sums(case: Case, inputs: dict, conventions: Conventions) -> dict[str, Law]:
    """sum(dx) = 0, and sum(dx x_hat) = gamma r eps / (var + eps) dgamma: what eps leaves of the second projection
    [BN-5.1]."""
    at = _Channel(case, inputs)
    against = Term("0.dx", 1.0, _Weighted(at.total, at.x_hat))
    return {
        "dx": Law((Term("0.dx", 1.0, at.total),)),
        "dgamma": Law((against, Term("0.dgamma", -at.gamma * at.r * case.eps * at.r**2))),
    }


class _Weighted:
    """sum(values · weights); of allowances, with the weights' magnitudes."""

    def __init__(self, total, weights):
        self.total, self.weights = total, weights

    def __call__(self, values):
        return self.total(values * self.weights)

    def of_allowance(self, values):
        return self.total(values * np.abs(self.weights))


def modes(case: Case, inputs: dict, conventions: Conventions) -> dict[str, Law]:
    """With decay 0 the state is the batch's, and inference on the batch is training, but for the ddof of the variance
    [BN-3.1, BN-3.3, BN-4.1]."""
    at = _Channel(case, inputs)
    free = at.m / (at.m - conventions.running_ddof)
    shrinks = at.expand(np.sqrt((at.var + case.eps) / (at.var * free + case.eps)))
    return {"y": _equal("y", factor=shrinks, constant=at.expand(at.beta) * (1 - shrinks))}


def preceding(x: np.ndarray, weight: np.ndarray, out_axis: int, groups: int) -> np.ndarray:
    """What a linear or convolution layer without bias makes of x (N, inputs, *spatial), stride 1 and no padding, in
    float64.

    weight: (outputs, inputs / groups, *kernel), or with out_axis 1 (inputs, outputs / groups, *kernel): a transposed
    layer.
    """
    kernel = weight.shape[2:]
    if out_axis == 1:  # a transposed convolution is one of the padded x, the kernel turned round
        x = np.pad(x, [(0, 0), (0, 0), *((size - 1, size - 1) for size in kernel)])
        turned = np.flip(weight, range(2, weight.ndim))
        weight = np.concatenate([part.swapaxes(0, 1) for part in np.split(turned, groups)])
    else:
        groups = x.shape[1] // weight.shape[1]
    axes = range(2, x.ndim)
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel, tuple(axes)) if kernel else x
    summed = [1, *range(x.ndim, windows.ndim)], [1, *axes]
    parts = zip(np.split(windows, groups, 1), np.split(weight, groups))
    return np.moveaxis(np.concatenate([np.tensordot(part, own, summed) for part, own in parts], -1), -1, 1)


class _Layer:
    """The layer before BN as a linear function of its weight."""

    def __init__(self, x, options):
        self.x, self.options = x, options

    def __call__(self, weight):
        return preceding(self.x, weight, **self.options)

    def of_allowance(self, weight):
        return preceding(np.abs(self.x), weight, **self.options)


def folding(case: Case, inputs: dict, conventions: Conventions) -> dict[str, Law]:
    """Inference behind a linear or convolution layer is that layer with BN folded into weight and bias [BN-4.3]."""
    wide = {name: np.asarray(value, np.float64) for name, value in inputs.items()}
    options, layout = dict(case.steps[0].options), Layout(case.shape, case.channel_axes)
    names = ("gamma", "beta", "running_mean", "running_var")
    weight, bias = fold(
        wide["before.weight"], wide["before.bias"], **{name: wide[name] for name in names}, eps=case.eps, **options
    )
    return {"y": Law((Term("0.y"),), preceding(wide["before.x"], weight, **options) + layout.expand(bias))}


def own_folding(case: Case, inputs: dict, conventions: Conventions) -> dict[str, Law]:
    """The same with the weight and the bias that the implementation folds itself [BN-4.3]."""
    layer, layout = (
        _Layer(np.asarray(inputs["before.x"], np.float64), case.steps[0].options),
        Layout(case.shape, case.channel_axes),
    )
    return {"y": Law((Term("1.y"), Term("0.weight", -1.0, layer), Term("0.bias", -1.0, layout.expand)))}


LAWS = {law.__name__: law for law in (shift, scale, permute, duplicate, independent, sums, modes, folding, own_folding)}


def wrong_attributes(case: Case, inputs: dict, conventions: Conventions, outputs: dict) -> dict[str, tuple[str, str]]:
    """output -> (kind, message) of those whose shape or type is wrong: attributes come before values."""
    found = {}
    for output, got in outputs.items():
        index, name = output.split(".", 1)
        kind = output_dtype(case, name, conventions)
        like = {"y": "x", "dx": "x", "weight": "weight"}.get(name)
        shape = inputs[f"{index}.{like}"].shape if like else tuple(case.shape[axis] for axis in case.channel_axes)
        if got.shape != shape:
            found[output] = "shape", f"{output} has shape {got.shape}, expected {shape}"
        elif got.dtype.name != kind:
            found[output] = f"dtype:{got.dtype.name}", f"{output} has dtype {got.dtype.name}, expected {kind}"
    return found


def residual(outputs: dict, law: Law, allowed: dict) -> Residual:
    """How far `outputs` are from a law, in float64; `allowed` as `limits` gives it."""
    error, limit = -np.asarray(law.constant, np.float64), 0.0
    for term in law.terms:
        bound = getattr(term.take, "of_allowance", term.take)
        error = error + term.factor * term.take(outputs[term.output].astype(np.float64))
        limit = limit + np.abs(term.factor) * bound(allowed[term.output])
    return Residual(error, np.broadcast_to(limit, np.shape(error)))


def limits(case: Case, inputs: dict, conventions: Conventions, outputs: dict) -> dict[str, np.ndarray]:
    """Allowance of each output of both calls. The final rounding is taken at the size of what came out."""
    sizes = {name: (None, np.where(np.isfinite(got), got, 0).astype(np.float64)) for name, got in outputs.items()}
    found = allowances(case, inputs, conventions, sizes)
    return {name: np.broadcast_to(found[name].element, sizes[name][1].shape) for name in sizes}
