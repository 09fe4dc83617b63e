"""Quantities held in too narrow a type: predicted value by value, as the rounding itself is known [BN-8.2]."""

from itertools import product

from .record import Hypothesis, stateful

NARROW = ("float16", "bfloat16")
TANGENTS = ("gamma_dot", "beta_dot", "u_gamma", "u_beta")


def hypotheses(running_ddof):
    for kind in NARROW:
        yield Hypothesis(
            "LOW_PRECISION_STATE",
            f"the running values are kept in {kind} [BN-8.2]",
            {"state_type": kind},
            {"got": kind},
            stateful,
        )
    yield Hypothesis(
        "LOW_PRECISION_STATE",
        "the running values are kept in x's own type [BN-8.2]",
        {"state_type": "x"},
        {"got": "x's type"},
        stateful,
    )
    yield Hypothesis(
        "LOW_PRECISION_STATE",
        "the running values are kept in float32 [BN-8.2]",
        {"state_type": "float32"},
        {"got": "float32"},
        stateful,
    )
    yield from _results()
    yield from _inputs()
    yield from _inner()


def _results():
    for outputs in (("y",), ("dx",), ("y", "dx")):
        for kind in (*NARROW, "float32"):
            yield Hypothesis(
                "LOW_PRECISION_RESULT",
                f"{' and '.join(outputs)} passes through {kind} [BN-8.2]",
                {"types": dict.fromkeys(outputs, kind)},
                {"outputs": list(outputs), "got": kind},
            )


def _inputs():
    for tensors in (("x",), ("dy",), ("x", "dy")):
        for kind in (*NARROW, "float32"):
            yield Hypothesis(
                "LOW_PRECISION_INPUT",
                f"{' and '.join(tensors)} is rounded to {kind} before anything is computed [BN-8.2]",
                {"narrow": dict.fromkeys(tensors, kind)},
                {"tensors": list(tensors), "got": kind},
            )
    for names in (("gamma", "beta"), ("gamma", "beta", "running_mean", "running_var"), ("running_mean", "running_var")):
        for kind, along in product(("x", *NARROW), ((), TANGENTS) if "gamma" in names else ((),)):
            words = "x's own type" if kind == "x" else kind
            yield Hypothesis(
                "LOW_PRECISION_PARAMETERS",
                f"{', '.join(names)}{', with their tangents,' if along else ''} are rounded to {words} before use [BN-8.2]",
                {"narrow": dict.fromkeys(names + along, kind)},
                {"got": words, "tensors": list(names)},
            )


def _inner():
    for kind in ("x", *NARROW):
        words = "x's own type" if kind == "x" else kind
        yield Hypothesis(
            "LOW_PRECISION_ARITHMETIC",
            f"1/sqrt(var + eps) is rounded to {words} [BN-8.2]",
            {"types": {"r": kind}},
            {"quantity": "inverse std", "got": words},
        )
        for reported in (False, True):
            yield Hypothesis(
                "LOW_PRECISION_ARITHMETIC",
                f"the batch mean is rounded to {words} before it is subtracted [BN-8.2]",
                {"types": {"mean": kind, "reported": reported}},
                {"quantity": "mean", "got": words},
            )
        for shift in ("exact", "rounded"):
            yield Hypothesis(
                "LOW_PRECISION_ARITHMETIC",
                f"inference computes a x + b with a and b rounded to {words} [BN-4.2]",
                {"types": {"folded": kind, "folded shift": shift}},
                {"quantity": "a, b", "got": words},
            )
    for kind in NARROW:
        yield Hypothesis(
            "LOW_PRECISION_ACCUMULATION",
            f"squared deviations of half-precision values are held in {kind} [BN-2.2]",
            {"types": {"square": kind, "half only": kind}},
            {"quantity": "squares", "got": kind},
        )
        yield Hypothesis(
            "LOW_PRECISION_ACCUMULATION",
            f"squared deviations are held in {kind} [BN-2.2]",
            {"types": {"square": kind}},
            {"quantity": "squares", "got": kind},
        )
        yield Hypothesis(
            "LOW_PRECISION_ACCUMULATION",
            f"m is held in {kind} [BN-1.2]",
            {"types": {"count": kind}},
            {"quantity": "m", "got": kind},
        )
