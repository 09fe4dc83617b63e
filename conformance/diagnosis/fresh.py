"""Problems drawn for the purpose: what a name must also predict before it is given."""

from dataclasses import replace

import numpy as np

from ..cases.draft import Draft, draft, step
from ..records import Case

TWINS, DRAWN = 8, 10
SHAPES = ((2, 3), (7, 4), (12, 5), (33, 2), (3, 4, 6), (5, 2, 3), (4, 3, 4, 5), (2, 8, 3, 3), (3, 2, 2, 3, 2), (9, 17))


def twin(case: Case, inputs: dict, seed: int) -> Draft:
    """The same problem with other numbers: samples in another order, everything scaled, parameters of other channels.

    What is constant, zero, huge or not finite stays so, and so does each ratio of mean to deviation.
    """
    random, tensors = np.random.default_rng(seed), {}
    for name, array in inputs.items():
        value = array
        if array.dtype.kind in "fV" and array.size:
            short = name.split(".")[-1]
            order = (
                random.permutation(len(array)) if short in ("x", "dy") and 0 not in case.channel_axes else slice(None)
            )
            if short in ("gamma", "beta", "running_mean", "running_var"):
                value = np.roll(array, 1, axis=-1)
            factor = 1.0 if short == "gamma" else (0.75, 0.875, 1.125, 1.25)[random.integers(4)]
            with np.errstate(all="ignore"):
                value = (value.astype(np.float64) * factor).astype(array.dtype)[order]
        tensors[name] = np.ascontiguousarray(value)
    return Draft(
        replace(case, id=f"fresh/{case.id.replace('/', '-')}-{seed}", family="fresh", large=False, law=None), tensors
    )


def drawn(seed: int) -> Draft:
    """A problem of no case's likeness."""
    random = np.random.default_rng(seed)
    pick = lambda *options: options[random.integers(len(options))]
    shape = SHAPES[random.integers(len(SHAPES))]
    last = len(shape) > 2 and random.random() < 0.3
    axis = len(shape) - 1 if last else 1
    modes = [
        pick("train", "train", "infer"),
        *(pick("train", "train", "infer", "frozen") for _ in range(random.integers(1, 4))),
    ]
    gradient = lambda: pick("structured", "structured", "noise", "cubic", None)
    return draft(
        f"fresh/drawn-{seed}",
        "drawn at random",
        "BN-2.3",
        shape=shape,
        axes=axis,
        eps=pick(1e-5, 1e-3, 0.1, 0.5),
        decay=pick(0.9, 0.75, 0.1, 0.99),
        x=pick("float32", "float32", "float32", "float32", "float64", "float16", "bfloat16"),
        gamma=pick("varied", "varied", "negative", None),
        beta=pick("varied", "varied", "large", None),
        mean=pick(0.5, 2.0, -3.0),
        std=pick(0.25, 1.0, 2.0),
        steps=[step(mode, dy=gradient()) for mode in modes],
    )


def problems(failing, seed: int) -> list[Draft]:
    """Twins of failing episodes, of different kinds first, and problems drawn at random."""
    seen, chosen = {}, []
    for episode in sorted(failing, key=lambda e: e.size):
        if not episode.quick or episode.case.raises:
            continue
        kind = (episode.case.family, episode.case.x_dtype, tuple(s.mode for s in episode.case.steps)[:3])
        seen.setdefault(kind, []).append(episode)
    groups = list(seen.values())
    while groups and len(chosen) < TWINS:
        chosen += [group.pop(0) for group in groups[: TWINS - len(chosen)]]
        groups = [group for group in groups if group]
    twins = [twin(e.case, e.facts.inputs, seed + k) for k, e in enumerate(chosen)]
    return twins + [drawn(1000 * seed + k) for k in range(DRAWN)]
