"""Families: masks, synchronized, renorm, folding, errors."""

from dataclasses import replace

import numpy as np

from ..operations import STATE
from .bits import bell
from .draft import Draft, as_dtype, draft, step

NCHW, NHWC, DENSE = (4, 3, 4, 5), (4, 4, 5, 3), (12, 5)


def masks():
    for tag, shape, axes in (("dense", DENSE, 1), ("nhwc", NHWC, 3)):
        yield draft(
            f"masks/all-true-{tag}",
            "every value is marked: as without a mask",
            "BN-6.1 BN-6.2",
            shape=shape,
            axes=axes,
            steps=[step(mask="all"), step("infer")],
            since=2,
        )
    for tag, shape, axes, kind in [
        ("dense", DENSE, 1, "position"),
        ("nhwc", NHWC, 3, "position"),
        ("nlc", (6, 7, 3), 2, "position"),
        ("nchw", NCHW, 1, "position"),
        ("element", DENSE, 1, "element"),
        ("sample", NCHW, 1, "sample"),
    ]:
        yield draft(
            f"masks/{tag}",
            "statistics over the marked values only, with padding and holes",
            "BN-6.1 BN-6.2",
            shape=shape,
            axes=axes,
            steps=[step(mask=kind, edit=lambda x: x), step("infer")],
            mean=3.0,
        )

    yield draft(
        "masks/one-channel",
        "C = 1: an axis of size 1 that is no reduced one",
        "BN-6.1 BN-6.2",
        shape=(4, 5, 1),
        axes=2,
        steps=[step(mask="position"), step("infer")],
        mean=3.0,
    )
    yield draft(
        "masks/float64",
        "the number of marked values is exact: what keeps a division by zero away shows in float64",
        "BN-6.1 BN-6.2",
        shape=DENSE,
        x="float64",
        steps=[step(mask="position"), step("infer")],
        mean=1000.0,
    )
    for tag, shape, axes, kind, says, edit in [
        (
            "nothing-left",
            NHWC,
            3,
            "position",
            "no value is marked: the state stays as it was",
            lambda mask: mask & False,
        ),
        (
            "channel-left-out",
            DENSE,
            1,
            "element",
            "no value of the last channel is marked: its state stays",
            _without_last,
        ),
    ]:
        base = draft(
            f"masks/{tag}",
            says,
            "BN-6.1 BN-7.2 BN-3.5",
            shape=shape,
            axes=axes,
            steps=[step(mask=kind, dy=None), step(mask=kind, dy=None), step("infer", dy=None)],
            mean=3.0,
            only=STATE,
        )
        yield Draft(base.case, base.tensors | {"1.mask": edit(base.tensors["1.mask"])})


def _without_last(mask):
    return mask & (np.arange(mask.shape[1]) < mask.shape[1] - 1)


def synchronized():
    def drift(x):
        """Shards with different means: the spread of the means is part of the variance."""
        return x + 4.0 * np.arange(x.shape[0]).reshape(-1, *[1] * (x.ndim - 1)) / x.shape[0]

    for tag, shape, axes, sizes in [
        ("equal", (8, 3, 2), 1, (4, 4)),
        ("unequal", (8, 3, 2), 1, (1, 5, 2)),
        ("unequal-last", (8, 2, 3), 2, (1, 5, 2)),
        ("with-empty", (8, 3, 2), 1, (3, 0, 5)),
    ]:
        yield draft(
            f"synchronized/{tag}",
            f"one batch over shards of sizes {', '.join(map(str, sizes))}",
            "BN-6.3",
            shape=shape,
            axes=axes,
            steps=[step(edit=drift, sizes=list(sizes)), step("infer")],
        )


def renorm():
    for tag, limits in (("clipped", (1.1, 0.25)), ("open", (50.0, 50.0)), ("off", (1.0, 0.0))):
        yield draft(
            f"renorm/{tag}",
            f"batch renormalization with r_max = {limits[0]}, d_max = {limits[1]}",
            "BN-6.4",
            shape=NCHW,
            steps=[step("renorm", r_max=limits[0], d_max=limits[1]), step("infer")],
        )


FOLDS = [
    ("linear", (3, 7), 0, 1, "a linear layer, weight (outputs, inputs)"),
    ("linear-transposed", (7, 3), 1, 1, "a linear layer, weight (inputs, outputs)"),
    ("conv", (3, 4, 3, 3), 0, 1, "a convolution, weight (outputs, inputs, h, w)"),
    ("conv-last", (3, 3, 4, 3), 3, 1, "a convolution, weight (h, w, inputs, outputs)"),
    ("conv-grouped", (6, 2, 3, 3), 0, 1, "a convolution of 2 groups"),
    ("conv-transposed", (4, 3, 3, 3), 1, 1, "a transposed convolution, weight (inputs, outputs, h, w)"),
    (
        "conv-transposed-grouped",
        (4, 3, 3, 3),
        1,
        2,
        "a transposed convolution of 2 groups, weight (inputs, outputs/2, h, w)",
    ),
]


def folding():
    for tag, shape, out_axis, groups, says in FOLDS:
        for bias in (True, False):
            yield _fold_case(f"folding/{tag}" + ("" if bias else "-no-bias"), says, shape, out_axis, groups, bias)
        if tag in ("linear", "conv"):
            yield _fold_case(
                f"folding/{tag}-no-affine",
                f"{says}; BN without gamma and beta",
                shape,
                out_axis,
                groups,
                True,
                gamma=None,
                beta=None,
            )


