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
    ("STATS_NOT_BATCH_VARIANCE", "no root", "y divides by var + eps, without the root"),
)


def _eps():
    for name, form, text in FORMS:
        for modes in ("both", "train", "infer"):
            where = "" if modes == "both" else f" in {modes}"
            for gradient in ("derived", "formula", "right"):
                yield Hypothesis(name, f"{text}{where}, expected sqrt(var + eps) [BN-2.3]", {"eps_form": form, "eps_modes": modes, "eps_gradient": gradient}, {"got": form, "expected": "sqrt(var + eps)", "modes": modes})
    for text, rule in (("eps**2", lambda c: c.eps**2), ("sqrt(eps)", lambda c: c.eps**0.5), ("10 eps", lambda c: 10 * c.eps), ("eps / 10", lambda c: c.eps / 10), ("2 eps", lambda c: 2 * c.eps), ("100 eps", lambda c: 100 * c.eps), ("eps / 2", lambda c: c.eps / 2)):
        for modes in ("both", "train", "infer"):
            for gradient in ("derived", "right"):
                yield Hypothesis("EPS_DIFFERS", f"{text} is used for eps ({modes}) [BN-2.4]", {"eps": rule, "eps_modes": modes, "eps_gradient": gradient}, {"got": text, "expected": "eps", "modes": modes})
    for text, rule in (("0", lambda c: 0.0), ("1e-5", lambda c: 1e-5), ("1e-3", lambda c: 1e-3), ("10 eps", lambda c: 10 * c.eps), ("2 eps", lambda c: 2 * c.eps), ("eps**2", lambda c: c.eps**2), ("1e-8", lambda c: 1e-8), ("1e-12", lambda c: 1e-12)):
        for modes in ("both", "train", "infer"):
            yield Hypothesis("EPS_GRADIENT_DIFFERS", f"the gradient uses {text} for eps ({modes}), the output does not [BN-5.1]", {"gradient_eps": rule, "eps_modes": modes}, {"got": text, "expected": "eps", "modes": modes})


def has_affine(case):
    return case.has_gamma or case.has_beta


def _affine():
    def table(name, text, changes, detail):
        for consistent in (True, False):
            yield Hypothesis(name, text, {**changes, "gamma_in_gradient": consistent}, detail, has_affine)

    yield from table("GAMMA_IGNORED", "gamma is not used [BN-2.3]", {"gamma": lambda g: np.ones_like(g)}, {"got": "1", "expected": "gamma"})
    yield from table("GAMMA_PLUS_ONE", "1 + gamma stands for gamma [BN-2.3]", {"gamma": lambda g: 1 + g}, {"got": "1 + gamma", "expected": "gamma"})
    yield from table("GAMMA_ABSOLUTE", "|gamma| stands for gamma [BN-7.5]", {"gamma": np.abs}, {"got": "|gamma|", "expected": "gamma"})
    for low in (1e-3, 1e-5, 1e-6, 1e-8, 1e-12, 0.01, 0.1):
        clamp = lambda g, low=low: np.where(np.abs(g) < low, np.where(g < 0, -low, low), g)
        for text, rule in (("away from zero", clamp), ("from below", lambda g, low=low: np.maximum(g, low)), ("at zero", lambda g, low=low: np.where(g == 0, low, g)), ("by an offset", lambda g, low=low: g + low), ("below zero only", lambda g, low=low: np.where(np.abs(g) < low, low, g))):
            yield from table("GAMMA_CLAMPED", f"gamma is kept {text} at {low:g} [BN-7.5]", {"gamma": rule}, {"limit": low, "how": text})
    for text, rule in (("max(gamma, 0)", lambda g: np.maximum(g, 0)), ("1 for a gamma of 0", lambda g: np.where(g == 0, 1.0, g))):
        yield from table("GAMMA_CLAMPED", f"{text} stands for gamma [BN-7.5]", {"gamma": rule}, {"got": text})
    for text, rule in (("gamma[0]", lambda g: np.full_like(g, g[0])), ("mean(gamma)", lambda g: np.full_like(g, g.mean())), ("gamma reversed", lambda g: g[::-1]), ("gamma rolled", lambda g: np.roll(g, 1))):
        yield from table("WRONG_AXIS", f"{text} stands for gamma [BN-1.5]", {"gamma": rule}, {"got": text})
    yield from table("GAMMA_IGNORED", "gamma squared stands for gamma [BN-2.3]", {"gamma": lambda g: g * g}, {"got": "gamma**2", "expected": "gamma"})
    yield Hypothesis("BETA_IGNORED", "beta is not used [BN-2.3]", {"beta": np.zeros_like}, {"got": "0", "expected": "beta"}, has_affine)
    yield Hypothesis("BETA_IGNORED", "beta has the wrong sign [BN-2.3]", {"beta": np.negative}, {"got": "-beta", "expected": "beta"}, has_affine)
    yield from table("GAMMA_BETA_SWAPPED", "gamma and beta are exchanged [BN-2.3]", {"swapped": True}, {})
    for text, rule in (("gamma (x_hat + beta)", lambda h, g, b: g * (h + b)), ("gamma x_hat + gamma beta", lambda h, g, b: g * h + g * b), ("(1 + gamma) x_hat", lambda h, g, b: h * g + b + h)):
        yield Hypothesis("BETA_INSIDE", f"y = {text}, expected gamma x_hat + beta [BN-2.3]", {"y_of": rule}, {"got": text}, has_affine)


def odd(case):
    return case.family == "nonfinite"


def _nonfinite():
    for how, text in (("zeroed", "non-finite values of x are taken as 0"), ("nan zeroed", "NaN in x is taken as 0"), ("skipped", "non-finite values are left out of the statistics"), ("clipped", "infinite values of x are clipped to the largest number"), ("y zeroed", "non-finite values of y are replaced by 0")):
        yield Hypothesis("NONFINITE_HIDDEN", f"{text}; NaN and infinity must show [BN-7.1]", {"nonfinite": how}, {"how": how}, family("nonfinite", "degenerate", "conditioning"))
