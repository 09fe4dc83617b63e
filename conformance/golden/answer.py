"""A case answered by the oracle, and all its tensors as a golden file has them."""

import numpy as np

from bnconform import oracle

from ..cases.draft import Draft
from ..judge.allowances import output_dtype
from ..operations import GIVEN, main
from ..records import Case
from .copies import Copies


def oracle_steps(case: Case, tensors: dict) -> list[dict]:
    """The steps of a case in the oracle's words."""
    return [
        {
            "mode": "train" if case.trains(step) and not main(step).training else step.mode,
            **{name: tensors[f"{index}.{name}"] for name in step.inputs},
            **{name: step.options[name] for name in ("repeat",) if name in step.options},
            **main(step).words(step.options),
        }
        for index, step in enumerate(case.steps)
    ]


def answer(case: Case, tensors: dict, running_ddof: int) -> dict[str, oracle.Exact]:
    """Exact outputs of a case by name, `<step>.<output>`."""
    operation = main(case.steps[0])
    if operation.static:
        return operation.answer(case, tensors)
    results = oracle.evaluate(
        oracle_steps(case, tensors),
        **{name: tensors.get(name) for name in GIVEN},
        eps=case.eps,
        decay=case.decay,
        running_ddof=running_ddof,
        channel_axes=case.channel_axes,
    )
    return {
        f"{index}.{name}": result[name]
        for index, (step, result) in enumerate(zip(case.steps, results))
        for name in step.outputs
    }


def golden_tensors(draft: Draft) -> dict[str, np.ndarray]:
    """All tensors of a case as they stand in the file, by full name."""
    case, tensors = draft.case, draft.tensors
    parts = {f"in|{name}": value for name, value in tensors.items()}
    if not (case.raises or case.law):
        plain = _rounded(case, tensors, 0)
        parts |= {f"{part}|{name}": value for (part, name), value in plain.items()}
        if case.has_state:
            other = _rounded(case, tensors, 1)
            parts |= {
                f"{part}-ddof1|{name}": value
                for (part, name), value in other.items()
                if value.tobytes() != plain[part, name].tobytes()
            }
    return {f"{case.id}|{name}": value for name, value in parts.items()}


def _rounded(case, tensors, running_ddof):
    """(part, output) -> array: "want" in the output's type, "want64" where that is narrower than float64.

    A large case is answered for its distinct channels, whose values stand in all their copies [BN-1.1].
    """
    copies = Copies.of(case, tensors) if case.large else None
    exact = answer(case, copies.distinct(tensors) if copies else tensors, running_ddof)
    arrays = {}
    for name, value in exact.items():
        kind = output_dtype(case, name.split(".")[1])
        for part in ("want", "want64") if kind != "float64" else ("want",):
            array = value.round(kind if part == "want" else "float64")
            arrays[part, name] = copies.expanded(name, array) if copies else array
    return arrays