NARROW = {"eps": 1e-5, "running": ((3.0, -2.0, 5.0), (1e-6, 0.0, 1.0)), "since": 2}
HALF = NARROW | {"eps": 1e-6, "running": ((3.0, -2.0, 5.0), (1e-7, 0.0, 1.0))}
MORE_FOLDS = [
    ("conv-sequence", (6, 4, 3), 0, 1, "a convolution over sequences, weight (outputs, inputs, w)", {}),
    ("conv-volume", (6, 4, 3, 3, 3), 0, 1, "a convolution over volumes, weight (outputs, inputs, d, h, w)", {}),
    ("depthwise", (4, 1, 3, 3), 0, 1, "a depthwise convolution, weight (outputs, 1, h, w)", {}),
    ("depthwise-last", (3, 3, 4, 1), 2, 1, "a depthwise convolution, weight (h, w, channels, 1)", {}),
    ("depthwise-transposed", (4, 1, 3, 3), 1, 4, "a transposed depthwise convolution, weight (inputs, 1, h, w)", {}),
    ("gamma-zero", (3, 4, 3, 3), 0, 1, "gamma holds zeros of both signs", {"gamma": "zero"}),
    ("small-variance", (3, 4, 3, 3), 0, 1, "running variances of 1e-6, 0 and 1 beside eps = 1e-5", NARROW),
    ("float16", (4, 3, 3, 3), 0, 1, "everything float16, variances and eps at its end", HALF | {"x": "float16"}),
    ("bfloat16", (4, 3, 3, 3), 0, 1, "everything bfloat16, small variances", HALF | {"x": "bfloat16"}),
]


def more_folding():
    for tag, shape, out_axis, groups, says, words in MORE_FOLDS:
        for bias in (True, False):
            id = f"folding/{tag}" + ("" if bias else "-no-bias")
            yield _fold_case(id, says, shape, out_axis, groups, bias, **{"since": 2, **words})


def _fold_case(id, says, shape, out_axis, groups, bias, **words):
    outputs = shape[out_axis] * groups
    base = draft(
        id,
        says,
        "BN-4.2 BN-4.3",
        shape=(1, outputs),
        steps=[step("fold", out_axis=out_axis, groups=groups)],
        **{"eps": 0.25, **words},
    )
    tensors = {name: value for name, value in base.tensors.items() if name != "0.x"}
    tensors["0.weight"] = as_dtype(bell(f"{id}|weight", shape), base.case.x_dtype)
    if bias:
        tensors["0.bias"] = as_dtype(bell(f"{id}|bias", (outputs,)), base.case.x_dtype)
        return Draft(base.case, tensors)
    return Draft(replace(base.case, steps=(replace(base.case.steps[0], inputs=("weight",)),)), tensors)


def errors():
    """What is out of the domain must raise; each case breaks one thing of an ordinary one."""

    def broken(name, says, clause, *, tensors=None, steps=None, **config):
        base = draft(f"errors/{name}", says, f"{clause} BN-8.1", shape=DENSE, raises=clause, steps=steps or [step()])
        changed = {key: edit(base.tensors[key]) for key, edit in (tensors or {}).items()}
        return Draft(replace(base.case, **config), base.tensors | changed)

    one_more = lambda a: np.concatenate([a, a[:1]])
    yield broken("gamma-shape", "gamma has one value too many", "BN-1.5", tensors={"gamma": one_more})
    yield broken("beta-one", "beta of one value is not broadcast", "BN-1.5", tensors={"beta": lambda a: a[:1]})
    yield broken("running-shape", "running_var has one value too many", "BN-1.5", tensors={"running_var": one_more})
    yield broken("dy-shape", "dy has a row too many", "BN-1.5", tensors={"0.dy": one_more})
    yield broken("channel-axis", "the channel axis is not an axis of x", "BN-1.1", channel_axes=(2,))
    yield broken("eps-negative", "eps is negative", "BN-2.4", eps=-1.0)
    yield broken("decay-above-one", "decay is 1.5", "BN-3.1", decay=1.5)
    yield broken(
        "integer-input", "x holds integers", "BN-8.2", tensors={"0.x": lambda a: np.arange(a.size).reshape(a.shape)}
    )
    yield broken(
        "mask-float",
        "the mask is not boolean",
        "BN-6.1",
        steps=[step(mask="position")],
        tensors={"0.mask": lambda a: a.astype(np.float32)},
    )
    yield broken("renorm-limits", "r_max is below 1", "BN-6.4", steps=[step("renorm", r_max=0.5, d_max=1.0)])
    small = step("population", n=5, sizes=[4, 1])
    yield broken("population-small", "a batch of one value has no unbiased variance", "BN-3.4", steps=[small])
    fold = _fold_case("errors/fold-length", "seven statistics for three outputs", (3, 7), 1, 1, True)
    weight = {"0.weight": np.ascontiguousarray(fold.tensors["0.weight"].T)}
    yield Draft(replace(fold.case, clauses=("BN-4.3", "BN-8.1"), raises="BN-4.3"), fold.tensors | weight)


FAMILIES = (masks, synchronized, renorm, folding, more_folding, errors)
