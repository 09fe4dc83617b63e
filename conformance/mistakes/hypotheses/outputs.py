"""Mistakes in y: eps, gamma and beta, limits, non-finite input [BN-2.3, BN-2.4, BN-7]."""

import numpy as np

from .record import Hypothesis, family


def hypotheses(running_ddof):
    yield from _eps()
    yield from _affine()
    yield from _nonfinite()


FORMS = (
    ("EPS_MISSING", "missing", "eps is not used: y divides by sqrt(var)"),
    ("EPS_OUTSIDE_ROOT", "outside", "eps is added to the standard deviation: y divides by sqrt(var) + eps"),
    ("EPS_OUTSIDE_ROOT", "root outside", "sqrt(eps) is added to the standard deviation"),
    ("EPS_OUTSIDE_ROOT", "inside and outside", "eps is added both inside and outside the root"),
    ("EPS_CLAMPED", "clamped", "max(var, eps) stands for var + eps"),
    ("EPS_CLAMPED", "clamped std", "max(sqrt(var), eps) stands for sqrt(var + eps)"),
    ("ROOT_MISSING", "no root", "y divides by var + eps, without the root"),
)


def _eps():
    for name, form, text in FORMS:
        for modes in ("both", "train", "infer"):
            where = "" if modes == "both" else f" in {modes}"
            for gradient in ("derived", "formula", "right"):
                yield Hypothesis(
                    name,
                    f"{text}{where}, expected sqrt(var + eps) [BN-2.3]",
                    {"eps_form": form, "eps_modes": modes, "eps_gradient": gradient},
                    {"got": form, "expected": "sqrt(var + eps)", "modes": modes},
                )
    yield Hypothesis(
        "EPS_DIFFERS",
        "eps and decay are taken in each other's place [BN-2.4, BN-3.1]",
        {"eps": lambda c: c.decay if c.decay is not None else c.eps, "decay": lambda d, t, c: c.eps},
        {"got": "decay", "expected": "eps"},
    )
    for value in (1e-12, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1):
        for text, rule in (
            (f"max(eps, {value:g})", lambda c, v=value: max(c.eps, v)),
            (f"min(eps, {value:g})", lambda c, v=value: min(c.eps, v)),
            (f"{value:g} in place of 0", lambda c, v=value: c.eps or v),
        ):
            yield Hypothesis(
                "EPS_DIFFERS", f"{text} is used for eps [BN-2.4]", {"eps": rule}, {"got": text, "expected": "eps"}
            )
    for text, rule in (
        ("eps**2", lambda c: c.eps**2),
        ("sqrt(eps)", lambda c: c.eps**0.5),
        ("10 eps", lambda c: 10 * c.eps),
        ("eps / 10", lambda c: c.eps / 10),
        ("2 eps", lambda c: 2 * c.eps),
        ("100 eps", lambda c: 100 * c.eps),
        ("eps / 2", lambda c: c.eps / 2),
    ):
        for modes in ("both", "train", "infer"):
            for gradient in ("derived", "right"):
                yield Hypothesis(
                    "EPS_DIFFERS",
                    f"{text} is used for eps ({modes}) [BN-2.4]",
                    {"eps": rule, "eps_modes": modes, "eps_gradient": gradient},
                    {"got": text, "expected": "eps", "modes": modes},
                )
    for text, rule in (
        ("0", lambda c: 0.0),
        ("1e-5", lambda c: 1e-5),
        ("1e-3", lambda c: 1e-3),
        ("10 eps", lambda c: 10 * c.eps),
        ("2 eps", lambda c: 2 * c.eps),
        ("eps**2", lambda c: c.eps**2),
        ("1e-8", lambda c: 1e-8),
        ("1e-12", lambda c: 1e-12),
    ):
        for modes in ("both", "train", "infer"):
            for kept in (False, True):
                yield Hypothesis(
                    "EPS_GRADIENT_DIFFERS",
                    f"the gradient uses {text} for eps ({modes}), the output does not [BN-5.1]",
                    {"gradient_eps": rule, "eps_modes": modes, "gradient_hat_kept": kept},
                    {"got": text, "expected": "eps", "modes": modes},
                )


def has_affine(case):
    return case.has_gamma or case.has_beta


