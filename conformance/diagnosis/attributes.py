"""What may tell the cases where a mistake happens from those where it does not: attributes of steps and channels."""

import numpy as np

from ..cases.memory import words

WIDTHS = (2, 3, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


def of_step(case, inputs, index, trace, channels):
    """(attributes of the step, attributes of its channels as arrays) by name; in words as they are told.

    trace: the quantities of the right layer in this step, where there are any.
    """
    step, memory = case.steps[index], words(case.steps[index].memory)
    before = [s.mode for s in case.steps[:index]]
    trained = 1 + sum(mode in ("train", "renorm") for mode in before)
    x = inputs.get(f"{index}.x")
    plain = {
        "mode": step.mode,
        # a layer without running statistics normalizes by the batch in every mode [BN-4.5]
        "in training": step.mode in ("train", "renorm") or (step.mode == "infer" and not case.has_state),
        "rank": len(case.shape),
        "channels last": case.channel_axes == (len(case.shape) - 1,) and len(case.shape) > 2,
        "several channel axes": len(case.channel_axes) > 1,
        "x's type": case.x_dtype,
        "the parameters' type": case.param_dtype,
        "the state's type": case.state_dtype,
        "types mixed": len({case.x_dtype, case.param_dtype, case.state_dtype}) > 1,
        "with gamma": case.has_gamma,
        "with beta": case.has_beta,
        "with running values": case.has_state,
        "eps": case.eps,
        "with a decay": case.decay is not None,
        "step": index,
        "in the first step": index == 0,
        "after an evaluation": bool(before) and before[-1] in ("infer", "frozen"),
        "after a training step": any(mode in ("train", "renorm") for mode in before),
        "with a gradient": "dy" in step.inputs,
        "under a mask": "mask" in step.inputs,
        "over shards": "sizes" in step.options,
        "with derivatives of higher order": bool({"x_dot", "u_x"} & set(step.inputs)),
        "memory of x": memory[0],
        "memory of dy": memory[1],
        "x and dy in different memory orders": memory[0] != memory[1],
        "in another batch size than before": index > 0
        and x is not None
        and f"{index - 1}.x" in inputs
        and inputs[f"{index - 1}.x"].shape != x.shape,
    }
    if case.decay is not None:
        plain["decay"] = case.decay
    if step.mode in ("train", "renorm"):
        plain |= {"training step": trained, "in every second training step": trained % 2 == 0}
    if step.mode == "fold":
        weight = inputs[f"{index}.weight"]
        plain |= {
            "groups": step.options["groups"],
            "without a bias": f"{index}.bias" not in inputs,
            "rank": weight.ndim,
        }
    return plain | _sizes(case, x), _channels(case, inputs, x, trace, channels)


def _sizes(case, x):
    if x is None or case.steps[0].mode == "population":
        return {}
    axes = case.channel_axes
    count = int(np.prod([x.shape[axis] for axis in axes]))
    m = x.size // max(count, 1)
    batch = x.shape[0] if 0 not in axes else 1
    found = {"N": batch, "m": m, "C": count, "spatial size": m // max(batch, 1), "values of x": x.size}
    for name, number in (("N", batch), ("m", m), ("C", count), ("spatial size", m // max(batch, 1))):
        found |= {f"{name} not a multiple of {k}": bool(number % k) for k in WIDTHS}
        found[f"{name} a power of two"] = number > 0 and number & (number - 1) == 0
    return found


@np.errstate(all="ignore")
def _channels(case, inputs, x, trace, count):
    if x is None or not trace or case.steps[0].mode == "population":
        return {}
    column = lambda value: np.broadcast_to(np.asarray(value, np.float64).reshape(-1), (count,))
    rows = np.asarray(trace["x"], np.float64)
    largest = np.abs(rows).max(axis=1, initial=0.0)
    mean, var = trace.get("mean_used"), trace.get("var_used")
    index = np.arange(count)
    found = {
        "channel": index,
        "in the last channel": index == count - 1,
        "channel odd": index % 2 == 1,
        "with NaN or infinity in the channel": ~np.isfinite(rows).all(axis=1),
        "the largest |x|": largest,
        "gamma": column(trace["gamma"]),
        "|gamma|": np.abs(column(trace["gamma"])),
        "with m counted 0": column(trace["m"]) == 0 if trace.get("m") is not None else np.zeros(count, bool),
    }
    if mean is not None and np.size(var) == count:
        mean, var = column(mean), column(var)
        found |= {
            "the variance": var,
            "in a constant channel": var == 0,
            "|mean|/deviation": np.where(var > 0, np.abs(mean) / np.sqrt(var), np.where(mean == 0, 0.0, 1e300)),
            "eps/variance": np.where(var > 0, case.eps / var, 1e300),
        }
    found["with NaN or infinity in another channel"] = np.full(count, not np.isfinite(rows).all())
    return found
