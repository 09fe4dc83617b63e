"""Families: parameters, dtypes, degenerate, non-finite, conditioning, gradients."""

import numpy as np

from .draft import draft, step

NCHW, NHWC, DENSE, NCL = (4, 3, 4, 5), (4, 4, 5, 3), (12, 5), (4, 3, 2)


def parameters():
    for tag, eps, std in [
        ("eps-half", 0.5, 0.7),
        ("eps-comparable", 1e-3, 0.03),
        ("eps-dominant", 1e-3, 1e-3),
        ("eps-large", 16.0, 1.0),
        ("eps-tiny", 1e-10, 1e-4),
        ("eps-default-small-variance", 1e-5, 3e-3),
    ]:
        for layout, shape in (("nchw", NCHW), ("dense", DENSE)):
            yield draft(
                f"parameters/{tag}-{layout}",
                f"eps = {eps} beside a variance of about {std * std:.1g}",
                "BN-2.3 BN-2.4",
                shape=shape,
                eps=eps,
                mean=std,
                std=std,
                running=((0.0,), (std * std, 2 * std * std, 0.5 * std * std)),
            )
    yield draft("parameters/eps-zero", "eps = 0 with a healthy variance", "BN-2.4 BN-7.4", shape=DENSE, eps=0.0)
    for tag, gamma, beta, clauses in [
        ("gamma-zero", "zero", "varied", "BN-7.5"),
        ("gamma-negative", "negative", "varied", "BN-7.5"),
        ("gamma-huge", "huge", "large", "BN-7.5"),
        ("no-gamma", None, "varied", "BN-1.5"),
        ("no-beta", "varied", None, "BN-1.5"),
        ("no-affine", None, None, "BN-1.5"),
        ("beta-zero", "varied", "zero", "BN-7.5"),
    ]:
        for layout, shape, axes in (("nchw", NCHW, 1), ("nhwc", NHWC, 3)):
            yield draft(
                f"parameters/{tag}-{layout}",
                tag.replace("-", " "),
                clauses + " BN-2.3",
                shape=shape,
                axes=axes,
                gamma=gamma,
                beta=beta,
            )


def dtypes():
    for kind in ("float64", "float16", "bfloat16"):
        for layout, shape, axes in (("dense", DENSE, 1), ("nchw", NCHW, 1), ("nhwc", NHWC, 3)):
            yield draft(
                f"dtypes/{kind}-{layout}",
                f"everything {kind}",
                "BN-8.2",
                shape=shape,
                axes=axes,
                x=kind,
            )
    for kind in ("float16", "bfloat16"):
        for layout, shape, axes in (("dense", DENSE, 1), ("nchw", NCHW, 1), ("nhwc", NHWC, 3)):
            yield draft(
                f"dtypes/{kind}-mixed-{layout}",
                f"{kind} x with float32 parameters and state",
                "BN-8.2",
                shape=shape,
                axes=axes,
                x=kind,
                params="float32",
            )
        yield draft(
            f"dtypes/{kind}-mixed-steps",
            f"{kind} x with float32 parameters: the state keeps float32 precision over five steps",
            "BN-8.2 BN-3.1",
            shape=NCL,
            x=kind,
            params="float32",
            decay=0.99,
            steps=[*(step(n=n) for n in (4, 7, 2, 5, 3)), step("infer", n=4)],
        )
    yield draft(
        "dtypes/float64-close",
        "float64 that is really float64: mean/std of 1e6",
        "BN-8.2 BN-2.2",
        shape=DENSE,
        x="float64",
        mean=1e6,
    )
    yield draft(
        "dtypes/float16-overflow",
        "float16 values whose squares overflow float16",
        "BN-8.2 BN-2.2",
        shape=NCHW,
        x="float16",
        params="float32",
        mean=0.0,
        std=2000.0,
        running=((0.0,), (4e6,)),
    )
    yield draft(
        "dtypes/float16-long-sum",
        "a float16 sum that a float16 accumulator cannot hold",
        "BN-8.2 BN-2.1",
        shape=(16, 2, 16, 16),
        x="float16",
        params="float32",
        mean=24.0,
        std=1.0,
    )
    yield draft(
        "dtypes/bfloat16-long-sum",
        "a bfloat16 sum that a bfloat16 accumulator cannot hold",
        "BN-8.2 BN-2.1",
        shape=(16, 2, 16, 16),
        x="bfloat16",
        params="float32",
        mean=24.0,
        std=2.0,
    )