def _affine():
    def table(name, text, changes, detail):
        for consistent in (True, False):
            yield Hypothesis(name, text, {**changes, "gamma_in_gradient": consistent}, detail, has_affine)

    yield from table(
        "GAMMA_IGNORED",
        "gamma is not used [BN-2.3]",
        {"gamma": lambda g: np.ones_like(g)},
        {"got": "1", "expected": "gamma"},
    )
    yield from table(
        "GAMMA_PLUS_ONE",
        "1 + gamma stands for gamma [BN-2.3]",
        {"gamma": lambda g: 1 + g},
        {"got": "1 + gamma", "expected": "gamma"},
    )
    yield from table(
        "GAMMA_ABSOLUTE",
        "|gamma| stands for gamma [BN-7.5]",
        {"gamma": np.abs},
        {"got": "|gamma|", "expected": "gamma"},
    )
    for low in (1e-3, 1e-5, 1e-6, 1e-8, 1e-12, 0.01, 0.1):
        clamp = lambda g, low=low: np.where(np.abs(g) < low, np.where(g < 0, -low, low), g)
        for text, rule in (
            ("away from zero", clamp),
            ("from below", lambda g, low=low: np.maximum(g, low)),
            ("at zero", lambda g, low=low: np.where(g == 0, low, g)),
            ("by an offset", lambda g, low=low: g + low),
            ("below zero only", lambda g, low=low: np.where(np.abs(g) < low, low, g)),
        ):
            yield from table(
                "GAMMA_CLAMPED",
                f"gamma is kept {text} at {low:g} [BN-7.5]",
                {"gamma": rule},
                {"limit": low, "how": text},
            )
    for text, rule in (
        ("max(gamma, 0)", lambda g: np.maximum(g, 0)),
        ("1 for a gamma of 0", lambda g: np.where(g == 0, 1.0, g)),
    ):
        yield from table("GAMMA_CLAMPED", f"{text} stands for gamma [BN-7.5]", {"gamma": rule}, {"got": text})
    for text, rule in (("gamma reversed", lambda g: g[::-1]), ("gamma rolled", lambda g: np.roll(g, 1))):
        yield from table("WRONG_AXIS", f"{text} stands for gamma [BN-1.5]", {"gamma": rule}, {"got": text})
    first, mean = (lambda g: np.full_like(g, g[0])), (lambda g: np.full_like(g, g.mean()))
    for text, rule in (
        ("the first value", first),
        ("the mean", mean),
        ("the last value", lambda g: np.full_like(g, g[-1])),
    ):
        yield from table(
            "PARAMETER_SHARED", f"{text} of gamma serves all channels [BN-1.5]", {"gamma": rule}, {"parameter": "gamma"}
        )
        yield Hypothesis(
            "PARAMETER_SHARED",
            f"{text} of beta serves all channels [BN-1.5]",
            {"beta": rule},
            {"parameter": "beta"},
            has_affine,
        )
        yield from table(
            "PARAMETER_SHARED",
            f"{text} of gamma and of beta serves all channels [BN-1.5]",
            {"gamma": rule, "beta": rule},
            {"parameter": "gamma, beta"},
        )
    for limit in (1.0, 10.0, 100.0, 1000.0, 1e4):
        yield from table(
            "GAMMA_CLAMPED",
            f"gamma is limited to {limit:g} in size [BN-7.5]",
            {"gamma": lambda g, v=limit: np.clip(g, -v, v)},
            {"limit": limit},
        )
    for mode in ("train", "infer"):
        yield from table(
            "GAMMA_IGNORED",
            f"gamma is not used in {mode} [BN-2.3]",
            {"gamma": np.ones_like, "affine_modes": mode},
            {"got": "1", "mode": mode},
        )
        yield Hypothesis(
            "BETA_IGNORED",
            f"beta is not used in {mode} [BN-2.3]",
            {"beta": np.zeros_like, "affine_modes": mode},
            {"got": "0", "mode": mode},
            has_affine,
        )
    lone = lambda c: c.has_gamma != c.has_beta
    yield from table(
        "GAMMA_IGNORED",
        "gamma is used only where there is a beta as well [BN-1.5]",
        {"gamma": np.ones_like, "gamma_beta_case": lone},
        {"where": "beta absent"},
    )
    yield Hypothesis(
        "BETA_IGNORED",
        "beta is used only where there is a gamma as well [BN-1.5]",
        {"beta": np.zeros_like, "gamma_beta_case": lone},
        {"where": "gamma absent"},
        has_affine,
    )
    zero = lambda m, case, view: m * 0
    yield Hypothesis(
        "GAMMA_IGNORED",
        "gamma is fixed to 1 and its gradient is zero [BN-2.3]",
        {"gamma": np.ones_like, "dgamma_scale": zero},
        {"got": "1"},
        has_affine,
    )
    yield Hypothesis(
        "BETA_IGNORED",
        "beta is fixed to 0 and its gradient is zero [BN-2.3]",
        {"beta": np.zeros_like, "dbeta_scale": zero},
        {"got": "0"},
        has_affine,
    )
    yield from table(
        "GAMMA_IGNORED",
        "gamma squared stands for gamma [BN-2.3]",
        {"gamma": lambda g: g * g},
        {"got": "gamma**2", "expected": "gamma"},
    )
    yield Hypothesis(
        "BETA_IGNORED",
        "beta is not used [BN-2.3]",
        {"beta": np.zeros_like},
        {"got": "0", "expected": "beta"},
        has_affine,
    )
    yield Hypothesis(
        "BETA_INSIDE",
        "beta has the wrong sign [BN-2.3]",
        {"beta": np.negative},
        {"got": "-beta", "expected": "beta"},
        has_affine,
    )
    for where in (True, "both", "slots"):
        yield from table("GAMMA_BETA_SWAPPED", "gamma and beta are exchanged [BN-2.3]", {"swapped": where}, {})
    for text, rule in (("gamma (x_hat + beta)", lambda h, g, b: g * (h + b)),):
        yield Hypothesis(
            "BETA_INSIDE",
            f"y = {text}, expected gamma x_hat + beta [BN-2.3]",
            {"y_of": rule},
            {"got": text},
            has_affine,
        )


def odd(case):
    return case.family == "nonfinite"


def _nonfinite():
    for how, text in (
        ("zeroed", "non-finite values of x are taken as 0"),
        ("nan zeroed", "NaN in x is taken as 0"),
        ("skipped", "non-finite values are left out of the statistics"),
        ("skipped, counted", "non-finite values are left out of the sums"),
        ("clipped", "infinite values of x are clipped to the largest number"),
        ("y zeroed", "non-finite values of y are replaced by 0"),
    ):
        yield Hypothesis(
            "NONFINITE_HIDDEN",
            f"{text}; NaN and infinity must show [BN-7.1]",
            {"nonfinite": how},
            {"how": how},
            family("nonfinite", "degenerate", "conditioning"),
        )
