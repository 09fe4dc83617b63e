"""A layer read from one framework's convention, and written in another's.

What a form cannot say goes to `notes`, a list of (kind, text) that the report prints.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from .core import BatchNorm, MovingError, checked
from .forms import FORMS, Form


def read_layer(form: Form, arrays: Mapping, layer: str, arguments: Mapping, notes: list) -> BatchNorm:
    """The layer at path `layer`, checked. arguments: as the framework's constructor takes them; what is not among them
    is the framework's default, and noted as such. Errors: MovingError."""
    where = layer or form.name
    found = {
        field: np.asarray(arrays[form.path(field, layer)]) for field in form.paths if form.path(field, layer) in arrays
    }
    for field in ("running_mean", "running_var"):
        if field not in found:
            raise MovingError(f"{where}: {form.path(field, layer)} is missing, expected beside {', '.join(found)}")
    eps, number = (_number(form, name, arguments, notes) for name in ("eps", "decay"))
    count = found.pop("count", None)
    count = None if count is None else int(count)
    found |= _special(form, found, eps, notes, where)
    read = BatchNorm(
        found.get("gamma"), found.get("beta"), found["running_mean"], found["running_var"], eps,
        form.old_weight(number), count, form.running_ddof, form.zero_debiased and count is not None,
    )  # fmt: skip
    if read.decay is None and not form.cumulative:
        raise MovingError(f"{where}: {form.decay} is None, expected a number: {form.name} has no cumulative average")
    if form.name == "equinox" and not read.settled:
        notes.append(("computed", f"statistics divided by 1 - {form.decay}**{count}, as its inference does"))
        read = _scaled(read, 1.0 / (1.0 - read.decay**count))
    return checked(read, where)


def _scaled(layer, factor):
    """The layer with both running statistics times a number, in their own type."""
    return replace(
        layer,
        running_mean=layer.running_mean * layer.running_mean.dtype.type(factor),
        running_var=layer.running_var * layer.running_var.dtype.type(factor),
    )


def _number(form, which, arguments, notes):
    name, default = (form.eps, form.default_eps) if which == "eps" else (form.decay, form.default_decay)
    if name in arguments:
        return arguments[name]
    notes.append(
        ("assumed", f"{name}={default:g}, {form.name}'s default: the file does not say what the layer was built with")
    )
    return default


def _special(form, found, eps, notes, where):
    """Haiku's axes of one, Caffe's scale factor, Lasagne's inverse deviation."""
    if form.name == "haiku":
        return {name: _squeezed(array) for name, array in found.items()}
    if form.name == "caffe":
        factor = float(np.ravel(found.pop("factor", np.float32(1.0)))[0])
        scale = 0.0 if factor == 0 else 1.0 / factor
        notes.append(("computed", f"running_mean and running_var are Caffe's sums times 1/{factor:g}, its third blob"))
        return {name: (found[name] * found[name].dtype.type(scale)) for name in ("running_mean", "running_var")}
    if form.name == "lasagne":
        inverse = found["running_var"]
        with np.errstate(divide="ignore"):
            wide = 1.0 / inverse.astype(np.float64) ** 2
        var, slack = wide - eps, 8 * float(np.finfo(inverse.dtype).eps) * wide
        if np.any(var < -slack):
            raise MovingError(
                f"{where}: 1/inv_std**2 - epsilon is {var.min():g}, expected >= 0: is epsilon={eps:g} right?"
            )
        notes.append(("computed", f"running_var = 1/inv_std**2 - {eps:g}; what falls below 0 by rounding is 0"))
        return {"running_var": np.maximum(var, 0.0).astype(inverse.dtype)}
    return {}


def _squeezed(array):
    return array.reshape([n for n in array.shape[:-1] if n != 1] + [array.shape[-1]])


def write_layer(form: Form, layer: BatchNorm, path: str, notes: list, *, axis=None, rank: int = 4):
    """(arrays by path, constructor arguments) of the layer in a framework's convention.

    axis: channel axis to write among the arguments, where the framework takes one. rank: of x, for Haiku, whose
    arrays have it. Errors: MovingError where the framework cannot say it.
    """
    if form.reads_only:
        raise MovingError(f"{form.name} is read, not written")
    if layer.decay is None and not form.cumulative:
        raise MovingError(
            f"{path or form.name}: the average is cumulative (momentum=None); {form.name} has only the exponential one:"
            f" say which with {form.decay}=NUMBER"
        )
    if len(layer.shape) > 1 and form.name not in ("core", "flax-linen"):
        raise MovingError(
            f"{path}: statistics have shape {layer.shape}, expected one axis: {form.name} has one channel axis"
        )
    if form.name == "equinox" and not layer.settled:
        layer = _scaled(layer, 1.0 - layer.decay**layer.count)
    fields = {name: getattr(layer, name) for name in ("gamma", "beta", "running_mean", "running_var")}
    fields = _affine(form, fields, notes) | _count(form, layer, notes)
    arguments = _arguments(form, layer, fields, axis)
    arrays = {form.path(name, path): value for name, value in fields.items() if value is not None}
    if form.name == "haiku":
        arrays = _haiku(arrays, path, layer, rank)
    if layer.running_ddof != form.running_ddof:
        kind = lambda ddof: "unbiased (ddof 1)" if ddof else "biased (ddof 0)"
        notes.append(
            (
                "kept",
                f"running_var as it is, {kind(layer.running_ddof)}; from here on {form.name} blends in the "
                f"{kind(form.running_ddof)} one [BN-3.3]",
            )
        )
    return arrays, arguments


