"""Allowances of what needs no layer: folding and population statistics (BOUNDS.md)."""

import numpy as np

from ..extensions.folding import affine_form, fold
from ..layout import Layout
from .statistics import Allowance, Numerics, Statistics, batch_allowance, inverse_std_error


def population_allowances(batches, channel_axes, numerics: Numerics) -> dict[str, Allowance]:
    """Means over the batches of the batch allowances, and the roundings of these means [BN-3.4]."""
    wide = [np.asarray(x, np.float64) for x in batches]
    found = [batch_allowance(x, Layout(x.shape, channel_axes), numerics) for x in wide]
    averaging = numerics.of_sum(len(found))
    free = [at.m / (at.m - 1) for at in found]
    mean = [at.mean_error + averaging * np.abs(at.mean) for at in found]
    # two roundings for m / (m - 1) and its product
    var = [(at.var_error + (averaging + 2 * numerics.u) * at.var) * factor for at, factor in zip(found, free)]
    return {
        "running_mean": Allowance.independent(np.mean(mean, axis=0)),
        "running_var": Allowance.leaning(np.mean(var, axis=0)),
    }


def fold_allowances(
    weight, bias, gamma, beta, running_mean, running_var, *, eps, out_axis, groups, numerics: Numerics
) -> dict[str, Allowance]:
    """Roundings of a = gamma r, of a W, and of a c + b or (c - mean) a + beta, whichever is larger [BN-4.3]."""
    wide = lambda value, absent=None: absent if value is None else np.asarray(value, np.float64)
    weight, gamma, mean, var, u = wide(weight), wide(gamma), wide(running_mean), wide(running_var), numerics.u
    beta, c, zero = wide(beta, 0.0), wide(bias, np.zeros_like(var)), np.zeros_like(var)
    known, options = {"running_mean": mean, "running_var": var, "eps": eps}, {"out_axis": out_axis, "groups": groups}
    rho, _ = inverse_std_error(Statistics(mean, var, zero, zero, zero, 1), eps, numerics)
    folded, _ = fold(weight, None, np.ones_like(var) if gamma is None else gamma, **known, **options)
    plain = {"running_mean": zero, "running_var": zero + 1.0, "eps": 0.0}
    relative, _ = fold(np.ones_like(weight), None, rho + u, **plain, **options)
    a, _ = affine_form(gamma, **known)
    terms = np.abs(a * c) + 2 * np.abs(a * mean) + np.abs(beta)
    bias_error = np.abs(a * (c - mean)) * (rho + u) + u * terms + u * np.abs(a * (c - mean) + beta) + numerics.tiny
    return {
        "weight": Allowance.independent(np.abs(folded) * relative + numerics.tiny),
        "bias": Allowance.independent(bias_error),
    }
