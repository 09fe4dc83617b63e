"""More of the families conditioning, dtypes and gradients: the ends of each type's range, and derivatives in other
types."""

import numpy as np

from .draft import draft, step

NCHW, NHWC, DENSE = (4, 3, 4, 5), (4, 4, 5, 3), (12, 5)


def scales():
    """Tiny and huge values in the types besides float32, and squares at the end of the range."""
    for kind, tag, exponent, eps, says in [
        ("float64", "tiny", -400, 0.0, "values of about 1e-120 and eps = 0"),
        ("float64", "huge", 400, 1e-5, "values of about 1e120, whose squares float64 can hold"),
        ("float64", "subnormal-square", -530, 0.0, "values of about 1e-160, whose squares are subnormal in float64"),
        ("float16", "tiny", -12, 0.0, "values of about 2e-4, whose squares are subnormal in float16, and eps = 0"),
        ("float16", "huge", 13, 1e-3, "values of about 8000, whose squares float16 cannot hold"),
        ("bfloat16", "tiny", -40, 0.0, "values of about 1e-12 and eps = 0"),
        ("bfloat16", "huge", 50, 1e-5, "values of about 1e15, whose squares bfloat16 can hold"),
    ]:
        yield draft(
            f"conditioning/scale-{kind}-{tag}",
            says,
            "BN-2.2 BN-2.3 BN-8.2",
            shape=NCHW,
            x=kind,
            params="float32" if kind != "float64" else None,
            mean=0.5 * 2.0**exponent,
            std=2.0**exponent,
            eps=eps,
            running=((0.0,), (2.0 ** (2 * exponent),)),
            steps=[step(), step("infer")],
        )
    for tag, exponent, says in (("float32", 65, "7e19"), ("float64", 520, "7e156")):
        yield draft(
            f"conditioning/square-overflow-inference-{tag}",
            f"inference on values of about {says} under a variance of 1: nothing here is squared, nothing may overflow",
            "BN-4.1 BN-5.2",
            shape=DENSE,
            x=tag,
            mean=0.5 * 2.0**exponent,
            std=2.0**exponent,
            running=((0.0,), (1.0, 2.0, 0.5)),
            steps=[step("infer")],
        )


def edges():
    """Subnormal numbers and signed zeros."""
    for kind, exponent in (("float32", -132), ("bfloat16", -130), ("float64", -1060)):
        yield draft(
            f"dtypes/subnormal-input-{kind}",
            "subnormal x under an ordinary eps, no beta: y is small, not zero",
            "BN-2.3 BN-4.1 BN-8.2",
            shape=DENSE,
            x=kind,
            params="float32" if kind == "bfloat16" else None,
            beta=None,
            mean=2.0**exponent,
            std=2.0**exponent,
            running=((0.0,), (0.0,)),
            eps=1e-5,
            steps=[step(), step("infer")],
        )
    for kind, exponent in (("float16", -20), ("float32", -140)):
        small = (2.0**exponent, -(2.0**exponent), 1.5 * 2.0**exponent)
        yield draft(
            f"dtypes/subnormal-output-{kind}",
            "subnormal gamma: y and dx are subnormal, not zero",
            "BN-2.3 BN-5.1 BN-8.2",
            shape=DENSE,
            x=kind,
            gamma=small,
            beta=None,
            steps=[step(), step("infer")],
        )
    signs = lambda x: np.where(np.arange(x.size).reshape(x.shape) % 2 == 0, 0.0, -0.0)
    half = lambda x: np.where(np.arange(x.shape[0])[:, None] % 3 == 0, x, signs(x))
    for tag, edit, says in (
        ("all", signs, "x is zeros of both signs"),
        ("mixed", half, "two thirds of x are zeros of both signs"),
    ):
        yield draft(
            f"dtypes/signed-zeros-{tag}",
            f"{says}; gamma and beta hold negative zeros",
            "BN-7.4 BN-7.5 BN-2.3",
            shape=DENSE,
            gamma=(-0.0, 1.5, 0.0, -2.0),
            beta=(-0.0, 0.0, 0.5),
            running=((-0.0, 0.0), (1.0, 0.25)),
            steps=[step(edit=edit), step("infer", edit=edit)],
        )
    yield draft(
        "dtypes/float64-params-float32",
        "float64 x with float32 parameters and state",
        "BN-8.2",
        shape=DENSE,
        x="float64",
        params="float32",
    )


def derivatives():
    """Forward mode and second order in training and inference, by type, layout and conditioning."""
    both = lambda **options: [step(**options), step("infer", **options)]
    for tag, options, eps in (("jvp", {"jvp": True}, 1e-3), ("second-order", {"second": True}, 0.25)):
        clause = "BN-5.3" if tag == "jvp" else "BN-5.4"
        common = {"eps": eps, "steps": both(**options)}
        for layout, shape, axes in (("nchw", NCHW, 1), ("nhwc", NHWC, 3), ("dense", DENSE, 1)):
            yield draft(
                f"gradients/{tag}-float64-{layout}-both",
                f"{tag} in float64, in training and inference",
                f"{clause} BN-8.2",
                shape=shape,
                axes=axes,
                x="float64",
                **common,
            )
        for kind in ("float16", "bfloat16"):
            yield draft(
                f"gradients/{tag}-{kind}-mixed",
                f"{tag} of {kind} x with float32 parameters",
                f"{clause} BN-8.2",
                shape=NCHW,
                x=kind,
                params="float32",
                **common,
            )
        for layout, shape, axes in (("nchw", NCHW, 1), ("nhwc", NHWC, 3)):
            yield draft(
                f"gradients/{tag}-ratio-1e3-{layout}",
                f"{tag} where mean / standard deviation is 1000",
                f"{clause} BN-2.2",
                shape=shape,
                axes=axes,
                mean=1000.0,
                spread=(-0.5, 0.25, 0.5),
                running=((1000.0,), (1.0, 2.0, 0.5)),
                **common,
            )


def small_gradients():
    """dy far below 1 beside ordinary x, and subnormal."""
    for dy, says in (("tiny", "dy of about 1e-30"), ("subnormal", "subnormal dy")):
        for layout, shape in (("nchw", NCHW), ("dense", DENSE)):
            yield draft(
                f"gradients/{dy}-{layout}",
                f"{says} beside ordinary x: gradients are as small, not zero",
                "BN-5.1 BN-5.2 BN-8.2",
                shape=shape,
                steps=[step(dy=dy), step("infer", dy=dy)],
                since=2,
            )


def half_eps():
    """eps that float16 cannot hold, where it decides."""
    constant = lambda x: np.where(np.arange(3).reshape(1, -1, 1, 1) == 1, 0.5, x)
    for tag, eps, std, edit, says in [
        ("rounded", 1e-6, 1e-3, None, "eps = 1e-6, which float16 rounds by 1 %, beside a variance as small"),
        ("vanishing", 1e-8, 1.0, constant, "eps = 1e-8, which is 0 in float16; channel 1 is constant"),
    ]:
        yield draft(
            f"parameters/eps-{tag}-float16",
            says,
            "BN-2.3 BN-2.4 BN-8.2 BN-7.4",
            shape=NCHW,
            x="float16",
            params="float32",
            eps=eps,
            mean=0.5 * std,
            std=std,
            running=((0.5 * std,), (std * std, 2 * std * std, 0.5 * std * std)),
            steps=[step(edit=edit), step("infer", edit=edit)],
            since=2,
        )


FAMILIES = (scales, edges, derivatives, small_gradients, half_eps)
