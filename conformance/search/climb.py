"""Hill climbing over channels: the worst of a thousand problems, changed a little, again and again.

Channels are independent problems, so one call of one fixed shape judges a whole generation.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bnconform.backends.contract import Conventions

from ..accuracy.problems import power
from ..cases.draft import Draft, as_dtype
from ..operations import GRADIENTS, STATE, TRAIN
from ..records import Case, Step
from .draw import Values, laid

PARENTS = 6  # channels that are kept for each thing climbed on
COUNTS = (2, 3, 5, 8, 16, 64)


def climbed(id: str, conventions: Conventions, dtype: str, size: tuple[int, int], eps: float, decay: float) -> Case:
    """A training step and an inference of (m, channels), of the lowest rank that the implementation takes."""
    rank = 2 if 2 in conventions.ranks else min(conventions.ranks)
    axis = rank - 1 if conventions.channel_axes == "last" else 1
    shape = tuple(size[0] if a == 0 else size[1] if a == axis else 1 for a in range(rank))
    outputs = (*TRAIN.outputs, *GRADIENTS, *STATE)
    steps = (Step("train", ("x", "dy"), outputs), Step("infer", ("x", "dy"), ("y", *GRADIENTS)))
    has = (True, True, True)
    return Case(id, "search", ("BN-8.2",), "climbed", shape, (axis,), eps, decay, *(dtype,) * 3, *has, steps)


def posed(case: Case, columns: dict[str, np.ndarray]) -> Draft:
    """The case with these (m, channels) and (channels,), of as many channels as they have."""
    axis, channels = case.channel_axes[0], columns["gamma"].size
    case = replace(case, shape=tuple(channels if a == axis else size for a, size in enumerate(case.shape)))
    tensors = {name: as_dtype(value, case.x_dtype) for name, value in columns.items() if name not in ("x", "dy")}
    for name in ("x", "dy"):
        array = as_dtype(laid(columns[name], case.shape, case.channel_axes), case.x_dtype)
        tensors |= {f"{index}.{name}": array for index in range(len(case.steps))}
    return Draft(case, tensors)


@dataclass
class Best:
    """The worst found so far of one measure: its value, and the channel's numbers."""

    value: float
    columns: dict[str, np.ndarray]


class Climb:
    """A population of channels in one case of `m` values a channel: a training step and an inference.

    rng: what makes it. dtype: of x, parameters and state.
    """

    def __init__(self, id: str, rng, conventions: Conventions, dtype: str, m: int, channels: int, eps=None):
        self.rng, self.m, self.channels, self.dtype = rng, m, channels, dtype
        # float32 numbers: nobody can hold closer ones in its own arithmetic
        eps = float(np.float32(rng.choice([1e-5, 1e-3, power(rng, -6, 0, 1)[0]]))) if eps is None else eps
        self.case = climbed(id, conventions, dtype, (m, channels), eps, float(rng.choice([0.5, 0.875, 0.25])))
        self.parents = self._fresh()
        self.best: dict[str, Best] = {}

    def _fresh(self) -> dict[str, np.ndarray]:
        """A new population: name -> (m, channels) or (channels,)."""
        values = Values(self.rng, self.channels, self.dtype)
        x, dy = values.columns(self.m)
        return self._held({"x": x, "dy": dy} | values.parameters())

    def _held(self, columns):
        """Rounded to numbers of the type, kept in float64."""
        return {name: as_dtype(value, self.dtype).astype(np.float64) for name, value in columns.items()}

    def generation(self, measure: Callable[[Draft], dict[str, np.ndarray]]) -> None:
        """One generation: measured, the worst kept, and their children made.

        measure: draft -> by name one number a channel, the larger the worse; what is not finite does not count.
        """
        columns = self.parents
        chosen = []
        for name, value in measure(posed(self.case, columns)).items():
            value = np.where(np.isfinite(value), value, -1.0)
            order = np.argsort(-value, kind="stable")[:PARENTS]
            chosen.extend(order)
            top = order[0]
            if value[top] > 0 and (name not in self.best or value[top] > self.best[name].value):
                alone = {key: column[..., top : top + 1] for key, column in columns.items()}
                self.best[name] = Best(float(value[top]), alone)
        self.parents = self._children(columns, np.unique(chosen))

    def _children(self, columns, kept) -> dict[str, np.ndarray]:
        """The kept ones, mutants of them, and a quarter of new ones."""
        rng, count = self.rng, self.channels
        source = np.concatenate([kept, rng.choice(kept, max(count - len(kept), 0))])[:count]
        child = {name: column[..., source].copy() for name, column in columns.items()}
        fresh = self._fresh()
        way = rng.integers(0, 8, count)
        way[: len(kept)] = -1
        renewed = np.arange(count) >= count - count // 4
        for name in ("x", "dy"):
            column, spread = child[name], np.std(child[name], axis=0)
            some = rng.random(column.shape) < 0.3
            some &= column != 0  # the next number would be subnormal
            nudge = some * rng.integers(-3, 4, column.shape) * np.spacing(column.astype(self.kind))
            one = np.arange(self.m)[:, None] == rng.integers(0, self.m, count)
            moved = {
                0: column + nudge.astype(np.float64),
                1: column + spread * power(rng, -3, 0, count) * rng.choice([-1, 1], count),
                2: column * 2.0 ** rng.uniform(-1, 1, count),
                3: np.where(one, column + spread * rng.standard_normal(count), column),
                4: column[:, rng.permutation(count)] if name == "dy" else column,
                5: np.mean(column, 0) + (column - np.mean(column, 0)) * 2.0 ** rng.uniform(-2, 2, count),
            }
            for key, value in moved.items():
                child[name] = np.where(way == key, value, child[name])
        for name in ("gamma", "beta", "running_mean", "running_var"):
            factor = np.where(way == 6, 1 + 0.3 * rng.standard_normal(count), 1.0)
            child[name] = child[name] * np.abs(factor)
        mixed = {name: np.where(renewed, fresh[name], child[name]) for name in child}
        return self._held(mixed)

    @property
    def kind(self):
        """The type whose last bits a nudge moves: ml_dtypes knows no spacing."""
        return "float32" if self.dtype == "bfloat16" else self.dtype
