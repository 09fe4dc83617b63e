"""How it is computed: variance in one pass or two, the type of the sums, how their errors grow [BN-2.1, BN-2.2]."""

import numpy as np

from .finding import Finding, against, skipped
from .probe import probe, step

CHANNELS = 64


def _sweep(box, kind, ratio):
    """(exact mean, exact variance, observed mean, observed variance, y) of 64 channels with mean/std = ratio; decay
    0."""
    asked = probe(
        f"ratio-{kind}-{ratio:g}",
        shape=(512, CHANNELS),
        x=kind,
        decay=0.0,
        eps=1e-3,
        mean=ratio,
        spread=(0.0, 0.3, -0.4),
        steps=[step(dy=None)],
    )
    seen = box.ask(asked)
    if "0.running_var" not in seen.outputs:
        return None
    x = asked.tensors["0.x"].astype(np.longdouble)
    mean = x.mean(axis=0)
    var = ((x - mean) ** 2).mean(axis=0)
    got_mean, got = (seen.outputs[f"0.{name}"].astype(np.longdouble) for name in ("running_mean", "running_var"))
    factor = np.longdouble(512) / 511
    # the ddof is found elsewhere: here the nearer of the two is taken
    error = np.minimum(np.abs(got / var - 1), np.abs(got / var / factor - 1))
    return mean, var, got_mean, got, float(np.max(np.where(np.isnan(error), np.inf, error))), seen.outputs["0.y"]


def variance(box, conventions):
    """One pass cancels as (mean/std)**2, two passes do not; negative results tell whether it is clamped.

    float32 first: where that is computed in float64, only float64 data shows the cancellation.
    """
    said = []
    for kind, u, ratio, wild in (("float32", 2.0**-24, 1e3, 3e4), ("float64", 2.0**-53, 1e6, 1e9)):
        found = _sweep(box, kind, ratio)
        if found is None:
            continue
        error, expected = found[4], u * ratio**2
        said.append(
            f"{kind}, mean/std {ratio:g}: relative error of the variance {error:.1e} (one pass: about {expected:.0e})"
        )
        if kind == "float64" and error > 100 * expected:
            said[-1] += ", float64 is not computed as such"
        elif error >= 0.01 * expected:
            yield _one_pass(box, conventions, "; ".join(said), kind, wild)
            return
    if said:
        yield against("variance", "two-pass", "; ".join(said), conventions.variance)
    else:
        yield skipped("variance", "no probe of float64 or float32 was answered")


def _one_pass(box, conventions, evidence, kind, wild):
    lost = _sweep(box, kind, wild)
    negative, zero = int(np.sum(lost[3] < 0)), int(np.sum(lost[3] == 0))
    broken = int(np.sum(~np.isfinite(lost[5].astype(np.float64))))
    words = "one-pass" if negative or broken else "one-pass-clamped"
    evidence += (
        f"; at {wild:g}: {negative} negative, {zero} zero of {CHANNELS} variances, {broken} values of y not finite"
    )
    return against("variance", words, evidence, conventions.variance)


def _of_float64(box, conventions):
    found = _sweep(box, "float64", 1e3)
    if found is None:
        return skipped("sums of float64", "float64 is refused")
    error = float(np.max(np.abs(found[2] / found[0] - 1)))
    declared = conventions.compute.get("float64", "float64") if "float64" in conventions.dtypes else "not offered"
    words = "float64" if error < 1e-12 else "float32"
    return Finding(
        "sums of float64",
        words,
        f"batch mean: relative error {error:.1e}",
        declared,
        words == declared or declared == "not offered",
    )


def compute(box, conventions):
    """The type of the arithmetic, by the error of the mean of narrower values."""
    yield _of_float64(box, conventions)
    for kind, params in (("float32", "float32"), ("float16", "float32"), ("bfloat16", "float32")):
        asked = probe(
            f"sum-{kind}",
            shape=(4096, CHANNELS),
            x=kind,
            params=params,
            decay=0.0,
            mean=1.5,
            std=0.25,
            spread=(0.0, 0.1, 0.2),
            steps=[step(dy=None)],
        )
        got = box.ask(asked).outputs.get("0.running_mean")
        if got is None:
            yield skipped(f"arithmetic for {kind}", str(box.ask(asked).failure)[:140])
            continue
        exact = asked.tensors["0.x"].astype(np.longdouble).mean(axis=0)
        rounded = exact.astype(np.float32)
        right = int(np.sum(got.astype(np.float32) == rounded))
        error = float(np.max(np.abs(got.astype(np.longdouble) / exact - 1)))
        wide = conventions.compute[kind]
        words = "float64" if right == CHANNELS else "float32" if error < 1e-4 else "float16 or bfloat16"
        agrees = words == wide if words != "float64" else wide in ("float64", "float32")
        evidence = f"batch mean: {right} of {CHANNELS} rounded correctly, relative error {error:.1e}"
        yield Finding(f"sums of {kind}", words, evidence, wide, agrees)


def reduction(box, conventions):
    """How the error of a long sum grows: about sqrt(m) where it is blocked, m where it runs one after the other."""
    m, ratio = 65536, 1e4
    asked = probe("long", shape=(m, 4), decay=0.0, mean=ratio, spread=(0.0, 0.3, -0.4), steps=[step(dy=None)])
    got = box.ask(asked).outputs.get("0.running_mean")
    if got is None:
        yield skipped("long sums", str(box.ask(asked).failure)[:140])
        return
    exact = asked.tensors["0.x"].astype(np.longdouble).mean(axis=0)
    error = float(np.max(np.abs(got.astype(np.longdouble) / exact - 1))) * 2.0**24
    words = "sequential" if error > 2 + m**0.5 else "pairwise"
    evidence = f"m = {m}: error of the mean {error:.3g} u (pairwise at most {2 + m**0.5:.0f}, sequential {m})"
    # "sequential" is declared as an upper bound: a better sum is no breach
    yield Finding(
        "long sums", words, evidence, conventions.reduction, words == conventions.reduction or words == "pairwise"
    )
