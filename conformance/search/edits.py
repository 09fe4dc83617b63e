"""A problem made smaller by one step: each function gives a new draft, or None where there is nothing to take away."""

from dataclasses import replace
from math import prod

import numpy as np

from ..cases.draft import Draft, as_dtype
from ..operations import LIKE, main
from ..records import Step

LIKE_X = ("x", "dy", "mask")
NEEDS = {"dx": "dy", "dgamma": "dy", "dbeta": "dy"}


def with_case(draft: Draft, **fields) -> Draft:
    """Other fields of the case, the tensors as they are."""
    return Draft(replace(draft.case, **fields), draft.tensors)


def keep_steps(draft: Draft, kept: list[int]) -> Draft:
    """Only these steps, in order. The first one's batch size becomes the layer's."""
    case, tensors = draft.case, {name: value for name, value in draft.tensors.items() if "." not in name}
    for new, old in enumerate(kept):
        for name in case.steps[old].inputs:
            tensors[f"{new}.{name}"] = draft.tensors[f"{old}.{name}"]
    steps = tuple(case.steps[old] for old in kept)
    return Draft(replace(case, shape=tensors["0.x"].shape, steps=steps), tensors)


def with_step(draft: Draft, index: int, step: Step) -> Draft:
    """Another record for one step; tensors that it does not take go."""
    gone = {f"{index}.{name}" for name in set(draft.case.steps[index].inputs) - set(step.inputs)}
    steps = tuple(step if i == index else old for i, old in enumerate(draft.case.steps))
    return Draft(replace(draft.case, steps=steps), {n: v for n, v in draft.tensors.items() if n not in gone})


def without_input(draft: Draft, index: int, name: str) -> Draft | None:
    """A step without its dy or its mask, and without the outputs that need it."""
    step = draft.case.steps[index]
    if name not in step.inputs:
        return None
    inputs = tuple(each for each in step.inputs if each != name)
    outputs = tuple(each for each in step.outputs if NEEDS.get(each) != name)
    return with_step(draft, index, replace(step, inputs=inputs, outputs=outputs))


def compare_only(draft: Draft, output: str) -> Draft:
    """Only outputs of this name, wherever they are."""
    steps = tuple(replace(step, outputs=tuple(o for o in step.outputs if o == output)) for step in draft.case.steps)
    return with_case(draft, steps=steps)


def cut(draft: Draft, axis: int, size: int, step: int | None = None) -> Draft | None:
    """The first `size` along an axis of x, in all steps or (axis 0 alone) in one."""
    case, tensors = draft.case, dict(draft.tensors)
    for name in list(tensors):
        index, _, short = name.rpartition(".")
        if step is not None and index != str(step):
            continue
        if short in LIKE_X:
            tensors[name] = tensors[name][tuple(slice(size if a == axis else None) for a in range(tensors[name].ndim))]
        elif axis in case.channel_axes:
            at = case.channel_axes.index(axis)
            tensors[name] = tensors[name][tuple(slice(size if a == at else None) for a in range(tensors[name].ndim))]
    return _settled(case, tensors)


def _settled(case, tensors) -> Draft:
    """The case with shape and batch sizes as its tensors have them."""
    steps = []
    for index, step in enumerate(case.steps):
        options = dict(step.options)
        if "n" in options:
            options["n"] = tensors[f"{index}.x"].shape[0]
        steps.append(replace(step, options=options))
    return Draft(replace(case, shape=tensors["0.x"].shape, steps=tuple(steps)), tensors)


def flat(draft: Draft, rank: int) -> Draft | None:
    """Axes of size 1 left out, down to `rank`; memory orders that name axes become contiguous."""
    case = draft.case
    ones = [a for a in range(1, len(case.shape)) if case.shape[a] == 1 and a not in case.channel_axes]
    gone = ones[: max(0, len(case.shape) - rank)]
    if not gone:
        return None
    axes = tuple(axis - sum(g < axis for g in gone) for axis in case.channel_axes)
    tensors = {
        name: np.squeeze(value, tuple(gone)) if name.rpartition(".")[2] in LIKE_X else value
        for name, value in draft.tensors.items()
    }
    steps = tuple(replace(s, memory="contiguous" if "order-" in s.memory else s.memory) for s in case.steps)
    return _settled(replace(case, channel_axes=axes, steps=steps), tensors)


def dense(draft: Draft) -> Draft | None:
    """All reduced axes as one, the channels last: (m, channels), contiguous."""
    case = draft.case
    if len(case.shape) == 2 or len(case.channel_axes) > 1 or any("mask" in step.inputs for step in case.steps):
        return None
    axis = case.channel_axes[0]
    tensors = {
        name: np.moveaxis(value, axis, -1).reshape(-1, value.shape[axis])
        if name.rpartition(".")[2] in LIKE_X
        else value
        for name, value in draft.tensors.items()
    }
    steps = tuple(replace(step, memory="contiguous") for step in case.steps)
    return _settled(replace(case, channel_axes=(1,), steps=steps), tensors)


def without_parameter(draft: Draft, name: str) -> Draft | None:
    """No gamma, no beta, or no state."""
    names = ("running_mean", "running_var") if name == "state" else (name,)
    needed = name == "state" and not all(main(step).training for step in draft.case.steps)
    if needed or not getattr(draft.case, f"has_{name}"):
        return None
    gone = {*names, f"d{name}"}
    steps = tuple(replace(s, outputs=tuple(o for o in s.outputs if o not in gone)) for s in draft.case.steps)
    tensors = {key: value for key, value in draft.tensors.items() if key not in names}
    return Draft(replace(draft.case, steps=steps, **{f"has_{name}": False}), tensors)


def with_values(draft: Draft, name: str, values) -> Draft | None:
    """Another array for a tensor, or None where its bits are the same."""
    old = draft.tensors[name]
    new = as_dtype(np.broadcast_to(values, old.shape), old.dtype.name)
    if new.tobytes() == old.tobytes() or not np.all(np.isfinite(new.astype(np.float64))):
        return None
    return Draft(draft.case, draft.tensors | {name: new})


def count(draft: Draft) -> int:
    """How many values of x there are over all steps."""
    return sum(prod(draft.tensors[f"{index}.x"].shape) for index in range(len(draft.case.steps)))


def channel(draft: Draft, which: int) -> Draft:
    """One channel of a problem with one channel axis."""
    axis = draft.case.channel_axes[0]
    tensors = {}
    for name, value in draft.tensors.items():
        along = axis if LIKE.get(name.rpartition(".")[2], "x") == "x" else 0
        tensors[name] = value[tuple(slice(which, which + 1) if a == along else slice(None) for a in range(value.ndim))]
    return _settled(draft.case, tensors)
