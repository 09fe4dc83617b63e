"""The rest of the right layer: masks, shards, renormalization, folding, population [BN-3.4, BN-4.3, section 6]."""

import numpy as np

from .layer import Sound, quiet
from .sound import expect


class Masked(Sound):
    """Statistics over marked values only."""

    def check_mask(self, mask):
        expect(mask.dtype == np.bool_, f"mask has dtype {mask.dtype}, expected bool", "BN-6.1")

    def keep(self, mask, x):
        """The mask as rows."""
        spread = np.broadcast_to(mask, x.shape)
        kept, self.type = self.type, np.dtype(bool)
        try:
            return self.rows(spread)
        finally:
            self.type = kept

    def train_masked(self, x, dy, mask):
        self.check_mask(mask)
        return self.train(x, dy, keep=self.keep(mask, x))


class Synchronized(Masked):
    """One batch over shards [BN-6.3]."""

    def weights(self, counts):
        return [count / sum(counts) for count in counts]

    def merge(self, means, variances, counts):
        """Moments of the union of shards."""
        weights = self.weights(counts)
        mean = sum(w * m for w, m in zip(weights, means))
        spread = [var + self.offset(part, mean) for var, part in zip(variances, means)]
        return mean, sum(w * s for w, s in zip(weights, spread)), sum(counts)

    def offset(self, part, mean):
        return (part - mean) ** 2

    @quiet
    def train_shards(self, x, dy, sizes):
        parts = [part for part in np.split(x, np.cumsum(sizes)[:-1]) if len(part)]
        moments = [self.moments(self.rows(part)) for part in parts]
        return self.train(x, dy, moments=self.merge(*zip(*moments)))


class Renormalized(Synchronized):
    """Batch renormalization [BN-6.4]."""

    def check_limits(self, r_max, d_max):
        expect(
            r_max >= 1 and d_max >= 0, f"r_max is {r_max}, d_max {d_max}, expected r_max >= 1 and d_max >= 0", "BN-6.4"
        )

    def factor(self, at, running_r, r_max):
        return np.clip(running_r / at.r, 1 / r_max, r_max)

    def displacement(self, at, running_mean, running_r, d_max):
        return np.clip((at.mean - running_mean) * running_r, -d_max, d_max)

    def running_for_renorm(self, before):
        """The running values that r and d come from."""
        return before

    @quiet
    def train_renorm(self, x, dy, r_max, d_max):
        self.check_limits(r_max, d_max)
        self.check_input(x, dy)
        at, before = self.training_point(x), self.running.copy()
        self.update(at.mean, at.var, at.count)
        running = self.running_for_renorm(before)
        running_r = self.inverse_std(running["var"])
        r, d = self.factor(at, running_r, r_max), self.displacement(at, running["mean"], running_r, d_max)
        out = {"y": self.give_rows(self.affine(at.x_hat * r + d, at), x)} | self.batch(at.mean, at.var)
        return out if dy is None else out | self.renorm_gradients(dy, at, r, d, x)

    def renorm_gradients(self, dy, at, r, d, x):
        rows = self.rows(dy)
        out = {"dx": self.give_rows(self.renorm_dx(rows, at, r), x)}
        if self.gamma is not None:
            out["dgamma"] = self.give_column(self.renorm_dgamma(rows, at, r, d), "param")
        if self.beta is not None:
            out["dbeta"] = self.give_column(self.beta_gradient(rows, at), "param")
        return out

    def renorm_dx(self, dy, at, r):
        return self.gradient(dy, at) * r

    def renorm_dgamma(self, dy, at, r, d):
        return self.total(dy * (at.x_hat * r + d))


class Base(Renormalized):
    """The right layer with everything in it; the mutants are its subclasses."""

    @classmethod
    @quiet
    def fold(cls, config, weight, bias, gamma, beta, running_mean, running_var, *, out_axis, groups):
        layer = cls(config, gamma, beta, running_mean, running_var)
        a = (layer.scale * layer.fold_inverse_std()).ravel()
        layer.check_fold(weight, len(a), out_axis, groups)
        wide = weight.astype(layer.type)
        return {
            "weight": layer.fold_weight(wide, a, out_axis, groups).astype(weight.dtype),
            "bias": layer.fold_bias(a, np.zeros_like(a) if bias is None else bias.astype(layer.type)).astype(
                weight.dtype
            ),
        }

    def fold_inverse_std(self):
        return self.inference_inverse_std(self.running["var"])

    def check_fold(self, weight, outputs, out_axis, groups):
        got = weight.shape[out_axis] * groups
        expect(got == outputs, f"the weight has {got} outputs, expected {outputs} as the statistics", "BN-4.3")

    def fold_weight(self, weight, a, out_axis, groups):
        """Each output's weights times its own a; with groups the inputs (axis 0) say which group it is."""
        size = weight.shape[out_axis]
        across = [size if axis == out_axis else 1 for axis in range(weight.ndim)]
        if groups == 1:
            return weight * a.reshape(across)
        parts = np.split(weight, groups, axis=0)
        return np.concatenate([part * piece.reshape(across) for part, piece in zip(parts, np.split(a, groups))])

    def fold_bias(self, a, bias):
        shift = np.broadcast_to(np.ravel(self.shift), a.shape)
        return a * (bias - self.running["mean"].ravel()) + shift

    @classmethod
    @quiet
    def population(cls, config, batches):
        layer = cls(config, None, None, None, None)
        found = [layer.moments(layer.rows(x)) for x in batches]
        mean, var = layer.pool(*zip(*found))
        return {"running_mean": layer.give_column(mean, "state"), "running_var": layer.give_column(var, "state")}

    def check_population(self, counts):
        expect(
            counts and min(np.min(count) for count in counts) >= 2,
            "a batch has fewer than 2 values a channel",
            "BN-3.4",
        )

    def pool(self, means, variances, counts):
        """The paper's estimate over batches; every batch counts once [BN-3.4]."""
        self.check_population(counts)
        unbiased = [self.population_variance(var, count) for var, count in zip(variances, counts)]
        weights = self.population_weights(counts)
        return sum(w * m for w, m in zip(weights, means)), sum(w * v for w, v in zip(weights, unbiased))

    def population_weights(self, counts):
        return [1 / len(counts)] * len(counts)

    def population_variance(self, var, count):
        return var * count / (count - 1)
