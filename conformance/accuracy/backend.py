"""A `Variant` as a backend, so that the suite judges it like everybody else."""

from dataclasses import dataclass

import numpy as np

from bnconform.backends.contract import WIDENED, Conventions
from bnconform.dtypes import dtype
from bnconform.layout import Layout

from .kernels import Variant


@dataclass
class _Columns:
    """x of any layout as (m, channels) in the compute type, and back."""

    layout: Layout
    compute: np.dtype

    def flat(self, values):
        moved = np.moveaxis(values, self.layout.channel_axes, range(-len(self.layout.channel_axes), 0))
        return np.ascontiguousarray(
            moved.reshape(self.layout.m, int(np.prod(self.layout.param_shape))).astype(self.compute)
        )

    def back(self, columns, kind):
        axes, shape = self.layout.channel_axes, self.layout.shape
        moved = columns.reshape([shape[axis] for axis in (*self.layout.reduced_axes, *axes)])
        with np.errstate(all="ignore"):
            return np.moveaxis(moved, range(-len(axes), 0), axes).astype(kind)


def backend_of(variant: Variant, running_ddof: int = 1) -> type:
    """The backend class of a variant; half types are widened to float32."""

    class Layer(VariantLayer):
        kernel = variant
        conventions = Conventions(
            running_ddof=running_ddof,
            variance=variant.variance,
            reduction=variant.reduction,
            exposes=("y", "batch_mean", "batch_var", "dx", "dgamma", "dbeta", "running_mean", "running_var"),
        )

    return Layer


class VariantLayer:
    """One layer; `kernel` and `conventions` come from `backend_of`."""

    kernel: Variant
    conventions: Conventions

    def __init__(self, config, gamma, beta, running_mean, running_var):
        self.config, self.steps = config, 0
        self.has = {"dgamma": gamma is not None, "dbeta": beta is not None}
        self.compute = np.dtype(WIDENED[config.x_dtype])
        self.types = [dtype(name) for name in (config.x_dtype, config.param_dtype, config.state_dtype)]
        flat = lambda value, fill: np.ravel(np.full(config.channels, fill) if value is None else value).astype(
            self.compute
        )
        self.gamma, self.beta = flat(gamma, 1.0), flat(beta, 0.0)
        self.mean, self.var = flat(running_mean, 0.0), flat(running_var, 1.0)
        self.eps = self.compute.type(config.eps)

    def train(self, x, dy):
        columns = _Columns(Layout(x.shape, self.config.channel_axes), self.compute)
        if columns.layout.m == 0:
            zero, none, x = np.zeros_like(self.gamma), np.full_like(self.gamma, np.nan), columns.flat(x)
            return self._named(
                columns, {"y": x, "dx": x, "dgamma": zero, "dbeta": zero, "batch_mean": none, "batch_var": none}
            )
        x = columns.flat(x)
        grad = np.zeros_like(x) if dy is None else columns.flat(dy)
        out = self.kernel.train(x, grad, self.gamma, self.beta, self.eps)
        self._update(out["batch_mean"], out["batch_var"], len(x))
        return self._named(columns, out)

    def infer(self, x, dy):
        columns = _Columns(Layout(x.shape, self.config.channel_axes), self.compute)
        x = columns.flat(x)
        with np.errstate(all="ignore"):
            out = {"y": self.kernel.infer(x, self.gamma, self.beta, self.mean, self.var, self.eps)}
            if dy is not None:
                grad, r = columns.flat(dy), self.kernel.rsqrt(self.var, self.eps)
                total = self.kernel.total
                out |= {
                    "dx": grad * (self.gamma * r),
                    "dgamma": total(grad * ((x - self.mean) * r)),
                    "dbeta": total(grad),
                }
        return self._named(columns, out)

    def state(self):
        return self._named(None, {"running_mean": self.mean, "running_var": self.var})

    def _update(self, mean, var, m):
        """The state as it is stored; a variance that does not exist leaves it as it was."""
        self.steps += 1
        decay = self.config.decay if self.config.decay is not None else (self.steps - 1) / self.steps
        ddof = self.conventions.running_ddof if m > 1 else 0
        new_mean, new_var = self.kernel.update(self.mean, self.var, mean, var, m, decay, ddof)
        stored = lambda value: value.astype(self.types[2]).astype(self.compute)
        self.mean = stored(new_mean)
        if m > self.conventions.running_ddof:
            self.var = stored(new_var)

    def _named(self, columns, out):
        x_type, param_type, state_type = self.types
        shaped = {}
        with np.errstate(all="ignore"):
            for name, value in out.items():
                if name in ("y", "dx"):
                    shaped[name] = columns.back(value, x_type)
                elif self.has.get(name, True):
                    kind = param_type if name in ("dgamma", "dbeta") else state_type
                    shaped[name] = value.reshape(self.config.channels).astype(kind)
        return shaped
