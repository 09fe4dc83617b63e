"""From a few words to a case with its input tensors."""

from dataclasses import dataclass, replace

import numpy as np

from bnconform.dtypes import dtype

from ..operations import BESIDE, GRADIENTS, LIKE, STATE, main
from ..records import Case, Step
from .bits import bell, uniform


@dataclass(frozen=True)
class Draft:
    """A case and its inputs: "gamma", "beta", "running_mean", "running_var", and "<step>.<input>"."""

    case: Case
    tensors: dict[str, np.ndarray]


def as_dtype(values, name: str) -> np.ndarray:
    """One rounding, to nearest even, from float64 to the named type."""
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(values, np.float64).astype(dtype(name))


def channel_pattern(count: int, values) -> np.ndarray:
    """`values` repeated over `count` channels: neighbours always differ."""
    return np.resize(np.asarray(values, np.float64), count)


def activations(key, shape, axes, *, mean=0.5, std=1.0, spread=(-1.0, 0.25, 1.75), widths=(1.0, 0.5, 2.0)):
    """(x, z): x = mean + spread_c * std + std * widths_c * z with z bell-shaped, float64.

    Channels differ in mean and width, so that a statistic taken over the wrong axis shows.
    """
    z = bell(key, shape)
    sizes = [shape[axis] for axis in axes]
    count = int(np.prod(sizes))
    view = [shape[axis] if axis in axes else 1 for axis in range(len(shape))]
    offsets = channel_pattern(count, spread).reshape(view)
    scales = channel_pattern(count, widths).reshape(view)
    return mean + std * offsets + std * scales * z, z


def structured(key, z):
    """dy that no dropped term survives: odd in x_hat, plus noise, plus a constant."""
    return 0.5 * z * z * z + 0.25 * bell(key, z.shape) + 0.375


