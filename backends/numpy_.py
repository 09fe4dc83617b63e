"""The reference itself, judged like everybody else."""

from dataclasses import replace

import numpy as np

import bnconform as bn

from .contract import FLOATS, Conventions


class NumpyReference:
    """`bnconform`'s own functions; float64 inside, rounded once to the output's type."""

    conventions = Conventions(
        running_ddof=1,
        default_eps=None,
        # NumPy adds one term after the other where the axes that are reduced do not lie side by side in memory
        reduction="sequential",
        compute=dict.fromkeys(FLOATS, "float64"),
        exposes=("y", "batch_mean", "batch_var", "dx", "dgamma", "dbeta", "running_mean", "running_var"),
        ranks=(1, 2, 3, 4, 5, 6),
        offers=("as-built", "stateless-inference"),
    )

    @staticmethod
    def version() -> str:
        return f"{bn.__version__} (numpy {np.__version__})"

    def __init__(self, config, gamma, beta, running_mean, running_var):
        self.stateless = running_mean is None and not config.as_built
        if config.as_built:  # [BN-3.7]
            gamma, beta = (full(config.channels, config.param_dtype) for full in (np.ones, np.zeros))
        self.gamma, self.beta = (value if value is None else np.array(value) for value in (gamma, beta))
        self.x_type = bn.dtypes.dtype(config.x_dtype)
        self.param_type = bn.dtypes.dtype(config.param_dtype)
        self.state_type = bn.dtypes.dtype(config.state_dtype)
        self.config = config
        self.common = {"eps": config.eps, "channel_axes": config.channel_axes}
        self.running = bn.RunningState.initial(config.channels)
        if running_mean is not None:
            self.running = bn.RunningState(np.array(running_mean, np.float64), np.array(running_var, np.float64))

    @property
    def statistics(self):
        return {"running_mean": self.running.running_mean, "running_var": self.running.running_var}

    def _gradients(self, dx, dgamma, dbeta):
        out = {"dx": self._cast(dx, self.x_type)}
        if self.gamma is not None:
            out["dgamma"] = self._cast(dgamma, self.param_type)
        if self.beta is not None:
            out["dbeta"] = self._cast(dbeta, self.param_type)
        return out

    @staticmethod
    def _cast(value, dtype):
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return np.asarray(value).astype(dtype)

    def train(self, x, dy):
        return self.train_masked(x, dy, None)

    def train_masked(self, x, dy, mask):
        forward = bn.train_forward(x, self.gamma, self.beta, mask=mask, **self.common)
        self.running = self.running.update(
            forward.batch_mean,
            forward.batch_var,
            forward.m,
            decay=self.config.decay,
            running_ddof=self.conventions.running_ddof,
        )
        out = {
            "y": self._cast(forward.y, self.x_type),
            "batch_mean": self._cast(forward.batch_mean, self.state_type),
            "batch_var": self._cast(forward.batch_var, self.state_type),
        }
        if dy is not None:
            out |= self._gradients(*bn.train_backward(dy, x, self.gamma, mask=mask, **self.common))
        return out

    def timed(self, operation, x, dy):
        """The bare functions, which give float64."""
        forward = lambda: bn.train_forward(x, self.gamma, self.beta, **self.common)
        backward = lambda: bn.train_backward(dy, x, self.gamma, **self.common)
        inference = lambda: bn.inference_forward(x, self.gamma, self.beta, **self.statistics, **self.common)
        step = lambda: (forward(), backward())
        return {"forward": forward, "backward": backward, "step": step, "inference": inference}[operation]

    def infer(self, x, dy):
        if self.stateless:  # [BN-4.5]
            return self.train(x, dy)
        out = {
            "y": self._cast(
                bn.inference_forward(x, self.gamma, self.beta, **self.statistics, **self.common), self.x_type
            )
        }
        if dy is not None:
            out |= self._gradients(*bn.inference_backward(dy, x, self.gamma, **self.statistics, **self.common))
        return out

    def _of(self, mode):
        """Which statistics a derivative is taken at: those of the batch, or the running ones."""
        return self.common | ({} if mode == "train" else self.statistics)

    def jvp(self, mode, x, x_dot, gamma_dot, beta_dot):
        y_dot = bn.jvp(x, x_dot, self.gamma, gamma_dot, beta_dot, **self._of(mode))
        return {"y_dot": self._cast(y_dot, self.x_type)}

    def double_backward(self, mode, x, dy, u_x, u_gamma, u_beta):
        out = bn.second_order(x, dy, u_x, self.gamma, u_gamma, u_beta, **self._of(mode))
        return {
            "d2x": self._cast(out.d2x, self.x_type),
            "d2gamma": self._cast(out.d2gamma, self.param_type),
            "d2dy": self._cast(out.d2dy, self.x_type),
        }

    def train_shards(self, x, dy, sizes):
        """Statistics merged from the shards' own; the step itself is that of the whole batch."""
        parts = np.split(np.asarray(x), np.cumsum(sizes)[:-1])
        moments = [bn.batch_statistics(part, channel_axes=self.config.channel_axes) for part in parts]
        means, variances, counts = zip(*moments)
        mean, var, m = bn.merge_moments(means, variances, [int(np.max(count, initial=0)) for count in counts])
        before = self.running
        out = self.train(x, dy)
        self.running = before.update(mean, var, m, decay=self.config.decay, running_ddof=self.conventions.running_ddof)
        return out | {"batch_mean": self._cast(mean, self.state_type), "batch_var": self._cast(var, self.state_type)}

    def train_renorm(self, x, dy, r_max, d_max):
        limits = {"r_max": r_max, "d_max": d_max}
        before = self.running
        out = self.train(x, None)
        at = dict(running_mean=before.running_mean, running_var=before.running_var, **limits, **self.common)
        out["y"] = self._cast(bn.renorm_forward(x, self.gamma, self.beta, **at).y, self.x_type)
        if dy is not None:
            out |= self._gradients(*bn.renorm_backward(dy, x, self.gamma, **at))
        return out

    @classmethod
    def fold(cls, config, weight, bias, gamma, beta, running_mean, running_var, *, out_axis, groups):
        folded_weight, folded_bias = bn.fold(
            weight,
            bias,
            gamma,
            beta,
            running_mean=running_mean,
            running_var=running_var,
            eps=config.eps,
            out_axis=out_axis,
            groups=groups,
        )
        return {"weight": cls._cast(folded_weight, weight.dtype), "bias": cls._cast(folded_bias, weight.dtype)}

    def state(self):
        return {name: self._cast(value, self.state_type) for name, value in self.statistics.items()}

    @classmethod
    def population(cls, config, batches):
        mean, var = bn.population_statistics(batches, channel_axes=config.channel_axes)
        kind = bn.dtypes.dtype(config.state_dtype)
        return {"running_mean": cls._cast(mean, kind), "running_var": cls._cast(var, kind)}


class NumpyReferenceDdof0(NumpyReference):
    """The same functions with the other running variance [BN-3.3]."""

    conventions = replace(NumpyReference.conventions, running_ddof=0)
