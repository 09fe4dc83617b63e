"""Scores of many variants over many random problems: error / allowance, worst of each problem and output."""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from bnconform.allowance import Allowance, Numerics, StateAllowance, batch_allowance
from bnconform.allowance.step import step_allowances
from bnconform.layout import Layout

from ..judge.aggregate import aggregate
from . import exact
from .kernels import Variant
from .problems import Batch

OUTPUTS = (
    "y", "batch_mean", "batch_var", "running_mean", "running_var", "dx", "dgamma", "dbeta",
    "y, inference", "y_dot", "d2x", "d2gamma", "d2dy",
)  # fmt: skip


@np.errstate(all="ignore")
def allowances_of(batch: Batch, numerics: Numerics) -> dict[str, Allowance]:
    """Allowances of every output of a batch of problems, its columns as channels."""
    layout = Layout(batch.x.shape, 1)
    x = batch.x.astype(np.float64)
    at = batch_allowance(x, layout, numerics)
    step = {"x": x, "dy": batch.dy, "x_dot": batch.x_dot, "gamma_dot": batch.beta, "beta_dot": batch.gamma}
    step |= {"u_x": batch.x_dot, "u_gamma": batch.beta, "u_beta": batch.gamma}
    common = {"eps": batch.eps, "channel_axes": 1, "numerics": numerics}
    out = step_allowances(step, batch.gamma, batch.beta, at, training=True, **common)
    before = StateAllowance.initial(batch.running_mean, batch.running_var)
    decay = float(batch.x.dtype.type(batch.decay))
    after = before.update(at, decay=decay, running_ddof=batch.ddof, dtype=batch.dtype, compute=batch.dtype)
    inference = step_allowances({"x": x}, batch.gamma, batch.beta, before.statistics(batch.m), training=False, **common)
    return out | {
        "batch_mean": Allowance.independent(at.mean_error),
        "batch_var": Allowance.leaning(np.maximum(at.var_error, at.var_short)),
        "running_mean": Allowance.independent(after.mean_error),
        "running_var": Allowance.leaning(after.var_error),
        "y, inference": inference["y"],
    }


@np.errstate(all="ignore")
def computed(batch: Batch, variant: Variant) -> dict[str, np.ndarray]:
    """What a variant makes of a batch, by the names of `OUTPUTS`."""
    kind = batch.x.dtype
    eps = batch.eps.astype(kind)
    out = variant.train(batch.x, batch.dy, batch.gamma, batch.beta, eps)
    statistics = out["batch_mean"], out["batch_var"]
    state = variant.update(batch.running_mean, batch.running_var, *statistics, batch.m, batch.decay, batch.ddof)
    out |= variant.derivatives(batch.x, batch.dy, batch.x_dot, batch.gamma, batch.beta, batch.gamma, eps)
    at = batch.running_mean, batch.running_var
    out["y, inference"] = variant.infer(batch.x, batch.gamma, batch.beta, *at, eps)
    return out | dict(zip(("running_mean", "running_var"), state))


@dataclass
class Scores:
    """Worst score of every problem by (variant, output), each with the problem's mean / std; scores of the sums by
    batch."""

    ratios: list = field(default_factory=list)
    worst: dict = field(default_factory=lambda: defaultdict(list))
    sums: dict = field(default_factory=lambda: defaultdict(list))
    problems: int = 0

    def of(self, variant: str, output: str) -> np.ndarray:
        return np.concatenate(self.worst[variant, output])

    @property
    def ratio(self) -> np.ndarray:
        return np.concatenate(self.ratios)


@np.errstate(all="ignore")
def score(error, allowed) -> np.ndarray:
    """error / allowance; 0 where there is no error, infinite where it is not a number, NaN where there is no bound."""
    size = np.abs(error)
    ratio = np.where(size == 0, 0.0, size / allowed)
    return np.where(np.isinf(allowed), np.nan, np.where(np.isnan(ratio), np.inf, ratio))


def gather(batches, variants, sums_of=("y", "dx"), sums_every=4) -> Scores:
    """Judge `variants` on `batches`. sums_of: outputs whose errors are also judged together, in every `sums_every`-th
    batch."""
    found = Scores()
    for index, batch in enumerate(batches):
        wanted = exact.values(batch)
        allowed = {}
        found.ratios.append(batch.ratio)
        found.problems += batch.x.shape[1]
        for variant in variants:
            numerics = Numerics(batch.dtype, variant.variance, variant.reduction)
            if numerics not in allowed:
                allowed[numerics] = allowances_of(batch, numerics)
            got = computed(batch, variant)
            for output in OUTPUTS:
                error = (got[output] - wanted[output]).astype(np.float64)
                ratio = score(error, allowed[numerics][output].element)
                found.worst[variant.name, output].append(np.max(ratio.reshape(-1, batch.x.shape[1]), axis=0))
                if output in sums_of and index % sums_every == 0:
                    both = aggregate(error, wanted[output].astype(np.float64), allowed[numerics][output])
                    found.sums[variant.name, output].append(both.score)
    return found
