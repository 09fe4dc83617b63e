"""The records a case passes through: Case -> Observation -> Verdict -> Explanation -> Report.

Each is small and frozen, and can be written down as JSON (arrays apart) and read back.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from . import operations
from .schema import SchemaError, read

NUMBERS = ("score", "bias_score", "strict_score", "error")  # of a verdict; they may be infinite
STATUSES = ("pass", "fail", "deviates", "unsupported", "crashed", "timed out")
FAILED = ("fail", "crashed", "timed out")  # what makes a run fail

FAILURES = ("raised", "died", "timed out", "unsupported", "garbage", "missing", "not exposed")


@dataclass(frozen=True)
class Step:
    """One call of a layer.

    mode: as an operation has it (`operations.py`). inputs: names of the tensors handed over (x, dy, mask, x_dot, ...).
    memory: how x and dy lie in memory (see `memory.py`). options: plain numbers (r_max, groups, ...);
    "repeat": so many calls, of which the last is looked at; "refill": x and dy come in the arrays of an earlier step.
    outputs: names to compare; the layer is asked for its state where they name it.
    """

    mode: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    memory: str = "contiguous"
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def features(self) -> tuple[str, ...]:
        """What it needs beyond a layer's training and inference, in the words of `Conventions.cannot`."""
        return operations.features(self)

    @property
    def static(self) -> bool:
        """Whether it needs no layer."""
        return operations.main(self).static


@dataclass(frozen=True)
class Case:
    """One question, as pure data; its tensors lie in the golden files under `id`.

    clauses: what SPEC.md demands here.
    raises: the clause whose error is expected instead of outputs, or None.
    quick: part of `run --quick`. large: not frozen, but drawn and answered again when asked for, and checked by hash.
    law: what the last step owes the first (`laws.py`), where no golden value is compared.
    as_built: the layer gets no parameters and no state, and starts from its own [BN-3.7]. one_object: names of
    parameters and statistics that are handed over as one array. since: the golden edition that brought the case.
    """

    id: str
    family: str
    clauses: tuple[str, ...]
    says: str
    shape: tuple[int, ...]
    channel_axes: tuple[int, ...]
    eps: float
    decay: float | None
    x_dtype: str
    param_dtype: str
    state_dtype: str
    has_gamma: bool
    has_beta: bool
    has_state: bool
    steps: tuple[Step, ...]
    raises: str | None = None
    quick: bool = False
    large: bool = False
    law: str | None = None
    as_built: bool = False
    one_object: tuple[str, ...] = ()
    since: int = 1

    def outputs(self) -> tuple[str, ...]:
        """Names of everything that is compared, `<step>.<output>`."""
        if self.raises:
            return ("error",)
        if self.law:
            return tuple(f"{len(self.steps) - 1}.{name}" for name in self.steps[-1].outputs)
        return tuple(f"{index}.{name}" for index, step in enumerate(self.steps) for name in step.outputs)

    def trains(self, step: Step) -> bool:
        """Whether a step uses the statistics of its batch: a layer without running ones always does [BN-4.5]."""
        return operations.main(step).training or not (self.has_state or step.static)

    def to_json(self) -> dict:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict) -> "Case":
        """Inverse of `to_json`. Errors: SchemaError."""
        return read(cls, data, "a case")


@dataclass(frozen=True)
class Failure:
    """Why an implementation gave no output. kind: one of FAILURES."""

    kind: str
    what: str
    text: str = ""
    step: int | None = None


@dataclass(frozen=True)
class Observation:
    """What an implementation gave for a case: arrays by output name, inputs it changed, how it failed.

    seconds: spent in the backend; compiling: of these, what it says it spent compiling. differing: outputs whose bits
    were others when the same was asked again; None if it was asked once. again: what was given then.
    """

    case: str
    outputs: Mapping[str, np.ndarray]
    changed: tuple[str, ...] = ()
    failure: Failure | None = None
    seconds: float = 0.0
    compiling: float = 0.0
    differing: tuple[str, ...] | None = None
    again: "Observation | None" = None


@dataclass(frozen=True)
class Verdict:
    """The judgement of one output.

    score: largest error / allowance (at most 1 passes), None where nothing was measured. error: the error there.
    strict_score: the score that a two-pass variance and pairwise sums would get, whatever is declared.
    bias_score: of the sum of all errors and of their squares, against their allowance.
    kind: what is wrong in a word: "value", "nan", "inf", "shape", "dtype", "missing", "changed",
    "raised:ValueError", "died:SIGSEGV", ...; "" for a pass.
    """

    implementation: str
    case: str
    output: str
    status: str
    score: float | None = None
    kind: str = ""
    message: str = ""
    mismatches: int = 0
    count: int = 0
    worst_index: tuple[int, ...] | None = None
    bias_score: float | None = None
    strict_score: float | None = None
    error: float | None = None
    diagnosis: str | None = None
    reference: str | None = None

    def to_json(self) -> dict:
        numbers = {name: _number(getattr(self, name)) for name in NUMBERS}
        return {**asdict(self), **numbers}

    @classmethod
    def from_json(cls, data: dict) -> "Verdict":
        """Inverse of `to_json`. Errors: SchemaError."""
        unbounded = [name for name in NUMBERS if data.get(name) == "inf"]
        verdict = read(cls, data | dict.fromkeys(unbounded), "a verdict")
        if verdict.status not in STATUSES:
            raise SchemaError(f"a verdict has status {verdict.status[:80]!r}, expected {', '.join(STATUSES)}")
        return replace(verdict, **dict.fromkeys(unbounded, np.inf))


def _number(value: float | None) -> float | str | None:
    """JSON has no infinity: an unbounded score is written as the string "inf"."""
    if value is not None and not np.isfinite(value):
        return "inf"
    return value
