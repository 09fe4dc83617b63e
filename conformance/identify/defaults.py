"""What eps and decay a layer has that is built without being told, from what it does."""

from dataclasses import replace

import numpy as np

from .finding import Finding, skipped
from .probe import probe, step

# Channel 0 spreads so little that eps is all there is under the root, channel 1 lies at 1 and shows what becomes of -1.
ROWS, SPREAD = 8, 1e-6
CLOSE = 1e-4  # relative, in single precision


def defaults(box, conventions):
    """Default eps and decay. Asked where defaults are declared: others have to be told."""
    for name, declared in (("eps", conventions.default_eps), ("decay", conventions.default_decay)):
        if declared is None:
            yield skipped(f"default {name}", "no default is declared")
            continue
        value, evidence = _observed(box, name)
        agrees = value is not None and abs(value - declared) <= CLOSE * abs(declared)
        found = f"{value:.4g}" if value is not None else "none found"
        yield Finding(f"default {name}", found, evidence, f"{declared:.4g}", agrees)


def _observed(box, name):
    """(number, evidence), the number None where the layer gives none."""
    try:
        y, mean = _step(box)
    except Exception as error:  # whatever a layer raises that has no defaults
        return None, f"{error}"[:120]
    slope, decay = float(np.ptp(y)) / (2 * SPREAD), float(1 - mean) / 2
    found, evidence = {
        "eps": (
            1 / slope**2 - SPREAD**2 if slope else np.nan,
            f"values of deviation {SPREAD:g} are multiplied by {slope:.4g}",
        ),
        "decay": (decay, f"a running mean of -1 becomes {mean:.4g} after a batch of mean 1"),
    }[name]
    return (found if np.isfinite(found) else None), evidence


def _step(box):
    """(y of channel 0, running_mean of channel 1) of one training step of a layer that was not told its numbers.

    Errors: ValueError, where it gives none.
    """
    sign = np.where(np.arange(ROWS) % 2, 1.0, -1.0)
    x = np.stack([SPREAD * sign, 1 + 0.5 * sign], axis=1).astype(np.float32)
    asked = probe(
        "defaults",
        shape=x.shape,
        gamma=(1.0,),
        beta=(0.0,),
        running=((-1.0,), (1.0,)),
        steps=[step(dy=None)],
        only=("y", "running_mean"),
    )
    found = box.ask(replace(asked, tensors=asked.tensors | {"0.x": x}), defaults=True)
    if found.failure:
        raise ValueError(f"{found.failure.what}: {found.failure.text}")
    y, mean = (np.asarray(found.outputs[name], np.float64) for name in ("0.y", "0.running_mean"))
    return y[:, 0], mean[1]
