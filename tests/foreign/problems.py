"""Small problems for checking the labels, and their answers by formulas in float64 that are this module's own.

A problem is a layer and a few steps. Each step's attributes are what a label's `condition` may speak of.
"""

from dataclasses import dataclass

import ml_dtypes
import numpy as np

from bnconform.backends.contract import Config

TYPES = {"bfloat16": ml_dtypes.bfloat16}


@dataclass(frozen=True)
class Step:
    """mode: train, infer or frozen. shape: None for the layer's own. with_dy: gradients are asked for."""

    mode: str = "train"
    shape: tuple | None = None
    with_dy: bool = True
    mask: tuple | None = None


@dataclass(frozen=True)
class Problem:
    """scale: the standard deviation of x. offset: its mean, times 1, 2, … by channel. spread: how far the means of samples drift."""

    name: str
    shape: tuple
    axes: tuple = (1,)
    steps: tuple = (Step(), Step(), Step("infer"))
    dtype: str = "float32"
    eps: float = 1e-3
    decay: float | None = 0.75
    scale: float = 1.0
    offset: float = 0.5
    affine: str = "gamma beta"
    tracked: bool = True
    spread: float = 0.0

    def config(self):
        kinds = {"x_dtype": self.dtype} | (
            {"param_dtype": "float64", "state_dtype": "float64"} if self.dtype == "float64" else {}
        )
        return Config(self.shape, self.axes, self.eps, self.decay, **kinds)

    def layer(self, backend):
        """(the backend's layer, gamma, beta, running_mean, running_var) with the values it was built from."""
        config = self.config()
        rng = np.random.default_rng(len(self.name))
        kind = "float64" if self.dtype == "float64" else "float32"
        size = config.channels
        gamma = rng.uniform(0.5, 2, size) * np.where(np.arange(np.prod(size)).reshape(size) % 3 == 1, -1, 1)
        values = [gamma.astype(kind), rng.normal(size=size).astype(kind)]
        values = [v if name in self.affine else None for v, name in zip(values, ("gamma", "beta"))]
        state = [rng.normal(size=size).astype(kind) + 2, rng.uniform(0.5, 3, size).astype(kind) * self.scale**2]
        values += state if self.tracked else [None, None]
        return backend(config, *(None if v is None else v.copy() for v in values)), values

    def inputs(self):
        """(step, x, dy, mask) of each step."""
        rng = np.random.default_rng(1 + len(self.name))
        kind = TYPES.get(self.dtype, self.dtype)
        for step in self.steps:
            shape = step.shape or self.shape
            size = [n if a in self.axes else 1 for a, n in enumerate(shape)]
            level = self.offset * (1 + np.arange(np.prod(size)).reshape(size))
            drift = np.linspace(-self.spread, self.spread, shape[0]).reshape([-1] + [1] * (len(shape) - 1))
            x = (level + drift + self.scale * rng.normal(size=shape)).astype(kind)
            dy = rng.normal(size=shape) + 0.4 + 0.3 * ((x.astype(float) - level) / self.scale) ** 2
            mask = None if step.mask is None else rng.uniform(size=step.mask) < 0.6
            yield step, x, dy.astype(kind) if step.with_dy else None, mask


def attributes(problem):
    """For each step the names that a condition may use (README.md)."""
    trained, used, first_use, backward = 0, 0, None, False
    rank = len(problem.shape)
    first = None
    for number, step in enumerate(problem.steps):
        shape = step.shape or problem.shape
        channels = int(np.prod([shape[a] for a in problem.axes]))
        m = int(np.prod([n for a, n in enumerate(shape) if a not in problem.axes]))
        first = m if first is None else first
        yield {
            "rank": rank, "shape": shape, "N": shape[0], "C": channels, "m": m, "m_first": first, "channel_axes": problem.axes,
            "channels_last": problem.axes == (rank - 1,) and rank > 2, "dtype": problem.dtype, "eps": problem.eps,
            "decay": problem.decay, "affine": problem.affine, "tracked": problem.tracked, "mode": step.mode,
            "training": step.mode == "train", "has_dy": step.with_dy, "step": number, "trained": trained,
            "masked": step.mask is not None, "used": used, "trained_when_first_used": first_use, "backward_before": backward,
        }  # fmt: skip
        trained += step.mode == "train"
        if step.mode != "train":
            used, first_use = used + 1, trained if first_use is None else first_use
        backward = backward or step.with_dy


