"""The grammar of mistakes: where × what × when.

A `Point` says that a quantity of the definition (`where`, a name of `WHERE`) is not what it should be: `what` makes it
from the right value, `when` says in which steps and channels. The right layer (`chain`, `layer`) calls its quantities by
these names as it computes them, and lets the points have their way.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

WHERE = {
    # what is given
    "eps": "eps",
    "decay": "the weight of the old state",
    "new_weight": "the weight of the new batch",
    "loaded": "what the layer is built from",
    "initial_mean": "the running mean that the state is set to",
    "initial_var": "the running variance that the state is set to",
    "axes": "the channel axes",
    "arithmetic": "the type of the arithmetic",
    "mode": "the mode of a step",
    "mask": "the mask",
    "rows": "the order in which an array is read",
    "unrows": "the order in which a result is written",
    "checks": "the check of what is out of the domain",
    # statistics
    "x": "x",
    "m": "the count m",
    "sum": "sums",
    "mean": "the batch mean",
    "deviation": "x - mean in the variance",
    "squares": "the squared deviations",
    "variance": "the batch variance",
    "moments": "the batch statistics",
    # the forward pass
    "mean_used": "the mean that normalizes",
    "var_used": "the variance that normalizes",
    "var_eps": "variance + eps",
    "root": "1/sqrt(variance + eps)",
    "centred": "x - mean",
    "x_hat": "x_hat",
    "gamma": "gamma",
    "beta": "beta",
    "scaled": "gamma x_hat",
    "y": "y",
    # the backward pass
    "dy": "dy",
    "mean_dy": "mean(dy)",
    "mean_dy_x_hat": "mean(dy x_hat)",
    "slope_dy": "x_hat mean(dy x_hat)",
    "through_dy": "the terms of dx that come through the statistics",
    "moving_dy": "whether dx goes through the statistics",
    "m_grad": "the count m in the gradient",
    "root_grad": "1/sqrt(variance + eps) in the gradient",
    "x_hat_grad": "x_hat in the gradient",
    "x_hat_dx": "x_hat in dx",
    "x_hat_dgamma": "x_hat in dgamma",
    "gamma_grad": "gamma in dx",
    "factor": "gamma/sqrt(variance + eps) in dx",
    "projected_dy": "dy less its terms through the statistics",
    "dx": "dx",
    "dgamma": "dgamma",
    "dbeta": "dbeta",
    # running values
    "updates": "how often a step updates the state",
    "bessel": "m/(m - ddof) in running_var",
    "new_mean": "the mean that is blended into running_mean",
    "new_var": "the variance that is blended into running_var",
    "exists_mean": "whether a mean exists",
    "exists_var": "whether a variance exists",
    "old_mean": "running_mean before the step",
    "old_var": "running_var before the step",
    "running_mean": "running_mean",
    "running_var": "running_var",
    "steps": "the number of steps so far",
    "given_state": "the state as it is given out",
    # derivatives of higher order
    "x_dot": "x'",
    "gamma_dot": "gamma'",
    "beta_dot": "beta'",
    "mean_x_dot": "mean(x')",
    "slope_x_dot": "x_hat mean(x_hat x')",
    "moving_x_dot": "whether y' goes through the statistics",
    "y_dot": "y'",
    "u_gamma": "u_gamma",
    "moving_u_x": "whether second derivatives go through the statistics",
    "mean_u_x": "mean(u_x)",
    "slope_u_x": "x_hat mean(u_x x_hat)",
    "curvature": "what the statistics' dependence on x adds to d2x",
    "k": "k in d2x",
    "d2x": "d2x",
    "d2gamma": "d2gamma",
    "d2dy": "d2dy",
    # extensions
    "shard_weights": "the weights of the shards",
    "shard_offset": "(mean_i - mean)² of a shard",
    "shards": "the step over shards",
    "renorm_from": "the running values that r and d come from",
    "running_root": "1/sqrt(running_var + eps) of batch renormalization",
    "renorm_r": "r of batch renormalization",
    "renorm_d": "d of batch renormalization",
    "renorm_x_hat": "x_hat r + d in dgamma",
    "renorm_factor": "r in dx",
    "fold_root": "1/sqrt(running_var + eps) of the fold",
    "fold_weight": "the folded weight",
    "fold_mean": "the running mean in the folded bias",
    "fold_c": "the bias of the preceding layer",
    "fold_bias": "the folded bias",
    "fold_gamma": "gamma of the fold",
    "fold_beta": "beta of the fold",
    "population_var": "a batch's variance in the population's",
    "population_weights": "the weights of the batches in the population",
    # conduct
    "outputs": "the outputs as they are given out",
    "done": "what a call leaves behind",
}
"""The quantities by name, in words, in the order in which they enter."""

ORDER = {name: place for place, name in enumerate(WHERE)}


@dataclass(frozen=True)
class What:
    """A transform. words: what became of the quantity. act(value, at) -> the wrong value, at: `Scope`.

    name: of the transform, with its constants in `size`; grain: unit roundoff of what it rounds to, 0 if it does not.
    """

    words: str
    act: Callable = field(compare=False)
    name: str = ""
    size: tuple = ()
    grain: float = 0.0


@dataclass(frozen=True)
class When:
    """A condition. holds(at) -> True, False, or a column of booleans, one a channel."""

    words: str = "always"
    holds: Callable = field(default=lambda at: True, compare=False)

    def __and__(self, other):
        if self.words == "always" or other.words == "always":
            return other if self.words == "always" else self
        return When(f"{self.words} and {other.words}", lambda at: self.holds(at) & other.holds(at))


ALWAYS = When()


@dataclass(frozen=True)
class Point:
    """One mistake of the grammar."""

    where: str
    what: What
    when: When = ALWAYS

    def __post_init__(self):
        if self.where not in WHERE:
            raise ValueError(f"where is {self.where!r}, expected a quantity of WHERE")

    @property
    def words(self) -> str:
        """ "dgamma: channels in reversed order, always"."""
        return f"{WHERE[self.where]}: {self.what.words}, {self.when.words}"

    def applied(self, value, at):
        """The quantity as this mistake makes it."""
        holds = True if self.when is ALWAYS else self.when.holds(at)
        if holds is False or not np.any(holds):
            return value
        wrong = self.what.act(value, at)
        if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fV":
            wrong = np.asarray(wrong, value.dtype)
        if np.ndim(holds) == 0 or not isinstance(value, np.ndarray):
            return wrong
        return np.where(holds, wrong, value)


class Scope:
    """Where a layer stands: the quantities of this step so far as attributes, and facts of the step.

    layer, config; asked, mode: the mode that was asked for, and the one that the step has; training, last_mode; arrays: what was handed over, by name; options: of the step. What was not
    computed yet is None.
    """

    def __init__(self, layer, config):
        self.layer, self.config, self.memory = layer, config, {}
        self.past = (-1, 0, "built")
        self.mode, self.training, self.arrays, self.options = "built", False, {}, {}

    def begin(self, mode, arrays, options, peek=False):
        """A new step: what the last one computed is gone. memory: what a mistake remembers from step to step.

        number: of the step, from 0; trained: training steps so far, this one included. peek: the step is only looked at,
        as derivatives of higher order do before it is taken.
        """
        stays = {name: getattr(self, name) for name in ("layer", "config", "memory", "past")}
        vars(self).clear()
        vars(self).update(stays, asked=mode, mode=mode, arrays=arrays, options=options)
        self.training = mode in ("train", "renorm")
        number, trained, self.last_mode = self.past
        self.number, self.trained = number + 1, trained + self.training
        if not peek:
            self.past = self.number, self.trained, mode

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return None
