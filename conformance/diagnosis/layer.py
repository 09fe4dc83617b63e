"""The whole definition under some rules: a case's inputs -> what a layer of that kind would give.

Own, flat formulas over (values, channels) tables in float64; nothing is shared with the reference, the oracle or
the mutants, so that an agreement means something.
"""

from copy import copy

import numpy as np

from ..cases.memory import words
from . import gradients
from .extras import fold, population, renorm_factors
from .moments import Moments, Raised, batch_moments, narrowed
from .rules import Rules
from .state import State
from .view import view_of

STATE_OUTPUTS = ("running_mean", "running_var")


def evaluate(case, inputs, rules: Rules, running_ddof: int) -> dict[str, np.ndarray]:
    """Outputs by name ("0.y") that a layer under `rules` gives for a case; float64.

    inputs: as `Golden.inputs`. Raises `Raised` where the layer would.
    """
    with np.errstate(all="ignore"):
        if case.steps[0].mode == "fold":
            return fold(case, inputs, rules)
        if case.steps[0].mode == "population":
            return population(case, inputs, rules)
        return Layer(case, inputs, rules, running_ddof).play()


class Layer:
    """One layer's life through the steps of a case."""

    def __init__(self, case, inputs, rules, running_ddof):
        self.case, self.inputs, self.rules = case, inputs, rules
        self.shape = tuple(case.shape[axis] for axis in case.channel_axes)
        count = int(np.prod(self.shape))
        self.gamma0 = self._parameter("gamma", 1.0, count)
        self.beta0 = self._parameter("beta", 0.0, count)
        self.trained = False
        self._set_affine("both")
        self.state = None
        if case.has_state:
            self.state = State(
                case,
                self._parameter("running_mean", 0.0, count),
                self._parameter("running_var", 1.0, count),
                rules,
                running_ddof,
            )
        self.gathered = {}

    def _set_affine(self, mode):
        """gamma and beta as a step in this mode sees them."""
        rules, case = self.rules, self.case
        gamma, beta = self.gamma0, self.beta0
        if rules.swapped == "slots":
            gamma = beta if case.has_beta else np.ones_like(gamma)
            beta = self.gamma0 if case.has_gamma else np.zeros_like(gamma)
        elif rules.swapped is True or rules.swapped == "both" and case.has_gamma and case.has_beta:
            gamma, beta = beta, gamma
        changed = rules.affine_modes in ("both", mode) and (
            rules.gamma_beta_case is None or rules.gamma_beta_case(case)
        )
        self.gamma = rules.gamma(gamma) if changed and rules.gamma and case.has_gamma else gamma
        self.beta = rules.beta(beta) if changed and rules.beta and case.has_beta else beta

    def _parameter(self, name, default, count):
        value = self.inputs.get(name)
        flat = np.full(count, default) if value is None else np.asarray(value, np.float64).reshape(-1)
        return self._narrow(name, flat)

    def along(self, name, arrays):
        """A tangent of a parameter, by channel; 0 where none is given."""
        return self._narrow(name, np.asarray(arrays[name], np.float64).reshape(-1)) if name in arrays else 0.0

    def _narrow(self, name, values):
        return narrowed(values, self._type((self.rules.narrow or {}).get(name)))

    def _type(self, kind):
        """The name of a type; "x" is that of x."""
        return self.case.x_dtype if kind == "x" else kind

    def rounded(self, values, quantity):
        """A quantity in the type that the rules hold it in."""
        return narrowed(values, self._type((self.rules.types or {}).get(quantity)))

    def play(self):
        out = {}
        for index, step in enumerate(self.case.steps):
            arrays = {name: self.inputs[f"{index}.{name}"] for name in step.inputs}
            for _ in range(step.options.get("repeat", 1)):
                found = self.step(step, arrays)
            for name in step.outputs:
                if name in found:
                    out[f"{index}.{name}"] = found[name]
        return out

    def _view(self, shape, step, read):
        """How this step's tensors are read."""
        axes = self.case.channel_axes
        if self.rules.axes:
            axes = tuple(self.rules.axes(shape, axes))
        view = view_of(shape, axes, words(step.memory)[0], read, self.rules.write)
        if view.count != self.gamma0.size:
            raise Raised
        return view

    def step(self, step, arrays):
        """All outputs of one call, in the shapes of the case."""
        rules = self.rules
        view = self._view(arrays["x"].shape, step, rules.read)
        x = self._narrow("x", self._taken(view.rows(arrays["x"])))
        plain = view if rules.read_dy == "same" else self._view(arrays["x"].shape, step, rules.read_dy)
        table = lambda name: plain.rows(arrays[name]) if name in arrays else None
        dy = self._given(table("dy"))
        mask = view.rows(np.broadcast_to(arrays["mask"], arrays["x"].shape)) > 0.5 if "mask" in arrays else None
        training = self._training(step, dy)
        self._set_affine("train" if training else "infer")
        given_mask = int(np.sum(arrays["mask"])) if mask is not None else None
        batch = batch_moments(x, view, rules, mask, step.options.get("sizes"), given_mask, self.case.x_dtype)
        moves = (
            step.mode in ("train", "renorm", *rules.update_in)
            or rules.sticky
            and training
            and "sticky" in rules.update_in
        )
        if rules.by_gradient:
            moves = training
        self.trained = self.trained or training
        before = self.state.used() if self.state else None
        if rules.mask_factor == "all" and mask is not None:
            batch.factor_m = np.full_like(batch.m, view.m)
        self.updated = (
            self._after(batch, view) if (rules.gradient_stats or {}).get("train") == "updated" and training else None
        )
        if training and rules.train_stats == "blended" and self.state:
            self.state.update(batch, view)
        norm = self._normalizer(batch, training)
        factors = renorm_factors(self, batch, before, step, view) if step.mode == "renorm" else None
        at = gradients.Point(self, x, norm, training, view, mask, factors, step)
        out = {"y": view.back(self._y(at, mask))}
        if dy is not None:
            out |= self._gradients(at, dy, plain)
        for call in (gradients.tangent, gradients.second):
            out |= call(self, at, arrays, table, view)
        shape = self.shape
        if step.mode in ("train", "renorm"):
            out |= self._batch(batch, shape)
        self._move(moves, training, batch, view, dy)
        if self.state:
            out |= {name: value.reshape(shape) for name, value in zip(STATE_OUTPUTS, self.state.given())}
        return out

    def _move(self, moves, training, batch, view, dy):
        if not self.state:
            return
        if not moves:
            self.state.keep()
        elif not (training and self.rules.train_stats == "blended"):
            for moments in batch.parts or (batch,):
                self.state.update(moments, view, dy is not None)

    def _after(self, batch, view):
        """The running statistics that this step will leave."""
        if not self.state:
            return None
        kept = copy(self.state)
        kept.update(batch, view)
        return kept.used()

    def _given(self, dy):
        if dy is None:
            return None
        if self.rules.dy_limit is not None:
            dy = np.clip(dy, -self.rules.dy_limit, self.rules.dy_limit)
        return self._narrow("dy", dy)

    def _taken(self, x):
        """x as a layer that fears non-finite values takes it [BN-7.1]."""
        rules = self.rules
        if rules.x_limit is not None:
            x = np.clip(x, -rules.x_limit, rules.x_limit)
        if rules.nonfinite == "zeroed":
            return np.where(np.isfinite(x), x, 0.0)
        if rules.nonfinite == "nan zeroed":
            return np.where(np.isnan(x), 0.0, x)
        if rules.nonfinite == "clipped":
            return np.nan_to_num(x, nan=0.0, posinf=np.finfo(np.float32).max, neginf=np.finfo(np.float32).min)
        return x

    def _training(self, step, dy):
        rules = self.rules
        if rules.by_gradient:
            return dy is not None
        if rules.sticky and self.trained:
            return True
        return self.case.trains(step) or rules.frozen_trains and step.mode == "frozen"

    def _normalizer(self, batch, training) -> Moments:
        """The statistics that normalize, with ddof as the rules have it."""
        rules = self.rules
        choice = rules.train_stats if training else rules.infer_stats
        if rules.one_uses_running and training and np.all(batch.m == 1):
            choice = "running"
        var = batch.var * (batch.m / (batch.m - rules.normalizer_ddof)) if rules.normalizer_ddof else batch.var
        mean = batch.mean
        if self.state is None:
            return Moments(mean, var, batch.m, batch.average)
        state_mean, state_var = self.state.used()
        if choice in ("running", "blended", "mean running", "var batch"):
            mean = state_mean[None]
        if choice in ("running", "blended", "var running", "mean batch"):
            var = state_var[None]
        if rules.inference_ddof and not training:
            var = var * batch.m / (batch.m - 1)
        if rules.channels and (training or rules.channels_inference):
            mean, var = rules.channels(mean), rules.channels(var)
        return Moments(mean, var, batch.m, batch.average)

    def root(self, var, training, eps_rule=None):
        """1/sqrt(var + eps) [BN-2.3] and the factor that its derivative takes beside that form."""
        rules, eps = self.rules, self.case.eps
        if rules.eps_modes not in ("both", "train" if training else "infer"):
            return 1 / np.sqrt(var + eps), 1.0
        change = eps_rule or rules.eps
        eps = change(self.case) if change else eps
        r, kappa = self._inverse(var, eps)
        return self.rounded(r, "r"), kappa

    def _inverse(self, var, eps):
        """1/sqrt(var + eps) in the form of the rules, and the factor of its derivative."""
        rules, form, std = self.rules, self.rules.eps_form, np.sqrt(var)
        if form == "inside":
            r = 1 / np.sqrt(var + eps)
            return (rules.r_scale(r) if rules.r_scale else r), 1.0
        if form == "missing":
            return 1 / std, 1.0
        if form == "outside":
            return 1 / (std + eps), (std + eps) / std
        if form == "inside and outside":
            return 1 / (np.sqrt(var + eps) + eps), (np.sqrt(var + eps) + eps) / np.sqrt(var + eps)
        if form == "clamped":
            return 1 / np.sqrt(np.maximum(var, eps)), (var > eps) * 1.0
        if form == "clamped std":
            return 1 / np.maximum(std, eps), (std > eps) * 1.0
        if form == "clamped root":
            return 1 / np.maximum(std, np.sqrt(eps)), (var > eps) * 1.0
        if form == "root outside":
            return 1 / (std + np.sqrt(eps)), (std + np.sqrt(eps)) / std
        if form == "no root":
            return 1 / (var + eps), 2.0 / np.sqrt(var + eps)
        raise ValueError(form)

    def _y(self, at, mask):
        rules = self.rules
        if rules.y_of:
            y = rules.y_of(at.x_hat, self.gamma, self.beta)
        else:
            y = self.gamma * at.hat_out + self.beta
        if not at.training and "folded" in (rules.types or {}):
            scale = self.rounded(self.gamma * at.r, "folded")
            y = self.rounded(scale * at.x, "folded product") + self.rounded(
                self.beta - at.norm.mean * (self.gamma * at.r if rules.types.get("folded shift") == "exact" else scale),
                "folded",
            )
        if rules.y_limit is not None:
            y = np.clip(y, -rules.y_limit, rules.y_limit)
        if rules.nonfinite == "y zeroed":
            y = np.where(np.isfinite(y), y, 0.0)
        if mask is not None and rules.mask_output:
            y = np.where(mask, y, {"zero": 0.0, "x": at.x, "beta": self.beta}[rules.mask_output])
        return self.rounded(y, "y")

    def _gradients(self, at, dy, view):
        shape = self.shape
        dx, dgamma, dbeta = gradients.first(self, at, dy)
        if self.rules.parameters_swapped:
            dgamma, dbeta = dbeta, dgamma
        out = {"dx": view.back(self.rounded(dx, "dx")), "dgamma": dgamma.reshape(shape), "dbeta": dbeta.reshape(shape)}
        if self.rules.accumulate:
            for name in ("dgamma", "dbeta"):
                out[name] = self.gathered[name] = out[name] + self.gathered.get(name, 0.0)
        return out

    def _batch(self, batch, shape):
        rules = self.rules
        var = batch.state_var
        if rules.reported_ddof:
            m = np.asarray(batch.m).reshape(-1)
            var = var * m / (m - rules.reported_ddof)
        return {"batch_mean": batch.state_mean.reshape(shape), "batch_var": var.reshape(shape)}
