"""What a case needs of a backend, and whether the backend declares it: data against data."""

from .contract import Conventions

_OPTIONAL_INPUTS = {"mask": "mask", "x_dot": "jvp", "u_x": "second-order"}
_OPTIONAL_MODES = {"renorm": "renorm", "fold": "folding", "population": "population"}


def needs(case) -> tuple[str, ...]:
    """Names of the features that `case` uses, as `Conventions.cannot` may name them."""
    found = [f"rank:{len(case.shape)}", f"dtype:{case.x_dtype}", f"params:{case.param_dtype}"]
    if case.param_dtype != case.x_dtype:
        found.append("params:mixed")
    if len(case.channel_axes) > 1:
        found.append("axis:several")
    if case.decay is None:
        found.append("decay:cumulative")
    if case.has_gamma != case.has_beta:
        found.append("gamma-without-beta" if case.has_gamma else "beta-without-gamma")
    for step in case.steps:
        found += [feature for name, feature in _OPTIONAL_INPUTS.items() if name in step.inputs]
        found += [feature for mode, feature in _OPTIONAL_MODES.items() if mode == step.mode]
        if "sizes" in step.options and step.mode == "train":
            found.append("synchronized")
        if step.memory != "contiguous":
            found.append(f"memory:{step.memory}")
    return tuple(dict.fromkeys(found))


def refusal(conventions: Conventions, case, device: str) -> str | None:
    """Why a backend does not take `case`, as one sentence; None if it does."""
    rank, axes = len(case.shape), case.channel_axes
    if device not in conventions.devices:
        return f"device {device} is not among {', '.join(conventions.devices)}"
    for feature in needs(case):
        if feature in conventions.cannot:
            return f"{feature}: {conventions.cannot[feature]}"
    if case.x_dtype not in conventions.dtypes:
        return f"dtype {case.x_dtype} is not among {', '.join(conventions.dtypes)}"
    if any(step.mode in ("fold", "population") for step in case.steps):
        return None  # no layer is built: rank and layout do not matter
    if rank not in conventions.ranks:
        return f"rank {rank} is not among {', '.join(map(str, conventions.ranks))}"
    if conventions.channel_axes != "any" and len(axes) > 1:
        return "several channel axes: the layer takes one"
    if conventions.channel_axes == "first" and axes != (1,) and not case.raises:
        return f"channel axis {axes[0]}: the layer's is always 1"
    if conventions.channel_axes == "last" and axes != (rank - 1,) and not case.raises:
        return f"channel axis {axes[0]}: the layer's is always the last"
    return None
