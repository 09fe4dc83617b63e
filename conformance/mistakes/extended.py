"""The rest of the right layer: masks, shards, renormalization, folding, population [BN-3.4, BN-4.3, section 6]."""

from dataclasses import replace as with_conventions

import numpy as np

from .chain import quiet
from .layer import Layer


class Masked(Layer):
    """Statistics over marked values only."""

    @quiet
    def train_masked(self, x, dy, mask):
        mode = self.begin("train", {"x": x, "dy": dy, "mask": mask})
        self.expect("mask", mask.dtype == np.bool_, f"mask has dtype {mask.dtype}, expected bool", "BN-6.1")
        rows = self.read(mask)
        return self.step(rows, dy, mode, self.at.mask)


class Synchronized(Masked):
    """One batch over shards [BN-6.3]."""

    def merge(self, means, variances, counts):
        """Moments of the union of shards."""
        weights = self.be("shard_weights", [count / sum(counts) for count in counts])
        mean = sum(w * m for w, m in zip(weights, means))
        spread = [var + self.be("shard_offset", (part - mean) ** 2) for var, part in zip(variances, means)]
        return mean, sum(w * s for w, s in zip(weights, spread)), sum(counts)

    @quiet
    def train_shards(self, x, dy, sizes):
        mode = self.begin("train", {"x": x, "dy": dy}, sizes=sizes)
        rows = self.read()
        alone = self.be("shards", None)
        if alone is not None:
            return self.end(alone)
        parts = [self.rows(part) for part in np.split(x, np.cumsum(sizes)[:-1]) if len(part)]
        return self.step(rows, dy, mode, moments=self.merge(*zip(*map(self.moments, parts))))


class Renormalized(Synchronized):
    """Batch renormalization [BN-6.4]."""

    @quiet
    def train_renorm(self, x, dy, r_max, d_max):
        at, mode = self.at, self.begin("renorm", {"x": x, "dy": dy}, r_max=r_max, d_max=d_max)
        limits = f"r_max is {r_max}, d_max {d_max}, expected r_max >= 1 and d_max >= 0"
        self.expect("limits", r_max >= 1 and d_max >= 0, limits, "BN-6.4")
        rows = self.read()
        if mode != "renorm":
            return self.step(rows, dy, mode)
        mean, var, m = self.moments(rows)
        self.before()
        self.update(mean, var, m)
        self.settle(mean, var)
        r, d = self.corrections(r_max, d_max)
        y = self.be("y", at.gamma * (at.x_hat * r + d) + at.beta)
        out = {"y": self.give_rows(y, x)} | self.batch(mean, var)
        return self.end(out if dy is None else out | self.renorm_gradients(dy, r, d, x))

    def corrections(self, r_max, d_max):
        """r and d, from the running values before the step."""
        at = self.at
        running = self.be("renorm_from", at.before)
        self.inverse_root("running_root", running["var"])
        ratio, gap = at.running_root / at.root, at.mean_used - running["mean"]
        at.limits, at.ratio, at.gap = (r_max, d_max), ratio, gap
        r = self.be("renorm_r", np.clip(ratio, 1 / r_max, r_max))
        return r, self.be("renorm_d", np.clip(gap * at.running_root, -d_max, d_max))

    def renorm_gradients(self, dy, r, d, x):
        at = self.at
        self.backward_point()
        dy = self.be("dy", self.rows(dy, name="dy"))
        dx = self.be("dx", at.factor * self.project(dy, "dy") * self.be("renorm_factor", r))
        x_hat = self.be("renorm_x_hat", at.x_hat_grad * r + d)
        sums = self.total(dy * x_hat, None, "dgamma"), self.total(dy, None, "dbeta")
        return {"dx": self.give_rows(dx, x)} | self.parameter_gradients(*sums)


class Base(Renormalized):
    """The right layer with everything in it."""

    @classmethod
    @quiet
    def fold(cls, config, weight, bias, gamma, beta, running_mean, running_var, *, out_axis, groups):
        layer = cls(config, gamma, beta, running_mean, running_var)
        layer.at.begin("fold", {}, {"out_axis": out_axis, "groups": groups})
        return layer.folded(weight, bias, out_axis, groups)

    def folded(self, weight, bias, out_axis, groups):
        gamma = self.be("fold_gamma", np.ones_like(self.running["var"]) if self.gamma is None else self.gamma)
        self.be("eps", self.type.type(self.config.eps))
        root = self.inverse_root("fold_root", self.running["var"])
        a, got = (gamma * root).ravel(), weight.shape[out_axis] * groups
        known = f"the weight has {got} outputs, expected {len(a)} as the statistics"
        self.expect("outputs", got == len(a), known, "BN-4.3")
        wide = weight.astype(self.type)
        scaled = self.be("fold_weight", along(wide, np.resize(a, got), out_axis, groups), weight=wide, a=a)
        c = np.zeros_like(a) if bias is None else np.resize(bias.astype(self.type), a.shape)
        c = self.be("fold_c", c)
        mean = self.be("fold_mean", self.running["mean"].ravel())
        beta = self.be("fold_beta", np.zeros_like(a) if self.beta is None else self.beta.ravel())
        found = {"weight": scaled, "bias": self.be("fold_bias", a * (c - mean) + beta, a=a, c=c)}
        found = found if self.exactly else {name: value.astype(weight.dtype) for name, value in found.items()}
        return self.end(found)

    @classmethod
    @quiet
    def population(cls, config, batches):
        layer = cls(config, None, None, None, None)
        layer.at.begin("population", {"x": batches[0]} if batches else {}, {})
        means, variances, counts = zip(*(layer.moments(layer.rows(x)) for x in batches)) if batches else ((), (), ())
        mean, var = layer.pool(means, variances, counts)
        return layer.end(
            {"running_mean": layer.give_column(mean, "state"), "running_var": layer.give_column(var, "state")}
        )

    def pool(self, means, variances, counts):
        """The paper's estimate over batches; every batch counts once [BN-3.4]."""
        enough = bool(counts) and min(np.min(count) for count in counts) >= 2
        self.expect("population", enough, "a batch has fewer than 2 values a channel", "BN-3.4")
        unbiased = [
            self.be("population_var", var * count / (count - 1), m=count, variance=var)
            for var, count in zip(variances, counts)
        ]
        weights = self.be("population_weights", [1 / len(counts)] * len(counts), counts=counts)
        return sum(w * m for w, m in zip(weights, means)), sum(w * v for w, v in zip(weights, unbiased))


def along(weight, a, out_axis, groups):
    """Each output's weights times its own a; with groups the inputs (axis 0) say which group it is [BN-4.3]."""
    size = weight.shape[out_axis]
    across = [size if axis == out_axis else 1 for axis in range(weight.ndim)]
    if groups == 1:
        return weight * a.reshape(across)
    parts = np.split(weight, groups, axis=0)
    return np.concatenate([part * piece.reshape(across) for part, piece in zip(parts, np.split(a, groups))])


def layer(points=(), *, exactly=False, states=None, traces=None, name="Wrong", **conventions) -> type:
    """The right layer with these mistakes in it, as a backend's class. conventions: what it declares otherwise."""
    grouped = {}
    for point in points:
        grouped.setdefault(point.where, []).append(point)
    declared = with_conventions(Base.conventions, **conventions) if conventions else Base.conventions
    own = {"points": grouped, "exactly": exactly, "states": states or {}, "traces": traces, "conventions": declared}
    return type(name, (Base,), own)