def truth(problem, values, ddof):
    """The outputs of each step in float64 [BN-2, BN-3, BN-4, BN-5, BN-6.1, BN-6.2]."""
    gamma, beta, mean_now, var_now = (None if v is None else v.astype(float) for v in values)
    counted = {"mean": 0, "var": 0}
    front, places = problem.axes, range(len(problem.axes))
    lead = lambda v: np.moveaxis(v.astype(float), front, places)
    for step, x, dy, mask in problem.inputs():
        inside = lead(np.ones(x.shape) if mask is None else np.broadcast_to(mask, x.shape))
        x = lead(x)
        wide = lambda v: np.asarray(v).reshape(np.shape(v) + (1,) * (x.ndim - len(front)))
        total = lambda v: v.sum(tuple(range(len(front), v.ndim)))
        m = total(inside)
        if step.mode == "train":
            mean = total(x * inside) / np.maximum(m, 1)
            var = total(inside * (x - wide(mean)) ** 2) / np.maximum(m, 1)
        else:
            mean, var = mean_now, var_now
        r = 1 / np.sqrt(var + problem.eps)
        x_hat = (x - wide(mean)) * wide(r)
        g = 1 if gamma is None else wide(gamma)
        out = {"y": g * x_hat + (0 if beta is None else wide(beta))}
        if dy is not None:
            dy = lead(dy)
            out |= {"dgamma": total(dy * x_hat), "dbeta": total(dy)}
            through = wide(out["dbeta"] / np.maximum(m, 1)) + x_hat * wide(out["dgamma"] / np.maximum(m, 1))
            out["dx"] = g * wide(r) * (dy - (inside * through if step.mode == "train" else 0))
            out = {name: v for name, v in out.items() if name not in ("dgamma", "dbeta") or name[1:] in problem.affine}
        out |= {name: np.moveaxis(out[name], places, front) for name in ("y", "dx") if name in out}
        if step.mode == "train" and problem.tracked:
            blended = {"mean": (mean_now, mean, m > 0), "var": (var_now, var * m / np.maximum(m - ddof, 1), m > ddof)}
            fresh = {}
            for name, (old, new, exists) in blended.items():
                decay = 1 - 1 / (counted[name] + 1) if problem.decay is None else problem.decay
                counted[name] += bool(np.all(exists))
                fresh[name] = np.where(exists, decay * old + (1 - decay) * new, old)
            mean_now, var_now = fresh["mean"], fresh["var"]
        if problem.tracked:
            out |= {"running_mean": mean_now, "running_var": var_now}
        yield out


TRAIN, EVAL = Step(), Step("infer")
PROBLEMS = (
    Problem("dense", (6, 3)),
    Problem("dense odd", (7, 5), eps=0.25, decay=0.3),
    Problem("narrow", (9, 2), scale=0.02, eps=1e-5),
    Problem("tiny variance", (8, 2), scale=3e-4, eps=1e-8, offset=0.001),
    Problem("ncl", (4, 3, 5), steps=(TRAIN, Step("frozen"), TRAIN, EVAL)),
    Problem("nlc", (4, 5, 3), axes=(2,), steps=(TRAIN, EVAL)),
    Problem("images", (4, 3, 3, 5), steps=(TRAIN, EVAL, TRAIN, EVAL)),
    Problem("images last", (3, 4, 2, 6), axes=(3,), eps=1e-5),
    Problem("volumes", (2, 3, 2, 3, 2), steps=(TRAIN, EVAL)),
    Problem("many channels", (3, 2, 70), axes=(2,), steps=(TRAIN,)),
    Problem("per activation", (9, 2, 3), axes=(1, 2), spread=1.0),
    Problem("axes unsorted", (8, 2, 3), axes=(2, 1)),
    Problem("one value", (1, 4), steps=(TRAIN,)),
    Problem("empty batch!", (4, 2), steps=(Step(shape=(0, 2)), TRAIN)),
    Problem("one sample of images", (1, 3, 4, 4), steps=(TRAIN, TRAIN)),
    Problem("no gradient", (6, 2), steps=(Step(with_dy=False), Step("infer", with_dy=False))),
    Problem("many values", (150, 2, 2), steps=(TRAIN, EVAL), spread=2.0),
    Problem("very many values", (600, 2, 4), steps=(TRAIN,), spread=2.0),
    Problem("many samples", (900, 2, 1, 1), steps=(TRAIN,), spread=1.0),
    Problem("batches vary", (8, 3), steps=(TRAIN, Step(shape=(5, 3)), EVAL, TRAIN, EVAL, TRAIN, EVAL)),
    Problem("cumulative", (6, 3), decay=None, steps=(TRAIN, TRAIN, TRAIN)),
    Problem("long", (5, 3), steps=(TRAIN, TRAIN, TRAIN, EVAL, TRAIN, EVAL, TRAIN)),
    Problem("shift only", (6, 4), affine="beta"),
    Problem("scale only", (6, 4), affine="gamma"),
    Problem("bare", (6, 4, 3), affine="", tracked=False, steps=(TRAIN,)),
    Problem("offset", (16, 3), offset=3000.0, steps=(TRAIN, EVAL)),
    Problem("large", (16, 3), scale=25.0, steps=(TRAIN, EVAL), spread=20.0),
    Problem("half", (12, 3, 5), dtype="float16", steps=(TRAIN, EVAL), scale=90.0),
    Problem("half many values", (700, 2, 4), dtype="float16", steps=(TRAIN, TRAIN)),
    Problem("brain", (12, 3, 5), dtype="bfloat16", steps=(TRAIN, EVAL)),
    Problem("double", (5, 3), dtype="float64"),
    Problem("masked", (4, 3, 5), steps=(Step(mask=(4, 1, 5)), EVAL)),
    Problem("masked samples", (6, 3, 4), steps=(Step(mask=(6, 1, 1)), EVAL)),
)