def poke(*settings):
    """An edit that writes values at places: ((index, value), ...)."""

    def edit(x):
        x = x.copy()
        for index, value in settings:
            x[index] = value
        return x

    return edit


def degenerate():
    yield draft("degenerate/m1-dense", "one sample, dense: y = beta", "BN-7.3 BN-3.5", shape=(1, 5))
    yield draft("degenerate/m1-conv", "one sample of spatial size 1: y = beta", "BN-7.3 BN-3.5", shape=(1, 3, 1, 1))
    yield draft(
        "degenerate/m1-between",
        "a step with m = 1 between ordinary ones",
        "BN-7.3 BN-3.5",
        shape=(4, 3),
        steps=[step(n=4), step(n=1), step(n=4), step("infer", n=4)],
    )
    yield draft("degenerate/empty-dense", "an empty batch keeps the state", "BN-7.2 BN-3.5", shape=(0, 5))
    yield draft(
        "degenerate/empty-conv", "an empty batch of images keeps the state", "BN-7.2 BN-3.5", shape=(0, 3, 4, 5)
    )
    yield draft(
        "degenerate/empty-between",
        "an empty step between ordinary ones leaves nothing behind",
        "BN-7.2 BN-3.5 BN-3.6",
        shape=(4, 3),
        steps=[step(n=4), step(n=0), step(n=4), step("infer", n=4)],
    )
    yield draft(
        "degenerate/cumulative-empty",
        "an empty step does not count in a cumulative average",
        "BN-7.2 BN-3.5 BN-3.2",
        shape=(4, 3),
        decay=None,
        steps=[step(n=4), step(n=0), step(n=4), step("infer", n=4)],
    )
    constant = lambda value: (
        lambda x: np.where(np.arange(x.shape[1]).reshape(1, -1, *[1] * (x.ndim - 2)) == 1, value, x)
    )
    for tag, value, eps in (
        ("small", 0.5, 1e-3),
        ("large", 60000.0, 1e-3),
        ("third", 1 / 3, 1e-5),
        ("zero", 0.0, 1e-5),
    ):
        yield draft(
            f"degenerate/constant-{tag}",
            f"channel 1 is constant {value:.3g}: variance 0, y = beta",
            "BN-7.4",
            shape=NCHW,
            eps=eps,
            steps=[step(edit=constant(value)), step("infer", edit=constant(value))],
        )
    yield draft(
        "degenerate/constant-eps-zero",
        "a constant channel with eps = 0 is 0/0 there and nowhere else",
        "BN-7.4 BN-2.4",
        shape=DENSE,
        eps=0.0,
        steps=[step(edit=constant(0.5))],
        only=("y", "batch_mean", "batch_var"),
    )
    yield draft(
        "degenerate/nearly-constant",
        "one value of channel 1 differs from the others by one part in 4096",
        "BN-7.4 BN-2.2",
        shape=NCHW,
        eps=1e-5,
        steps=[step(edit=lambda x: poke(((0, 1, 0, 0), 1.0 + 2.0**-12))(constant(1.0)(x)))],
    )
    yield draft(
        "degenerate/rows-65537",
        "more rows than a 16-bit counter or float16 can tell; the last two stand out",
        "BN-1.2 BN-2.1 BN-2.2",
        shape=(65537, 1),
        steps=[step(dy=None, edit=lambda x: np.where(np.arange(len(x)).reshape(-1, 1) < 65535, x, 4096.0))],
        only=("batch_mean", "batch_var", "running_mean", "running_var"),
    )


