"""The adapter contract: what a backend declares, and what it offers.

A backend is a class. An instance is one BN layer on one device, built with its parameters and
state injected. It computes nothing itself: it hands arrays to its framework and hands back what
the framework returns.

    class MyBackend:
        conventions = Conventions(running_ddof=1)
        def __init__(self, config, gamma, beta, running_mean, running_var): ...
        def train(self, x, dy): return {"y": ..., "dx": ..., "dgamma": ..., "dbeta": ...}
        def infer(self, x, dy): return {"y": ..., "dx": ..., "dgamma": ..., "dbeta": ...}
        def state(self): return {"running_mean": ..., "running_var": ...}

Arrays are NumPy arrays at this boundary; bfloat16 is `ml_dtypes.bfloat16`. They may have any strides, negative and 0
among them, x and dy each its own. An array belongs to the caller, who may fill it with other values for the next call,
and may hand one array over in two roles (as beta and running_mean, say): a layer keeps copies, and changes none. What
a step gave out is the caller's too, and stays as it is; `state()` may give out live arrays. `dy` is None where no
gradient is asked for. `gamma` or `beta` is None where the layer has none, `running_mean` and `running_var` where it
tracks none. Optional methods:

    frozen(x, dy)                      gradients on, running statistics used and kept  (default: infer)
    train_masked(x, dy, mask)          statistics over mask only                      [BN-6.1]
    jvp(mode, x, x_dot, gamma_dot, beta_dot)                  -> {"y_dot": ...}                 [BN-5.3]
    double_backward(mode, x, dy, u_x, u_gamma, u_beta)        -> {"d2x", "d2gamma", "d2dy"}     [BN-5.4]
                                       mode: "train" or "infer"; neither moves the state
    train_shards(x, dy, sizes)         one synchronized step over shards of axis 0    [BN-6.3]
    train_renorm(x, dy, r_max, d_max)  batch renormalization                          [BN-6.4]
    fold(config, weight, bias, gamma, beta, running_mean, running_var, *, out_axis, groups)  -> {"weight", "bias"}
                                       of the class: the preceding layer with BN folded in  [BN-4.3]
    population(config, batches)        of the class -> {"running_mean", "running_var"}      [BN-3.4]
    timed(operation, x, dy)            a function of no arguments for `bench`: the operation on arrays that are on the
                                       device by then, returning when the device has finished. operation: "forward"
                                       (training, no gradients), "backward" (its second half), "step" (both),
                                       "inference"
    compiling()                        static: seconds this process has spent compiling, for the report's table of times

    script                             static: framework code that `bnconform shrink` writes in place of the contract's
                                       calls, by name: import, layer, train, infer, frozen, outputs, state
    settings(device)                   static: what else may change its numbers (driver, threads, switches), by name,
                                       for the report

A backend that lacks an optional method, or names a feature of FEATURES in `conventions.cannot`, is reported as
"unsupported" with the reason; it never passes by absence. One that only does inference says
`cannot={"training": "it is an inference engine"}` and leaves `train` away.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Protocol

import numpy as np

FLOATS = ("float64", "float32", "float16", "bfloat16")

BASIC = ("y", "batch_mean", "batch_var", "dx", "dgamma", "dbeta", "running_mean", "running_var")

# what may stand in `cannot` -> what a case asks for that needs it
FEATURES = {
    "training": "a step that uses the batch's statistics; without it `train` is never called",
    "inference-gradients": "dx, dgamma and dbeta of inference; y is judged all the same",
    "eps:zero": "eps = 0",
    "decay:cumulative": "the cumulative average",
    "gamma-without-beta": "gamma alone",
    "beta-without-gamma": "beta alone",
    "stateless": "training without running statistics",
    "axis:several": "several channel axes",
    "axis:unsorted": "channel axes in another order than x's",
    "errors": "an error where an argument is out of the domain",
    "repeat": "many steps of which only the last is looked at",
    "one-object": "one array in two roles",
    "mask": "train_masked",
    "jvp": "jvp",
    "second-order": "double_backward",
    "synchronized": "train_shards",
    "renorm": "train_renorm",
    "folding": "fold",
    "population": "population",
    "params:mixed": "parameters of another type than x",
    "params:narrow": "parameters narrower than float32 and than x",
    "state:mixed": "a state of another type than the parameters",
    "rank:N": "x of N axes",
    "dtype:TYPE": "x of that type",
    "params:TYPE": "parameters of that type",
    "state:TYPE": "a state of that type",
    "types:TYPE/TYPE/TYPE": "x, parameters and state of these types",
    "memory:WORD": "x or dy that lies so in memory",
}
_PARTS = {"N": r"\d+", "TYPE": f"({'|'.join(FLOATS)})", "WORD": r"[a-z\d-]+"}
_FEATURE = re.compile("|".join(re.sub(r"[A-Z]+", lambda part: _PARTS[part[0]], name) for name in FEATURES))

# feature -> what is missing where it is not declared
OFFERED = {
    "as-built": "it does not say that it can be built with the initial values of its own",
    "stateless-inference": "it does not say that it can do inference without running statistics",
}

WIDENED = {"float64": "float64", "float32": "float32", "float16": "float32", "bfloat16": "float32"}


@dataclass(frozen=True)
class Config:
    """What a layer is built for.

    shape: shape of x in the first step (the batch size may vary later). channel_axes: non-negative.
    eps: in units of the variance. decay: weight of the OLD state, None for cumulative.
    *_dtype: names of floating types. device: "cpu" or "gpu".
    defaults: the layer is built without eps and decay, which are NaN here; asked only of who declares `default_eps`.
    as_built: gamma, beta and the statistics are None although the layer has them: it keeps what it is built with, which
    must be 1, 0, 0 and 1 [BN-3.7]; asked only of who offers it.
    """

    shape: tuple[int, ...]
    channel_axes: tuple[int, ...]
    eps: float
    decay: float | None
    x_dtype: str = "float32"
    param_dtype: str = "float32"
    state_dtype: str = "float32"
    device: str = "cpu"
    defaults: bool = False
    as_built: bool = False

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def channels(self) -> tuple[int, ...]:
        """Sizes of the channel axes."""
        return tuple(self.shape[axis] for axis in self.channel_axes)


@dataclass(frozen=True)
class Conventions:
    """What differs between implementations, as data.

    running_ddof: ddof of the variance blended into running_var [BN-3.3].
    decay_meaning: "old" if the user's number weighs the old state, "new" if the new batch;
    decay_name: what the framework calls it; default_eps, default_decay (as weight of the old state).
    variance: "two-pass"; "welford" for updated, merged or corrected moments; or "one-pass" for E[x²] - E[x]², clamped
    at zero or not ("one-pass-clamped").
    reduction: how error grows in a sum: "pairwise" (blocked or tree) or "sequential".
    compute: dtype of the arithmetic for each dtype of x.
    y_dtype: "x" if y has x's dtype, "promoted" if that of x and the parameters together.
    channel_axes: "any" axes, "one" axis anywhere, "ends" for axis 1 or the last, or "first" for axis 1 alone, "last"
    for the last alone.
    ranks, dtypes, devices: what it takes. cannot: feature of FEATURES -> reason, for everything else.
    exposes: the outputs that its public layer gives: where one of them is missing, that is a failure. What is returned
    is judged, be it named here or not. Who exposes no gradients need not look at dy.
    offers: features of OFFERED, which are asked only of who names them here.
    """

    running_ddof: int
    decay_name: str = "decay"
    decay_meaning: str = "old"
    default_eps: float | None = None
    default_decay: float | None = None
    variance: str = "two-pass"
    reduction: str = "pairwise"
    compute: Mapping[str, str] = field(default_factory=lambda: dict(WIDENED))
    y_dtype: str = "x"
    channel_axes: str = "any"
    ranks: tuple[int, ...] = (2, 3, 4, 5, 6)
    dtypes: tuple[str, ...] = FLOATS
    devices: tuple[str, ...] = ("cpu",)
    cannot: Mapping[str, str] = field(default_factory=dict)
    exposes: tuple[str, ...] = ("y", "dx", "dgamma", "dbeta", "running_mean", "running_var")
    state_names: tuple[str, str] = ("running_mean", "running_var")
    notes: str = ""
    offers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _expect("running_ddof", self.running_ddof, (0, 1))
        _expect("decay_meaning", self.decay_meaning, ("old", "new"))
        _expect("variance", self.variance, ("two-pass", "welford", "one-pass", "one-pass-clamped"))
        _expect("reduction", self.reduction, ("pairwise", "sequential"))
        _expect("y_dtype", self.y_dtype, ("x", "promoted"))
        _expect("channel_axes", self.channel_axes, ("any", "one", "ends", "first", "last"))
        for name, allowed in _SETS.items():
            values = getattr(self, name)
            if isinstance(values, str):
                raise ValueError(f"Conventions.{name} is the text {values!r}, expected a tuple, ({values!r},)")
            for value in values:
                _expect(name, value, allowed)
        for kind in self.compute.values():
            _expect("compute", kind, FLOATS)
        for feature in self.cannot:
            if not _FEATURE.fullmatch(feature):
                _expect("cannot", feature, FEATURES)


_SETS = {"exposes": BASIC, "dtypes": FLOATS, "compute": FLOATS, "devices": ("cpu", "gpu"), "offers": tuple(OFFERED)}


def _expect(name: str, got: object, allowed: Iterable[object]) -> None:
    if got not in allowed:
        near = get_close_matches(str(got), [str(value) for value in allowed], 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"Conventions.{name} is {got!r}{hint}, expected one of {', '.join(map(repr, allowed))}")


class Backend(Protocol):
    """The required part of the contract; any class of this shape will do, no inheritance needed."""

    conventions: Conventions

    def __init__(
        self,
        config: Config,
        gamma: np.ndarray | None,
        beta: np.ndarray | None,
        running_mean: np.ndarray | None,
        running_var: np.ndarray | None,
    ) -> None: ...

    def train(self, x: np.ndarray, dy: np.ndarray | None) -> Mapping[str, Any]: ...

    def infer(self, x: np.ndarray, dy: np.ndarray | None) -> Mapping[str, Any]: ...

    def state(self) -> Mapping[str, Any]: ...
