"""What a case needs of an implementation, and whether the implementation declares that it has it.

Pure data: the record of a case on one side, `Conventions` on the other; no framework is named.
"""

from .contract import FLOATS, OFFERED

LAYOUTS = {
    "any": lambda axes, rank: True,
    "one": lambda axes, rank: len(axes) == 1,
    "ends": lambda axes, rank: axes in ((1,), (rank - 1,)),
    "first": lambda axes, rank: axes == (1,),
    "last": lambda axes, rank: axes == (rank - 1,),
}

LAYOUT_WORDS = {
    "one": "one channel axis only",
    "ends": "axis 1 or the last axis as the channel axis only",
    "first": "axis 1 as the channel axis only",
    "last": "the last axis as the channel axis only",
}


def needs(case) -> tuple[str, ...]:
    """Names of the features that `case` asks for, in the words of `Conventions.cannot`.

    case: a `conformance.records.Case`, whose steps name their own `features`. What the contract's OFFERED has stands
    among them too.
    """
    types = (case.x_dtype, case.param_dtype, case.state_dtype)
    found = [f"rank:{len(case.shape)}", f"dtype:{case.x_dtype}", f"params:{case.param_dtype}"]
    found += [f"state:{case.state_dtype}", f"types:{'/'.join(types)}"]
    modes = {step.mode for step in case.steps}
    flags = {
        "training": any(case.trains(step) for step in case.steps),
        "eps:zero": case.eps == 0,
        "params:mixed": case.param_dtype != case.x_dtype,
        "params:narrow": FLOATS.index(case.param_dtype) > max(1, FLOATS.index(case.x_dtype)),
        "state:mixed": case.state_dtype != case.param_dtype,
        "as-built": case.as_built,
        "one-object": bool(case.one_object),
        "stateless": not case.has_state and "train" in modes,
        "stateless-inference": not case.has_state and "infer" in modes,
        "axis:several": len(case.channel_axes) > 1,
        "axis:unsorted": tuple(case.channel_axes) != tuple(sorted(case.channel_axes)),
        "decay:cumulative": case.decay is None,
        "gamma-without-beta": case.has_gamma and not case.has_beta,
        "beta-without-gamma": case.has_beta and not case.has_gamma,
        "repeat": any("repeat" in step.options for step in case.steps),
        "errors": case.raises is not None,
    }
    found += [name for name, present in flags.items() if present]
    for step in case.steps:
        found += [f"memory:{word}" for word in step.memory.split("|")]
        found += step.features
    return tuple(dict.fromkeys(found))


def refusal(conventions, case, device: str) -> str | None:
    """Why an implementation does not take `case` on `device`, as one sentence; None if it does.

    Where no step needs a layer (folding, population), rank and layout do not matter.
    """
    if device not in conventions.devices:
        return f"it runs on {_list(conventions.devices)}, not on {device}"
    for feature in needs(case):
        if feature in conventions.cannot:
            return conventions.cannot[feature]
        if feature in OFFERED and feature not in conventions.offers:
            return OFFERED[feature]
    for what, kind in (("x", case.x_dtype), ("parameters", case.param_dtype), ("state", case.state_dtype)):
        if kind not in conventions.dtypes:
            return f"it takes {_list(conventions.dtypes)}, not {kind} {what}"
    if all(step.static for step in case.steps):
        return None
    rank = len(case.shape)
    if rank not in conventions.ranks:
        return f"it takes ranks {_list(conventions.ranks)}, not {rank}"
    if not LAYOUTS[conventions.channel_axes](tuple(case.channel_axes), rank):
        axes = _list(case.channel_axes)
        return (
            f"it takes {LAYOUT_WORDS[conventions.channel_axes]}; here x of rank {rank} has its channels on axis {axes}"
        )
    return None


def _list(values) -> str:
    return ", ".join(map(str, values))