def nonfinite():
    nan, inf = np.nan, np.inf
    for tag, edit, says in [
        ("nan", poke(((1, 1, 2, 3), nan)), "one NaN in channel 1"),
        ("inf", poke(((1, 1, 2, 3), inf)), "one +infinity in channel 1"),
        ("minus-inf", poke(((1, 1, 2, 3), -inf)), "one -infinity in channel 1"),
        ("both-inf", poke(((1, 1, 2, 3), inf), ((2, 1, 0, 0), -inf)), "infinities of both signs in channel 1"),
    ]:
        yield draft(
            f"nonfinite/{tag}",
            f"{says}: that channel is lost in training, the others are untouched",
            "BN-7.1",
            shape=NCHW,
            steps=[step(edit=edit)],
        )
        yield draft(
            f"nonfinite/{tag}-inference",
            f"{says}: in inference it stays at its place",
            "BN-7.1 BN-4.1",
            shape=NCHW,
            steps=[step("infer", edit=edit)],
        )
    yield draft(
        "nonfinite/nan-last",
        "a NaN in the last channel, channels last",
        "BN-7.1",
        shape=NHWC,
        axes=3,
        steps=[step(edit=poke(((1, 2, 3, 2), nan)))],
    )


def conditioning():
    for exponent in range(8):
        ratio = 10.0**exponent
        for layout, shape, axes in (("nchw", (8, 3, 8, 8), 1), ("nhwc", (8, 8, 8, 3), 3), ("dense", (256, 3), 1)):
            yield draft(
                f"conditioning/ratio-1e{exponent}-{layout}",
                f"mean / standard deviation = 1e{exponent}",
                "BN-2.1 BN-2.2 BN-2.3 BN-5.1",
                shape=shape,
                axes=axes,
                mean=ratio,
                running=((ratio,), (1.0, 2.0, 0.5)),
                eps=1e-5,
                widths=(1.0, 0.75, 1.25),
                spread=(-0.5, 0.25, 0.5),
            )
    for tag, std, eps, says in [
        ("tiny", 2.0**-40, 0.0, "values of about 1e-12 and eps = 0"),
        ("tiny-eps", 2.0**-40, 1e-5, "values of about 1e-12 under an ordinary eps"),
        ("huge", 2.0**50, 1e-5, "values of about 1e15, whose squares float32 can hold"),
        ("overflow", 2.0**68, 1e-5, "values of about 3e20, whose squares float32 cannot hold"),
        ("subnormal-square", 2.0**-70, 0.0, "values of about 1e-21, whose squares are subnormal in float32"),
    ]:
        yield draft(
            f"conditioning/scale-{tag}",
            says,
            "BN-2.2 BN-2.3",
            shape=NCHW,
            mean=0.5 * std,
            std=std,
            eps=eps,
            running=((0.0,), (min(std * std, 1e38),)) if std < 2.0**60 else None,
            steps=[step()],
        )
    yield draft(
        "conditioning/outlier",
        "one value a thousand standard deviations out",
        "BN-2.2 BN-2.3",
        shape=NCHW,
        steps=[step(edit=poke(((1, 1, 2, 3), 1000.0)))],
    )


def gradients():
    for kind in ("cubic", "constant", "linear", "square", "one-hot", "zero", "large", "noise"):
        for tag, shape, axes in (("nchw", NCHW, 1), ("dense", DENSE, 1)):
            yield draft(
                f"gradients/{kind}-{tag}",
                f"dy {kind}: structured gradients show missing terms, constant ones must vanish",
                "BN-5.1 BN-5.2",
                shape=shape,
                axes=axes,
                eps=0.25,
                steps=[step(dy=kind), step("infer", dy=kind)],
            )
    for tag, shape, axes in (("nchw", NCHW, 1), ("nhwc", NHWC, 3), ("dense", DENSE, 1)):
        yield draft(
            f"gradients/jvp-{tag}",
            "forward mode along x, gamma and beta together",
            "BN-5.3",
            shape=shape,
            axes=axes,
            steps=[step(jvp=True), step("infer", jvp=True)],
        )
        yield draft(
            f"gradients/second-order-{tag}",
            "gradients of the gradients, all three cotangents at once",
            "BN-5.4",
            shape=shape,
            axes=axes,
            eps=0.25,
            steps=[step(second=True), step("infer", second=True)],
        )
    yield draft(
        "gradients/second-order-float64",
        "gradients of the gradients in float64",
        "BN-5.4 BN-8.2",
        shape=DENSE,
        x="float64",
        eps=0.25,
        steps=[step(second=True, jvp=True)],
    )


FAMILIES = (parameters, dtypes, degenerate, nonfinite, conditioning, gradients)
