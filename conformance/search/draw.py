"""Random problems, as cases with their tensors: shapes, layouts, types, values, and what happened to the layer before.

A problem is a function of a seed and an index alone. Values come from the generators of the accuracy study; here is
what that study holds fixed: one layer with several calls, each with a shape, a memory order and a mode of its own.
"""

from math import prod

import numpy as np

from bnconform.backends.contract import Conventions
from bnconform.backends.needs import refusal
from bnconform.dtypes import unit_roundoff

from ..accuracy.problems import GRADIENTS, SHAPES, power
from ..cases.draft import Draft, as_dtype
from ..cases.memory import ARRANGEMENTS
from ..operations import STATE, TRAIN
from ..records import Case, Step

# decimal exponents of scale and of mean / std, and of dy: no intermediate of float32 may overflow or be subnormal
RANGES = {
    "float64": ((-6, 6), (-1, 7), (-3, 3)),
    "float32": ((-3, 3), (-1, 6), (-3, 3)),
    "bfloat16": ((-3, 3), (-1, 3), (-3, 3)),
    "float16": ((-2, 1), (-1, 2), (-2, 1)),
}
FEW, MANY, HUGE = (4, 11), (11, 17), 1 << 18  # binary exponents of x's size, in every eighth problem; one in 64
ONCE = 1 << 14  # values of x beyond which there is one call
LONG = (300, 2600)  # calls of a long history: past 2,048 a half type counts no further
GENTLE = (-1, 0.5)  # decimal exponents of mean / std there: what rounding gathers over the calls would hide a fault
ATTEMPTS = 200  # draws until one is of a kind that the implementation takes


def draw(seed: int, index: int, conventions: Conventions, device: str = "cpu", kinds: int = 0) -> Draft:
    """Problem `index` of a seed, of a kind that an implementation with these conventions takes.

    Every 8th is larger, one in 64 huge, and one in 64 has a long history. kinds: so many different cases, other values
    each time, for who compiles once a shape; 0 for no limit. Errors: ValueError, if nothing is taken.
    """
    kind = index % kinds if kinds else index
    rng = np.random.default_rng([seed, kind])
    for _ in range(ATTEMPTS):
        case = _case(rng, f"search/{seed}-{index}", kind, conventions)
        if refusal(conventions, case, device) is None:
            return Draft(case, _tensors(np.random.default_rng([seed, index, 1]), case))
    raise ValueError(f"none of {ATTEMPTS} problems is of a kind that its conventions take")


def size(rng, most: int) -> int:
    """A size of at most `most` where implementations change their ways: small, beside a power of two, or any."""
    sort = rng.random()
    if sort < 0.3:
        return int(rng.integers(1, min(most, 9) + 1))
    if sort < 0.75:
        found = 2 ** int(rng.integers(0, most.bit_length())) + int(rng.integers(-1, 2))
        return max(1, min(most, found))
    return int(np.exp(rng.uniform(0, np.log(most + 1))))


