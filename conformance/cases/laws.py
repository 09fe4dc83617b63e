"""Laws that need no golden value: the second call gets the first one's input, transformed (see `conformance/laws.py`)."""

from dataclasses import replace

import numpy as np

from ..laws import LAWS, PAIRED
from .draft import Draft, draft, step

SMALL, LONG, DENSE = (6, 3, 4, 5), (64, 4, 32, 32), (12, 5)
AT_LENGTH = ("duplicate", "sums")  # with 2^18 elements too
COARSE = 256.0  # x is a multiple of 1/256, so that transforming it is exact in float32


def _wild(values):
    values = values.copy()
    values[:, -1] = values[:, -1] * 64.0 + 4096.0
    return values


TRANSFORMS = {
    "shift": lambda x, dy: (x + np.float32(64), dy),
    "scale": lambda x, dy: (x * np.float32(4), dy),
    "permute": lambda x, dy: (x[::-1].copy(), dy[::-1].copy()),
    "duplicate": lambda x, dy: (np.concatenate([x, x]), np.concatenate([dy, dy])),
    "independent": lambda x, dy: (_wild(x), _wild(dy)),
    "modes": lambda x, dy: (x, None),
    "sums": None,
}

SAYS = {
    "shift": "x + 64: the mean moves, nothing else does",
    "scale": "4 x: mean and variance scale, y hardly changes",
    "permute": "the samples in reverse order",
    "duplicate": "every sample twice",
    "independent": "the last channel goes wild, the others do not notice",
    "sums": "sum(dx) = 0, and sum(dx x_hat) is what eps leaves",
    "modes": "decay 0: inference on the batch just trained on",
}

CLAUSES = {
    "shift": "BN-2.1 BN-2.2 BN-2.3 BN-5.1",
    "scale": "BN-2.3 BN-2.4",
    "permute": "BN-1.2 BN-8.3",
    "duplicate": "BN-2.1 BN-2.2 BN-5.1",
    "independent": "BN-1.1",
    "sums": "BN-5.1",
    "modes": "BN-3.1 BN-3.3 BN-4.1",
}

ONLY = {"sums": ("dx", "dgamma"), "modes": ("y",), "scale": tuple(name for name in PAIRED if name != "dx")}


def laws():
    for law in LAWS:
        for tag, shape in (("dense", DENSE), ("nchw", SMALL), *([("long", LONG)] if law in AT_LENGTH else [])):
            yield _law(f"laws/{law}-{tag}", law, shape)


def _law(id, law, shape):
    steps = [step()] + [step("infer" if law == "modes" else "train")] * (law != "sums")
    coarse = lambda x: np.round(x * COARSE) / COARSE
    made = draft(
        id,
        SAYS[law],
        CLAUSES[law],
        shape=shape,
        eps=0.0625 if law == "sums" else 1e-3,
        decay=0.0 if law == "modes" else 0.9,
        steps=[words | {"edit": coarse} for words in steps],
        only=ONLY.get(law, PAIRED),
        quick=shape == DENSE,
    )
    tensors = dict(made.tensors)
    if TRANSFORMS[law]:
        tensors["1.x"], changed = TRANSFORMS[law](tensors["0.x"], tensors["0.dy"])
        tensors["1.dy"] = tensors["1.dy"] if changed is None else changed
    return Draft(replace(made.case, law=law, large=True), tensors)


FAMILIES = (laws,)
