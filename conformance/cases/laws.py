"""Laws that need no golden value: the second call gets the first one's input, transformed (see
`conformance/judge/laws.py`)."""

from dataclasses import replace

import numpy as np

from ..judge.laws import PAIRED, preceding
from .bits import bell
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

ONLY = {"sums": ("dx", "dgamma"), "modes": ("y",)}


def laws():
    for law in SAYS:
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
    )
    tensors = dict(made.tensors)
    if TRANSFORMS[law]:
        tensors["1.x"], changed = TRANSFORMS[law](tensors["0.x"], tensors["0.dy"])
        tensors["1.dy"] = tensors["1.dy"] if changed is None else changed
    return Draft(replace(made.case, law=law, large=True), tensors)


LAYERS = [
    ("linear", (12, 7), (5, 7), 0, 1, "a linear layer"),
    ("conv", (4, 4, 6, 7), (3, 4, 3, 3), 0, 1, "a convolution"),
    ("conv-grouped", (4, 4, 6, 7), (6, 2, 3, 3), 0, 1, "a convolution of 2 groups"),
    ("conv-transposed", (4, 4, 2, 3), (4, 3, 3, 3), 1, 1, "a transposed convolution"),
    ("conv-transposed-grouped", (4, 4, 2, 3), (4, 3, 3, 3), 1, 2, "a transposed convolution of 2 groups"),
]
FINE = 8.0  # the layer before BN has inputs, weights and bias in eighths: what it gives is exact in float32


def folded():
    for tag, x_shape, weight_shape, out_axis, groups, says in LAYERS:
        options = {"out_axis": out_axis, "groups": groups}
        tensors = _layer_before(f"laws/folding-{tag}", x_shape, weight_shape, options)
        shape = tensors["x"].shape
        infer, fold = step("infer", dy=None, **options), step("fold", dy=None, **options)
        base = draft(
            f"laws/folding-{tag}",
            f"{says}, then inference: as one folded layer",
            "BN-4.2 BN-4.3 BN-4.1",
            shape=shape,
            steps=[infer],
            only=("y",),
        )
        yield _with_layer(base, tensors, "folding")
        says = f"{says}, then inference: as the layer that the implementation folds itself"
        base = draft(f"laws/own-folding-{tag}", says, "BN-4.2 BN-4.3", shape=shape, steps=[fold, infer], only=("y",))
        yield _with_layer(base, tensors, "own_folding")


def _layer_before(key, x_shape, weight_shape, options):
    """x, weight and bias of the layer before BN ("before.*"), and what it gives ("x")."""
    coarse = lambda name, shape: np.round(bell(f"{key}|{name}", shape) * FINE) / FINE
    x, weight = coarse("x", x_shape), coarse("weight", weight_shape)
    given = preceding(x, weight, **options)
    bias = coarse("bias", given.shape[1:2])
    given = given + bias.reshape([-1 if axis == 1 else 1 for axis in range(given.ndim)])
    return {
        name: value.astype(np.float32)
        for name, value in {"x": given, "before.x": x, "before.weight": weight, "before.bias": bias}.items()
    }


def _with_layer(base, tensors, law):
    """The case on what the layer gives; a step that folds gets the layer itself."""
    folds = base.case.steps[:-1]
    kept = {
        name: value
        for name, value in (base.tensors | tensors).items()
        if name.partition(".")[2] != "x" or name == "before.x"
    }
    kept[f"{len(folds)}.x"] = kept.pop("x")
    for index, _ in enumerate(folds):
        kept |= {f"{index}.{name}": kept[f"before.{name}"] for name in ("weight", "bias")}
    return Draft(replace(base.case, law=law, large=True), kept)


FAMILIES = (laws, folded)