DY = {
    "structured": structured,
    "constant": lambda key, z: np.full(z.shape, 0.75),
    "cubic": lambda key, z: z * z * z,
    "square": lambda key, z: z * z,
    "linear": lambda key, z: 1.0 * z,
    "one-hot": lambda key, z: np.where(np.arange(z.size).reshape(z.shape) == z.size // 3, 3.0, 0.0),
    "zero": lambda key, z: np.zeros(z.shape),
    "one": lambda key, z: np.ones(z.shape),
    "pooled": lambda key, z: np.broadcast_to(structured(key, z).mean(tuple(range(2, z.ndim)), keepdims=True), z.shape),
    "tiny": lambda key, z: structured(key, z) * 2.0**-100,
    "subnormal": lambda key, z: structured(key, z) * 2.0**-133,
    "large": lambda key, z: 1024.0 * structured(key, z),
    "noise": lambda key, z: bell(key, z.shape),
}

GAMMAS = {
    "varied": (1.25, -0.75, 0.5, 2.0, -1.5),
    "one": (1.0,),
    "zero": (0.0, 1.5, -0.0),
    "negative": (-1.25, -0.5, -2.0),
    "huge": (4096.0, -3000.0, 0.001),
}
BETAS = {"varied": (0.375, -1.0, 0.75, 0.0), "zero": (0.0,), "large": (64.0, -96.0, 48.0)}


def step(mode="train", *, n=None, dy="structured", memory="contiguous", edit=None, again=None, state=True, **options):
    """Words for one step: n overrides the batch size, edit(x) changes the values before rounding, again names an
    earlier step whose arrays come once more; state says whether the layer is asked for it afterwards."""
    own = {"mode": mode, "n": n, "dy": dy, "memory": memory, "edit": edit, "again": again, "state": state}
    return own | {"options": options}


def draft(
    id,
    says,
    clauses,
    *,
    shape,
    axes=(1,),
    eps=1e-3,
    decay=0.9,
    x="float32",
    params=None,
    state=None,
    gamma="varied",
    beta="varied",
    running=((0.25, -0.5, 1.0), (0.75, 1.5, 2.5)),
    steps=None,
    raises=None,
    only=None,
    since=1,
    as_built=False,
    one_object=(),
    **values,
):
    """Build a case. `values` go to `activations`; `only` limits the compared outputs of a layer."""
    axes = (axes,) if isinstance(axes, int) else tuple(axes)
    params = params or x
    state = state or params
    count_shape = tuple(shape[axis] for axis in axes)
    count = int(np.prod(count_shape))
    tensors = {}
    for name, words, table, kind in (("gamma", gamma, GAMMAS, params), ("beta", beta, BETAS, params)):
        if words is not None:
            pattern = table[words] if isinstance(words, str) else words
            tensors[name] = as_dtype(channel_pattern(count, pattern).reshape(count_shape), kind)
    if running is not None:
        for name, pattern in zip(STATE, running):
            tensors[name] = as_dtype(channel_pattern(count, pattern).reshape(count_shape), state)
    records = []
    for index, words in enumerate(steps or [step(), step("infer")]):
        record, inputs = _draft_step(id, index, words, shape, axes, x, params, gamma, beta, running, values)
        if words["again"] is not None:
            inputs = {name: tensors[f"{words['again']}.{name}"] for name in inputs}
        tensors.update({f"{index}.{name}": value for name, value in inputs.items()})
        if only and not record.static:
            record = replace(record, outputs=tuple(name for name in record.outputs if name in only))
        records.append(record)
    case = Case(
        id=id,
        family=id.split("/")[0],
        clauses=tuple(clauses.split()),
        says=says,
        shape=tuple(shape),
        channel_axes=axes,
        eps=eps,
        decay=decay,
        x_dtype=x,
        param_dtype=params,
        state_dtype=state,
        has_gamma=gamma is not None,
        has_beta=beta is not None,
        has_state=running is not None,
        steps=tuple(records),
        raises=raises,
        since=since,
        as_built=as_built,
        one_object=tuple(one_object),
    )
    return Draft(case, tensors)


def _draft_step(id, index, words, shape, axes, x, params, gamma, beta, running, values):
    shape = shape if words["n"] is None else (words["n"], *shape[1:])
    key, options = f"{id}|{index}", dict(words["options"])
    exact, z = activations(f"{key}|x", shape, axes, **values)
    if words["edit"] is not None:
        exact = words["edit"](exact)
    inputs = {"x": as_dtype(exact, x)}
    mask, beside = options.pop("mask", None), [o for o in BESIDE if options.pop(o.name, False)]
    own = main(Step(words["mode"], (), (), options=options))
    if own.static:
        return Step(own.mode, own.inputs, own.outputs, words["memory"], options), inputs
    absent = {"gamma": gamma is None, "beta": beta is None}
    present = lambda names: [name for name in names if not absent.get(LIKE[name])]
    outputs = list(own.outputs)
    if words["dy"] is not None:
        inputs["dy"] = as_dtype(DY[words["dy"]](f"{key}|dy", z), x)
        outputs += present(GRADIENTS)
    if running is not None and words["state"]:
        outputs += STATE
    if mask:
        inputs["mask"] = _mask(f"{key}|mask", shape, MASKED[mask](axes, len(shape))) | (mask == "all")
    for operation in beside:
        outputs += present(operation.outputs)
        for name in present(operation.inputs):
            like_x = LIKE[name] == "x"
            size = shape if like_x else tuple(shape[axis] for axis in axes)
            inputs[name] = as_dtype(bell(f"{key}|{name}", size), x if like_x else params)
    return Step(own.mode, tuple(inputs), tuple(outputs), words["memory"], options), inputs


# words for a mask -> the axes along which it has size 1
MASKED = {
    "element": lambda axes, rank: (),
    "position": lambda axes, rank: axes,
    "sample": lambda axes, rank: range(1, rank),
    "all": lambda axes, rank: axes,
}


def _mask(key, shape, axes):
    """About 70 % true, of size 1 along `axes`; the last entry of axis 0 all false, as padding is."""
    keep = uniform(key, tuple(1 if axis in axes else size for axis, size in enumerate(shape))) < 0.7
    keep[-1] = False
    keep[0] = True
    return keep
