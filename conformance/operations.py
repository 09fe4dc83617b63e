"""What an operation is: one record each, and everything that the way of a case asks about it.

A new operation is a record here, its clause in SPEC.md, its functions in the reference and the oracle, its allowance,
its cases and its mistakes: nothing else knows the modes of steps by name.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bnconform.allowance import Numerics, fold_allowances, population_allowances

STATE = ("running_mean", "running_var")
GIVEN = ("gamma", "beta", *STATE)  # what a layer is built with
GRADIENTS = ("dx", "dgamma", "dbeta")
TANGENTS = ("x_dot", "gamma_dot", "beta_dot")
COTANGENTS = ("u_x", "u_gamma", "u_beta")
LIMITS = ("r_max", "d_max")

# what a tensor is like in shape and type: x, a parameter or the state
LIKE = {
    name: like
    for like, names in {
        "x": "x dy x_dot u_x y dx y_dot d2x d2dy",
        "gamma": "gamma gamma_dot u_gamma dgamma d2gamma",
        "beta": "beta beta_dot u_beta dbeta",
        "state": "batch_mean batch_var running_mean running_var",
    }.items()
    for name in names.split()
}


class Unsupported(Exception):
    """The backend lacks what a case needs; the text is the reason."""


@dataclass(frozen=True)
class Operation:
    """One thing that is asked of an implementation.

    mode, mark: which steps ask for it: those of the mode that bring the mark, an input or an option. beside: operations
    that it is asked together with, before them. inputs, outputs: names of the tensors that it adds to x and dy, and of
    what it gives beside gradients and state. feature: its word in `Conventions.cannot`, for all but the required ones.
    method, arguments, keywords: how the adapter is asked, the arguments being tensors, options or the mode. otherwise:
    the method that stands in for one that is not there. training: the batch's statistics normalize, and move the
    running ones. static: needs no layer, and is asked of the class. words(options): what the oracle's step has beside
    its tensors. answer(case, tensors): the oracle's answer, for what is static. numerics: of its arithmetic, given what
    is declared. allowances(case, tensors, step, numerics): for what is static; all else is a point of a layer's life
    (`judge.allowances`).
    """

    name: str
    clause: str
    method: str
    arguments: tuple[str, ...]
    outputs: tuple[str, ...]
    mode: str = ""
    mark: str = ""
    beside: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    feature: str = ""
    keywords: tuple[str, ...] = ()
    otherwise: str = ""
    training: bool = False
    static: bool = False
    words: Callable[[dict], dict] = lambda options: {}
    answer: Callable | None = None
    numerics: Callable[[Numerics], Numerics] = lambda numerics: numerics
    allowances: Callable | None = None

    def asked_by(self, step) -> bool:
        """Whether a step asks for it, other operations apart."""
        marked = not self.mark or self.mark in step.inputs or self.mark in step.options
        return marked and step.mode == (self.mode or step.mode)

    def ask(self, owner, values: dict):
        """Call the method of a layer, or of a class. values: tensors, options and "mode". Errors: Unsupported."""
        name = self.method if hasattr(owner, self.method) else self.otherwise or self.method
        if self.feature and not hasattr(owner, name):
            raise Unsupported(f"the backend has no {name} [{self.clause}]")
        arguments = (values.get(argument) for argument in self.arguments)
        return getattr(owner, name)(*arguments, **{keyword: values[keyword] for keyword in self.keywords})


def batches(x: np.ndarray, sizes) -> list[np.ndarray]:
    """x cut along axis 0."""
    return np.split(x, np.cumsum(sizes)[:-1])


def _fold_answer(case, tensors):
    from bnconform import oracle  # loads only where something is answered

    options = case.steps[0].options
    weight, bias = oracle.fold(
        tensors["0.weight"],
        tensors.get("0.bias"),
        **{name: tensors.get(name) for name in GIVEN},
        eps=case.eps,
        out_axis=options["out_axis"],
        groups=options["groups"],
        in_axis=0 if options["groups"] > 1 else None,
    )
    return {"0.weight": weight, "0.bias": bias}


def _fold_allowances(case, tensors, index, numerics):
    layer = {name: tensors.get(f"{index}.{name}") for name in ("weight", "bias")}
    given = {name: tensors.get(name) for name in GIVEN}
    options = {name: case.steps[index].options[name] for name in ("out_axis", "groups")}
    return fold_allowances(**layer, **given, eps=case.eps, **options, numerics=numerics)


def _population_answer(case, tensors):
    from bnconform import oracle

    found = oracle.population(_of_population(case, tensors, 0), channel_axes=case.channel_axes)
    return {f"0.{name}": value for name, value in found.items()}


def _population_allowances(case, tensors, index, numerics):
    return population_allowances(_of_population(case, tensors, index), case.channel_axes, numerics)


def _of_population(case, tensors, index):
    return batches(tensors[f"{index}.x"], case.steps[index].options["sizes"])


TRAIN = Operation("train", "BN-2.3", "train", ("x", "dy"), ("y", "batch_mean", "batch_var"), "train", training=True)
INFER = Operation("infer", "BN-4.1", "infer", ("x", "dy"), ("y",), "infer")
FROZEN = Operation("frozen", "BN-4.4", "frozen", ("x", "dy"), ("y",), "frozen", otherwise="infer")
RENORM = Operation(
    "renorm", "BN-6.4", "train_renorm", ("x", "dy", *LIMITS), TRAIN.outputs, "renorm", feature="renorm", training=True,
    words=lambda options: {"renorm": {name: options[name] for name in LIMITS}},
)  # fmt: skip
MASKED = Operation(
    "masked", "BN-6.1", "train_masked", ("x", "dy", "mask"), TRAIN.outputs, "train", mark="mask", feature="mask",
    inputs=("mask",), training=True,
)  # fmt: skip
SHARDED = Operation(
    "sharded", "BN-6.3", "train_shards", ("x", "dy", "sizes"), TRAIN.outputs, "train", mark="sizes",
    feature="synchronized", training=True, words=lambda options: {"shards": list(options["sizes"])},
    # the moments of the shards are merged, whatever each shard does
    numerics=lambda numerics: numerics._replace(variance="welford") if numerics.variance == "two-pass" else numerics,
)  # fmt: skip
JVP = Operation(
    "jvp", "BN-5.3", "jvp", ("mode", "x", *TANGENTS), ("y_dot",), mark="x_dot", feature="jvp", inputs=TANGENTS,
    beside=("train", "infer"),
)  # fmt: skip
SECOND = Operation(
    "second", "BN-5.4", "double_backward", ("mode", "x", "dy", *COTANGENTS), ("d2x", "d2gamma", "d2dy"), mark="u_x",
    feature="second-order", inputs=COTANGENTS, beside=("train", "infer"),
)  # fmt: skip
FOLD = Operation(
    "fold", "BN-4.3", "fold", ("config", "weight", "bias", *GIVEN), ("weight", "bias"), "fold", feature="folding",
    inputs=("weight", "bias"), keywords=("out_axis", "groups"), static=True, answer=_fold_answer,
    allowances=_fold_allowances,
)  # fmt: skip
POPULATION = Operation(
    "population", "BN-3.4", "population", ("config", "batches"), STATE, "population", feature="population",
    inputs=("x",), static=True, answer=_population_answer, allowances=_population_allowances,
)  # fmt: skip

OPERATIONS = (TRAIN, INFER, FROZEN, RENORM, FOLD, POPULATION, MASKED, JVP, SECOND, SHARDED)
BESIDE = tuple(operation for operation in OPERATIONS if operation.beside)


def of_step(step) -> tuple[Operation, ...]:
    """What a step asks for, in the order of the questions: the one that moves the state comes last.

    step: anything with `mode`, `inputs` and `options`. Errors: ValueError for a mode that no operation has.
    """
    own = main(step)
    return *(operation for operation in BESIDE if operation.asked_by(step) and own.name in operation.beside), own


def features(step) -> tuple[str, ...]:
    """The features that a step needs, in the words of `Conventions.cannot`."""
    return tuple(operation.feature for operation in OPERATIONS if operation.feature and operation.asked_by(step))


def main(step) -> Operation:
    """The operation that a step is. Errors: ValueError for a mode that no operation has."""
    asked = [operation for operation in OPERATIONS if operation.asked_by(step) and not operation.beside]
    if not asked:
        known = dict.fromkeys(operation.mode for operation in OPERATIONS if operation.mode)
        raise ValueError(f"the mode of a step is {step.mode!r}, expected one of {', '.join(known)}")
    return asked[-1]  # those with a mark follow the plain ones
