"""The running statistics under some rules [BN-3]."""

import numpy as np

from .moments import Raised, narrowed
from .rules import Rules


def converted(var, kind, eps):
    """A variance as another kind of number."""
    if kind == "std":
        return np.sqrt(var)
    if kind == "std with eps":
        return np.sqrt(var + eps)
    if kind == "inverse std":
        return 1 / np.sqrt(var + eps)
    if kind == "inverse std without eps":
        return 1 / np.sqrt(var)
    return var + eps if kind == "with eps" else var


class State:
    """running_mean and running_var (channels,), what of them is given out, and what inference takes."""

    def __init__(self, case, mean, var, rules: Rules, running_ddof: int):
        self.case, self.rules = case, rules
        self.ddof = running_ddof if rules.running_ddof is None else rules.running_ddof
        self.steps, self.seen = 0, 0.0
        self.last_m = None
        self.start = None
        if "from zero" in rules.debiased:
            self.start = mean, var
            mean, var = np.zeros(mean.shape), np.zeros(var.shape)
        if "mean" in rules.state_not_loaded:
            mean = np.zeros(mean.shape)
        if "var" in rules.state_not_loaded:
            var = np.ones(var.shape)
        if "set" in rules.swapped_state:
            mean, var = var, mean
        self.mean, self.var = mean, self._kind(var) if rules.state_kind_set else var
        self.before = (self.mean, self.var)

    def _kind(self, var):
        """A variance as the state would hold it."""
        return converted(var, self.rules.state_kind, self.case.eps)

    def _variance(self):
        """The variance that inference makes of what the state holds."""
        rules, eps = self.rules, self.case.eps
        if rules.state_kind == "variance" or not rules.state_kind_used:
            return self.var
        return {
            "std": lambda: self.var**2,
            "std with eps": lambda: self.var**2 - eps,
            "inverse std": lambda: self.var**-2.0 - eps,
            "inverse std without eps": lambda: self.var**-2.0,
        }[rules.state_kind]()

    def used(self):
        """(mean, var) that normalize."""
        if self.start is not None and not self.steps:
            return self.start
        late = self.rules.state_given == "late"
        mean, var = self.before if late else (self.mean, self._variance())
        if "inference" in self.rules.debiased and self.steps:
            mean, var = self._debias(mean), self._debias(var)
        return (var, mean) if "inference" in self.rules.swapped_state else (mean, var)

    def _debias(self, values):
        decay = self.case.decay
        return values if decay is None else values / (1 - np.float64(decay) ** max(self.steps, 1))

    def given(self):
        """(mean, var) that are compared."""
        if self.start is not None and not self.steps:
            return self.start
        mean, var = self.before if self.rules.state_given != "after" else (self.mean, self.var)
        if "out" in self.rules.debiased and self.steps:
            mean, var = self._debias(mean), self._debias(var)
        if self.rules.state_kind_out:
            var = converted(var, self.rules.state_kind_out, self.case.eps)
        return (var, mean) if "out" in self.rules.swapped_state else (mean, var)

    def keep(self):
        """A step that leaves the state alone."""
        if self.rules.state_given not in ("late", "lagging"):
            self.before = (self.mean, self.var)

    def _factor(self, m, view):
        """m / (m - ddof), by what m is taken to be [BN-3.3]."""
        rules = self.rules
        counts = {
            "m": m,
            "batch": np.full_like(m, view.samples),
            "axis 0": np.full_like(
                m,
                view.shape[0],
            ),
            "spatial": m / max(view.samples, 1),
            "total": m * m.size,
            "inverse": m,
        }
        m = counts[rules.ddof_count]
        if rules.ddof_count == "inverse":
            return (m - 1) / m
        with np.errstate(all="ignore"):
            return m / np.maximum(m - self.ddof, 1) if rules.exists == "ddof 0" else m / (m - self.ddof)

    def weight(self, part):
        """Weight of the old state in this step, for "mean" or "var"."""
        rules, decay = self.rules, self.case.decay
        if rules.decay_part not in ("both", part):
            return 1 - 1.0 / self.steps if decay is None else decay
        if decay is None and rules.decay and rules.cumulative is None and rules.decay_when_none:
            return rules.decay(None, self.steps, self.case)
        if decay is None and rules.by_count == "weighted":
            return 1 - self.last_m / self.counted
        if decay is None:
            return 1 - (rules.cumulative(self.steps) if rules.cumulative else 1.0 / self.steps)
        return rules.decay(decay, self.steps, self.case) if rules.decay else decay

    def update(self, moments, view, has_gradient=True):
        """Blend one step's statistics in, under the rules [BN-3.1 to BN-3.6]."""
        rules = self.rules
        self.before = (self.mean, self.var)
        if rules.needs_gradient and not has_gradient:
            return
        m = np.asarray(moments.m, np.float64).reshape(-1)
        factor = self._factor(m if moments.factor_m is None else moments.factor_m.reshape(-1), view)
        mean = moments.state_mean * (np.where(m > 1, factor, rules.mean_factor_at_one) if rules.mean_factor else 1.0)
        base = moments.state_var * (m / (m - rules.normalizer_ddof) if rules.state_from_normalizer else 1.0)
        if rules.eps_stored == "before factor":
            base = base + self.case.eps
        var = base * factor
        if rules.eps_stored == "batch":
            var = var + self.case.eps * rules.eps_stored_scale
        var = self._kind(var)
        has_mean, has_var = self._exists(m, mean, var)
        if not np.any(has_mean) and not rules.empty_counts:
            return
        self.counted = getattr(self, "counted", 0.0) + m.mean()
        if rules.by_count == "rescaled" and self.last_m:
            self.mean, self.var = self.mean * m / self.last_m, self.var * m / self.last_m
        self.last_m = m.mean()
        if not rules.constant_updates:
            varies = ~(moments.state_var <= 1e-24 * moments.state_mean**2)  # NaN varies
            has_mean, has_var = has_mean & varies, has_var & varies
        for _ in range(2 if rules.again_with_gradient and has_gradient else rules.updates):
            self.steps += 1
            if rules.only_steps is None or rules.only_steps(self.steps):
                self._blend(mean, var, has_mean, has_var)
        if rules.eps_stored == "state":
            self.var = self.var + self.case.eps

    def _exists(self, m, mean, var):
        """Which statistics are blended; writes what a careless layer blends instead [BN-3.5]."""
        rules = self.rules
        has_mean = m > 0
        has_var = m > (self.ddof if rules.exists_ddof is None else rules.exists_ddof)
        if rules.empty == "raise" and not has_mean.all() or rules.exists == "raise" and not has_var.all():
            raise Raised
        if rules.exists == "skip both":
            has_mean = has_var
        elif rules.exists in ("poison", "ddof 0"):
            has_var = m > 0
        elif rules.exists == "zero":
            has_var = m > 0
            var[m <= self.ddof] = 0.0
        elif rules.exists == "one":
            has_var = m > 0
            var[m <= self.ddof] = 1.0
        if rules.empty in ("poison", "zero"):
            gone = m <= 0
            mean[gone] = var[gone] = np.nan if rules.empty == "poison" else 0.0
            has_mean, has_var = has_mean | gone, has_var | gone
        return has_mean, has_var

    def _blend(self, mean, var, has_mean, has_var):
        rules = self.rules
        if "update" in rules.swapped_state:
            mean, var = var, mean
        pairs = ((mean, "mean", has_mean, rules.update_mean), (var, "var", has_var, rules.update_var))
        for new, name, has, wanted in pairs:
            if wanted:
                blended = self._mix(self.weight(name), getattr(self, name), new)
                setattr(self, name, self._round(np.where(has, blended, getattr(self, name))))

    def _mix(self, old, before, new):
        if self.rules.mix == "sum":
            return old * before + new
        if self.rules.mix == "unweighted old":
            return before + (1 - old) * new
        if old == 0:  # the old state counts for nothing, infinite or not
            return new + 0.0
        return old * before + (1 - old) * new if old != 1 else before + 0.0

    def _round(self, values):
        if self.rules.state_type is None:
            return values
        kind = self.case.x_dtype if self.rules.state_type == "x" else self.rules.state_type
        return narrowed(values, kind)
