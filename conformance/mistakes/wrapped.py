"""Mistakes made around a real layer: the framework is right, whoever calls it is not.

    python -m bnconform.conformance.mistakes.wrapped torch        killing scores of all wrappers, as JSON

Each wrapper is a class to put in front of any backend's class. `CASES` are the ones that must notice.
"""

import json
import sys
from dataclasses import dataclass, replace

import numpy as np

DENSE = ("running/decay-0.9-dense", "running/decay-0-dense", "mode/alternating", "shapes/dense")


class DecayNotTurned:
    """decay is handed over as its complement: momentum in the other library's sense."""

    def __init__(self, config, *tensors):
        decay = config.decay if config.decay is None else 1.0 - config.decay
        super().__init__(replace(config, decay=decay), *tensors)


class DefaultEps:
    """eps is left at the framework's default."""

    def __init__(self, config, *tensors):
        super().__init__(replace(config, eps=self.conventions.default_eps or 1e-5), *tensors)


class DefaultDecay:
    """decay is left at the framework's default."""

    def __init__(self, config, *tensors):
        super().__init__(replace(config, decay=self.conventions.default_decay or 0.99), *tensors)


class ParametersSwapped:
    """Weights are set in the order beta, gamma."""

    def __init__(self, config, gamma, beta, *state):
        super().__init__(config, beta, gamma, *state)


class StateSwapped:
    """Weights are set in the order variance, mean."""

    def __init__(self, config, gamma, beta, running_mean, running_var):
        super().__init__(config, gamma, beta, running_var, running_mean)


class StateForgotten:
    """The statistics are not carried over: the layer starts from mean 0 and variance 1."""

    def __init__(self, config, gamma, beta, running_mean, running_var):
        fresh = (None, None) if running_mean is None else (np.zeros_like(running_mean), np.ones_like(running_var))
        super().__init__(config, gamma, beta, *fresh)


class LayoutMistaken:
    """Memory of channels-last images is labelled channels-first (or the reverse, where the channels come last)."""

    def train(self, x, dy):
        return super().train(self._relabel(x), dy)

    def infer(self, x, dy):
        return super().infer(self._relabel(x), dy)

    def _relabel(self, x):
        moves = (1, -1) if x.ndim - 1 not in self.channel_axes else (-1, 1)
        return np.ascontiguousarray(np.moveaxis(x, *moves)).reshape(x.shape)

    def __init__(self, config, *tensors):
        self.channel_axes = config.channel_axes
        super().__init__(config, *tensors)


class ForwardTwice:
    """Each training step runs twice, as under recomputed activations."""

    def train(self, x, dy):
        super().train(x, dy)
        return super().train(x, dy)


class EvaluationForgotten:
    """The switch to inference is never thrown."""

    def infer(self, x, dy):
        return super().train(x, dy)


class TrainingForgotten:
    """The switch to training is never thrown."""

    def train(self, x, dy):
        return super().infer(x, dy)


class HalfInput:
    """x is rounded to float16 on its way in."""

    def train(self, x, dy):
        return super().train(x.astype(np.float16).astype(x.dtype), dy)


@dataclass(frozen=True)
class Wrapped:
    """A mistake around a layer: its diagnosis, the class that makes it, and cases of which at least one must kill."""

    diagnosis: str
    mixin: type
    cases: tuple[str, ...] = DENSE

    def around(self, backend: type) -> type:
        """The backend's class with the mistake in front of it."""
        return type(f"{self.mixin.__name__}{backend.__name__}", (self.mixin, backend), {})


WRAPPERS = {
    "decay-not-turned": Wrapped("DECAY_COMPLEMENT", DecayNotTurned),
    "default-eps": Wrapped("EPS_DIFFERS", DefaultEps, ("parameters/eps-half-dense",)),
    "default-decay": Wrapped("DECAY_DIFFERS", DefaultDecay),
    "parameters-swapped": Wrapped("GAMMA_BETA_SWAPPED", ParametersSwapped),
    "state-swapped": Wrapped("STATE_SWAPPED", StateSwapped),
    "state-forgotten": Wrapped("STATE_NOT_LOADED", StateForgotten),
    "layout-mistaken": Wrapped("LAYOUT_CORRUPTION", LayoutMistaken, ("shapes/nchw", "shapes/nhwc")),
    "forward-twice": Wrapped("STATE_UPDATED_TWICE", ForwardTwice),
    "evaluation-forgotten": Wrapped("WRONG_STATS_FOR_MODE", EvaluationForgotten),
    "training-forgotten": Wrapped("WRONG_STATS_FOR_MODE", TrainingForgotten),
    "half-input": Wrapped("LOW_PRECISION_INPUT", HalfInput),
}


def scores(name: str) -> dict[str, float]:
    """Best killing score of each wrapper around the implementation called `name`, and of the bare layer as "".

    A case that the implementation cannot take does not count.
    """
    from bnconform.backends import registry

    from .bench import Bench

    bench, backend = Bench(), registry.entry(name).load()
    found = {"": max(_scores(bench, backend, {case for wrapped in WRAPPERS.values() for case in wrapped.cases}))}
    for wrapper, wrapped in WRAPPERS.items():
        found[wrapper] = max(_scores(bench, wrapped.around(backend), wrapped.cases))
    return found


def _scores(bench, backend, cases):
    from bnconform.backends.needs import refusal

    taken = [bench.cases[case] for case in cases]
    return [bench.score(backend, case) for case in taken if refusal(backend.conventions, case, "cpu") is None]


if __name__ == "__main__":
    print(json.dumps(scores(sys.argv[1])))