def _affine(form, fields, notes):
    """Where gamma and beta come together only, the missing one is filled in."""
    if len(form.affine) == 1 and (fields["gamma"] is None) != (fields["beta"] is None):
        missing, there, fill = ("gamma", "beta", 1.0) if fields["gamma"] is None else ("beta", "gamma", 0.0)
        notes.append(
            ("added", f"{missing} of {fill:g}: {form.name} has {there} only beside it; it will train unless frozen")
        )
        return fields | {missing: np.full_like(fields[there], fill)}
    return fields


def _count(form, layer, notes):
    """The batch counter, where there is one."""
    if form.zero_debiased:
        return {"count": np.array(_settled_count(layer, notes), np.int32)}
    if layer.debiased and not layer.settled:
        weight, plain = (1 - layer.decay) / (1 - layer.decay ** (layer.count + 1)), 1 - layer.decay
        notes.append(
            (
                "differs",
                f"after {layer.count} steps the zero-debiased source weighs the next batch {weight:.3g}, "
                f"{form.name} {plain:.3g}",
            )
        )
    if "count" not in form.paths:
        if layer.count is not None and not layer.debiased:
            notes.append(
                (
                    "dropped",
                    f"the batch counter, {layer.count}: {form.name} has none; it weighs for a cumulative average alone",
                )
            )
        return {}
    if layer.count is None and form.name != "core":
        words = "the weight of the next batch" if layer.decay is None else "without effect unless momentum=None"
        notes.append(("added", f"{form.paths['count'].removeprefix('{}.')} = 0: the source counts no batches; {words}"))
    return {"count": None if layer.count is None and form.name == "core" else np.array(layer.count or 0, np.int64)}


def _settled_count(layer, notes):
    """A count at which 1 - decay**count is 1 in float32, so that a debiased average is a plain one."""
    if layer.debiased:
        return layer.count
    if layer.decay == 1.0:
        notes.append(("differs", "decay 1 divides a zero-debiased average by 0: freeze the layer instead"))
    count = 1 if layer.decay in (0.0, 1.0) else int(np.ceil(-25 * np.log(2) / np.log(layer.decay))) + 1
    notes.append(
        (
            "added",
            f"counter = {count}: large enough that zero-debiasing divides by 1, and the average goes on as it was",
        )
    )
    return count


def _arguments(form, layer, fields, axis):
    """Constructor arguments in the framework's own words."""
    arguments = {form.size: layer.shape[0]} if form.size else {}
    arguments |= {form.eps: layer.eps, form.decay: form.users_number(layer.decay)}
    has = [fields[name] is not None for name in ("gamma", "beta")]
    if form.name == "paddle":
        arguments |= {} if has[0] else {"weight_attr": False, "bias_attr": False}
    elif form.name != "onnx":
        arguments |= dict(zip(form.affine, has))
    if axis is not None and form.name in ("keras", "flax-linen", "flax-nnx"):
        arguments["axis"] = axis
    return arguments


def _haiku(arrays, path, layer, rank):
    """Haiku's axes of one, and its six arrays of state; hidden = average * (1 - decay**count)."""
    form, wide = FORMS["haiku"], (1,) * (rank - 1) + layer.shape
    count = arrays[form.path("count", path)]
    scale = 1.0 - layer.decay ** int(count) if layer.debiased else 1.0
    out = {name: value.reshape(wide) if np.ndim(value) else value for name, value in arrays.items()}
    for which in ("mean", "var"):
        average = out[form.path(f"running_{which}", path)]
        folder = form.path(f"running_{which}", path).removesuffix("average")
        out |= {f"{folder}hidden": (average * average.dtype.type(scale)), f"{folder}counter": count}
    return out


def with_numbers(layer: BatchNorm, *, eps=None, decay=..., notes: list) -> BatchNorm:
    """The layer with another eps or decay, where the user gives one; noted, because it changes what it computes."""
    if eps is not None and eps != layer.eps:
        notes.append(("changed", f"eps {layer.eps:g} -> {eps:g} as asked: outputs differ; the variance is left alone"))
        layer = replace(layer, eps=eps)
    if decay is not ... and decay != layer.decay:
        notes.append(
            (
                "changed",
                f"weight of the old state {layer.decay} -> {decay} as asked: the running statistics move otherwise",
            )
        )
        layer = replace(layer, decay=decay)
    return layer