def _shape(rng, rank: int, axes, budget: int) -> tuple[int, ...]:
    """Sizes whose product is at most `budget`, channels first; axes of size 1 are frequent, as kernels have them."""
    sizes, left = [1] * rank, int(budget ** rng.uniform(0, 0.7))
    for axis in axes:
        sizes[axis] = left if len(axes) == 1 and rng.random() < 0.5 else size(rng, left)
        left = max(1, left // sizes[axis])
    reduced = [axis for axis in rng.permutation(rank) if axis not in axes]
    left = budget // prod(sizes)
    for place, axis in enumerate(reduced):
        if place and rng.random() < 0.2:
            continue
        most = left if rng.random() < 0.4 else max(1, int(left ** rng.uniform(0.2, 0.8)))
        sizes[axis] = int(rng.integers(1, most + 1)) if rng.random() < 0.3 else size(rng, most)
        left //= sizes[axis]
    return tuple(sizes)


def _axes(rng, rank: int, kind: str) -> tuple[int, ...]:
    """Channel axes of a kind that `Conventions.channel_axes` names."""
    if kind == "any" and rank > 2 and rng.random() < 0.15:
        return tuple(int(axis) for axis in rng.permutation(rank)[: rng.integers(2, rank)])
    axis = {"first": 1, "last": rank - 1}.get(kind)
    return (int(rng.choice([1, rank - 1, rng.integers(rank)])) if axis is None else axis,)


def _case(rng, id: str, index: int, conventions: Conventions) -> Case:
    rank = int(rng.choice([rank for rank in conventions.ranks if rank > 1] or conventions.ranks))
    long = index % 64 == 20
    budget = int(2 ** rng.uniform(*(MANY if index % 8 == 7 else FEW)))
    budget = 24 if long else HUGE if index % 64 == 40 else budget
    axes = _axes(rng, rank, conventions.channel_axes)
    shape = _shape(rng, rank, axes, budget)
    if budget > 1 << FEW[1] and rng.random() < (0.5 if budget == HUGE else 0.2):  # few channels of many values
        free = int(rng.choice([axis for axis in range(rank) if axis not in axes]))
        shape = tuple(min(n, 3) if axis in axes else 1 if axis == free else min(n, 9) for axis, n in enumerate(shape))
        length = int(budget / prod(shape) * rng.uniform(0.25, 1.0))
        shape = tuple(max(1, length) if axis == free else n for axis, n in enumerate(shape))
    wide = [name for name in conventions.dtypes if unit_roundoff(name) < 2.0**-20]
    x = str(rng.choice(wide if long and wide else conventions.dtypes))
    least = unit_roundoff(conventions.compute[x])  # of what is wider than the arithmetic nothing is promised
    params = str(rng.choice([name for name in conventions.dtypes if unit_roundoff(name) >= least] or [x]))
    params = params if rng.random() < 0.2 and not long else x
    has = rng.random(3) < (0.92, 0.92, 0.95)
    # kept exact in the arithmetic: an implementation in float32 cannot hold a closer number
    decay = float(np.float32(rng.choice([0.0, 0.5, 0.875, 0.9, 0.99, 0.999, 1.0])))
    eps = float(np.float32(rng.choice([1e-3, 1e-5, power(rng, -7, 1, 1)[0]])))
    return Case(
        id=id,
        family="search",
        clauses=("BN-8.2",),
        says="a random problem",
        shape=shape,
        channel_axes=axes,
        eps=eps,
        decay=None if rng.random() < (0.7 if long else 0.15) else decay,
        x_dtype=x,
        param_dtype=params,
        state_dtype=params,
        has_gamma=bool(has[0]),
        has_beta=bool(has[1]),
        has_state=long or bool(has[2]),
        steps=_long(rng) if long else _steps(rng, shape, axes, has, conventions),
    )


def _long(rng) -> tuple[Step, ...]:
    """Training steps without number, whose state is looked at once."""
    count = int(rng.choice(LONG))
    return tuple(Step("train", ("x",), STATE if index == count - 1 else ()) for index in range(count))


def _steps(rng, shape, axes, has, conventions) -> tuple[Step, ...]:
    """One to six calls of one layer; options: n, its batch size; "repeat": the tensors of the call before."""
    count = 1 if prod(shape) > ONCE else int(rng.integers(1, 7))
    gradients = [name for name, present in zip(("dgamma", "dbeta"), has) if present]
    batches = [shape[0], shape[0], size(rng, 2 * shape[0]), 1 if rng.random() < 0.2 else shape[0]]
    steps = []
    for _ in range(count):
        options, inputs = {"n": int(rng.choice(batches)) if steps and 0 not in axes else shape[0]}, ["x"]
        mode = str(rng.choice(["train", "train", "train", "infer", "frozen"])) if has[2] else "train"
        if steps and rng.random() < 0.2:
            options = {"n": steps[-1].options["n"], "repeat": True}
        if rng.random() < 0.25:
            options["refill"] = True
        outputs = list(TRAIN.outputs if mode == "train" else ("y",))
        if rng.random() < 0.85:
            inputs.append("dy")
            outputs += ["dx", *gradients]
        if mode == "train" and "mask" not in conventions.cannot and rng.random() < 0.1:
            inputs.append("mask")
        outputs += STATE if has[2] else ()
        steps.append(Step(mode, tuple(inputs), tuple(outputs), _memory(rng, len(shape), conventions), options))
    return tuple(steps)


def _memory(rng, rank, conventions) -> str:
    """How x and, for a third of the problems, dy apart from it lies in memory."""

    def word():
        if rng.random() < 0.4:
            return "order-" + "".join(map(str, rng.permutation(rank)))
        taken = [name for name in ARRANGEMENTS if f"memory:{name}" not in conventions.cannot]
        return str(rng.choice(taken))

    if rng.random() < 0.5:
        return "contiguous"
    return word() if rng.random() < 0.5 else f"{word()}|{word()}"


def step_shape(case: Case, step: Step) -> tuple[int, ...]:
    """Shape of x in a step."""
    return (step.options.get("n", case.shape[0]), *case.shape[1:])


def laid(columns: np.ndarray, shape, axes) -> np.ndarray:
    """(m, channels) as an array of `shape`, its channels along `axes` in the order given."""
    reduced = [size for axis, size in enumerate(shape) if axis not in axes]
    wide = columns.reshape(*reduced, *(shape[axis] for axis in axes))
    return np.moveaxis(wide, range(len(reduced), len(shape)), axes)


class Values:
    """What the channels of a layer are like: mean, scale and gradient by channel, one kind of data for all."""

    def __init__(self, rng, channels: int, dtype: str, gentle=False):
        scale, ratio, gradient = RANGES[dtype]
        ratio = GENTLE if gentle else ratio
        self.rng, self.channels, self.dtype = rng, channels, dtype
        self.scale = power(rng, *scale, 1 if rng.random() < 0.3 else channels) * np.ones(channels)
        self.offset = rng.choice([-1.0, 1.0], channels) * power(rng, *ratio, channels)
        self.slope = power(rng, *gradient, channels)
        self.shape, self.gradient = (str(rng.choice(list(table))) for table in (SHAPES, GRADIENTS))

    def columns(self, m: int) -> tuple[np.ndarray, np.ndarray]:
        """(x, dy) of m values a channel, float64."""
        z = SHAPES[self.shape](self.rng, (m, self.channels))
        x = self.scale * (z + self.offset)
        return x, GRADIENTS[self.gradient](self.rng, z) * self.slope

    def parameters(self) -> dict[str, np.ndarray]:
        """gamma, beta, running_mean, running_var, one number a channel; gamma is 0 or 1 here and there."""
        rng, count = self.rng, self.channels
        gamma = rng.choice([-1.0, 1.0], count) * power(rng, -2, 2, count)
        return {
            "gamma": np.where(rng.random(count) < 0.1, rng.choice([0.0, 1.0], count), gamma),
            "beta": rng.standard_normal(count) * power(rng, -2, 2, count),
            "running_mean": self.scale * (self.offset + rng.standard_normal(count)),
            "running_var": self.scale**2 * (1 + 0.3 * rng.standard_normal(count)) ** 2,
        }


def _tensors(rng, case: Case) -> dict[str, np.ndarray]:
    sizes = tuple(case.shape[axis] for axis in case.channel_axes)
    narrowest = "float16" if "float16" in (case.x_dtype, case.param_dtype) else case.x_dtype
    values = Values(rng, prod(sizes), narrowest, gentle=len(case.steps) >= min(LONG))
    present = {"gamma": case.has_gamma, "beta": case.has_beta}
    types = {"gamma": case.param_dtype, "beta": case.param_dtype}
    tensors = {
        name: as_dtype(value.reshape(sizes), types.get(name, case.state_dtype))
        for name, value in values.parameters().items()
        if present.get(name, case.has_state)
    }
    drawn = []
    for index, step in enumerate(case.steps):
        shape = step_shape(case, step)
        if not step.options.get("repeat"):
            drawn = [laid(column, shape, case.channel_axes) for column in values.columns(prod(shape) // prod(sizes))]
            if step.memory.endswith("expanded"):  # the gradient of a sum: one number, or one a slice
                axes = tuple(range(len(shape))) if rng.random() < 0.5 else (int(rng.integers(len(shape))),)
                drawn[1] = np.broadcast_to(np.mean(drawn[1], axes, keepdims=True), shape)
        for name, value in zip(("x", "dy"), drawn):
            if name in step.inputs:
                tensors[f"{index}.{name}"] = as_dtype(value, case.x_dtype)
        if "mask" in step.inputs:
            tensors[f"{index}.mask"] = _mask(rng, shape)
    return tensors


def _mask(rng, shape) -> np.ndarray:
    """True for most positions, and for all of the first sample: no channel without a value."""
    mask = rng.random(shape) < rng.uniform(0.3, 1.0)
    mask[0] = True
    return mask
