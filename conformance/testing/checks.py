"""`check_train`, `check_infer`: one step as a problem, judged like any other."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bnconform.backends.contract import WIDENED, Conventions
from bnconform.conformance.cases.draft import Draft
from bnconform.conformance.operations import STATE
from bnconform.conformance.records import FAILED, Case, Observation, Step
from bnconform.conformance.search.judging import verdicts
from bnconform.dtypes import NAMES
from bnconform.errors import DomainError
from bnconform.layout import Axes

from .arrays import as_numpy

ID = "testing/step"
Array = Any  # of any library


def check_train(
    x: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    *,
    eps: float,
    channel_axes: Axes = 1,
    dy: Array | None = None,
    mask: Array | None = None,
    before: tuple[Array, Array] | None = None,
    decay: float | None = None,
    running_ddof: int = 1,
    variance: str = "two-pass",
    reduction: str = "pairwise",
    compute: str | None = None,
    **outputs: Array,
) -> None:
    """Hold one training step to the definition [BN-2.1 to BN-3.6, BN-5.1].

    x: any shape; gamma, beta: of the channels' shape, or None. channel_axes: an axis or several, negative ones count
    from the end. dy, mask: of x's shape; dx, dgamma and dbeta need dy. before: (running_mean, running_var) before the
    step, decay: the weight of that OLD state (1 - momentum in PyTorch's words), running_ddof: 0 or 1 [BN-3.3];
    running_mean and running_var need them. variance, reduction, compute: the declared arithmetic, as in
    `Conventions`; it decides the allowance. outputs: y, batch_mean, batch_var, running_mean, running_var, dx, dgamma,
    dbeta, as far as there are any, each in the type that it should have.

    Errors: AssertionError says what differs, where, and by how much of what is allowed. ValueError for what the
    definition does not have; TypeError for an output of another name, or none at all.
    """
    if before is None and outputs.keys() & set(STATE):
        raise TypeError("running_mean and running_var need before=(running_mean, running_var) and decay")
    arrays = {"x": x, "dy": dy, "mask": mask}
    numerics = (running_ddof, variance, reduction, compute)
    _check("train", arrays, (gamma, beta, *(before or (None, None))), eps, channel_axes, decay, numerics, outputs)


def check_infer(
    x: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    *,
    running_mean: Array,
    running_var: Array,
    eps: float,
    channel_axes: Axes = 1,
    dy: Array | None = None,
    variance: str = "two-pass",
    reduction: str = "pairwise",
    compute: str | None = None,
    **outputs: Array,
) -> None:
    """Hold one inference step to the definition [BN-4.1, BN-5.2]: y, dx, dgamma, dbeta; else as `check_train`."""
    given, numerics = (gamma, beta, running_mean, running_var), (1, variance, reduction, compute)
    _check("infer", {"x": x, "dy": dy}, given, eps, channel_axes, None, numerics, outputs)


def _check(
    mode: str,
    arrays: Mapping[str, Array],
    given: Sequence[Array],
    eps: float,
    channel_axes: Axes,
    decay: float | None,
    numerics: tuple[int, str, str, str | None],
    outputs: Mapping[str, Array],
) -> None:
    tensors = {f"0.{name}": as_numpy(value) for name, value in arrays.items() if value is not None}
    layer = dict(zip(("gamma", "beta", *STATE), given))
    tensors |= {name: as_numpy(value) for name, value in layer.items() if value is not None}
    case = _case(mode, tensors, eps, channel_axes, decay, tuple(outputs))
    observation = Observation(ID, {f"0.{name}": as_numpy(value) for name, value in outputs.items()})
    conventions = _conventions(case.x_dtype, *numerics)
    found = verdicts("yours", observation, Draft(case, tensors), conventions)
    failed = [verdict for verdict in found if verdict.status in FAILED]
    if failed:
        lines = [f"{verdict.output.partition('.')[2]}: {verdict.message}" for verdict in failed]
        raise AssertionError("\n".join([f"{len(failed)} of {len(found)} outputs are wrong", *lines]))


def _case(
    mode: str,
    tensors: Mapping[str, np.ndarray],
    eps: float,
    channel_axes: Axes,
    decay: float | None,
    outputs: tuple[str, ...],
) -> Case:
    """The problem as a case; every name and type is checked here."""
    x, allowed = tensors["0.x"], _outputs(mode, tensors)
    unknown = [name for name in outputs if name not in allowed]
    if unknown or not outputs:
        got = repr(unknown[0]) if unknown else "no output"
        raise TypeError(f"got {got}, expected one or more of {', '.join(allowed)}")
    kinds = {name: value.dtype.name for name, value in tensors.items() if name != "0.mask"}
    odd = next((name for name, kind in kinds.items() if kind not in NAMES), None)
    if odd:
        raise DomainError(f"{odd.removeprefix('0.')} has dtype {kinds[odd]}, expected {', '.join(NAMES)}", "BN-8.2")
    axes = tuple(channel_axes) if isinstance(channel_axes, tuple | list) else (channel_axes,)
    if not all(-x.ndim <= axis < x.ndim for axis in axes):
        raise DomainError(f"channel_axes is {channel_axes!r}, expected axes of x, of rank {x.ndim}", "BN-1.1")
    params = kinds.get("gamma") or kinds.get("beta") or kinds["0.x"]
    return Case(
        id=ID,
        family="testing",
        clauses=(),
        says="",
        shape=x.shape,
        channel_axes=tuple(axis % x.ndim for axis in axes),
        eps=eps,
        decay=decay,
        x_dtype=kinds["0.x"],
        param_dtype=params,
        state_dtype=kinds.get("running_mean", params),
        has_gamma="gamma" in tensors,
        has_beta="beta" in tensors,
        has_state="running_mean" in tensors,
        steps=(Step(mode, tuple(n[2:] for n in tensors if n.startswith("0.")), tuple(outputs)),),
    )


def _outputs(mode: str, tensors: Mapping[str, np.ndarray]) -> list[str]:
    """Names of the outputs that can be held to anything."""
    names = ["y"] + (["batch_mean", "batch_var"] if mode == "train" else [])
    names += [*STATE] if mode == "train" and "running_mean" in tensors else []
    if "0.dy" in tensors:
        names += ["dx"] + [f"d{name}" for name in ("gamma", "beta") if name in tensors]
    return names


def _conventions(x_dtype: str, running_ddof: int, variance: str, reduction: str, compute: str | None) -> Conventions:
    computes = {**WIDENED, x_dtype: np.dtype(compute).name} if compute else WIDENED
    return Conventions(running_ddof, variance=variance, reduction=reduction, compute=computes)
