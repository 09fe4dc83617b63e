"""The records of operations: complete, asked by some case, and the only place that tells modes apart."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from bnconform.backends.numpy_ import NumpyReference
from bnconform.conformance.golden.store import Golden
from bnconform.conformance.operations import LIKE, OPERATIONS, main, of_step
from bnconform.conformance.records import Step
from bnconform.conformance.run.observe import observe

GOLDEN = Golden()
ROOT = Path(__file__).parent.parent / "conformance"
DIAGNOSIS = {"mistakes", "diagnosis"}  # they speak of wrong operations too


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_operation_is_asked_by_cases_that_cite_its_clause(operation):
    cases = [case for case in GOLDEN.cases.values() if any(operation in of_step(step) for step in case.steps)]
    assert any(operation.clause in case.clauses for case in cases)
    told = {name for case in cases for step in case.steps for name in step.outputs}
    assert set(operation.outputs) <= told


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_operation_tensors_have_a_kind(operation):
    assert operation.static or {*operation.inputs, *operation.outputs} - {"mask"} <= LIKE.keys()


def test_step_of_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="'sleep', expected one of train, infer, frozen, renorm, fold, population"):
        main(Step("sleep", ("x",), ("y",)))


def without(name):
    """The reference, less one method."""

    class Lacking(NumpyReference):
        @property
        def method(self):
            raise AttributeError(name)

    setattr(Lacking, name, Lacking.__dict__["method"])
    return Lacking


@pytest.mark.parametrize(
    "case, method, kind",
    [
        ("masks/dense", "train_masked", "unsupported"),
        ("gradients/jvp-dense", "jvp", "unsupported"),
        ("renorm/open", "train_renorm", "unsupported"),
        ("shapes/dense", "train", "raised"),
        ("shapes/dense", "infer", "raised"),
    ],
)
def test_only_an_optional_method_may_be_absent(case, method, kind):
    found = observe(GOLDEN.cases[case], without(method), GOLDEN.inputs(GOLDEN.cases[case]))
    assert found.failure.kind == kind and method in found.failure.text


def test_inference_stands_in_for_frozen_training():
    case = GOLDEN.cases["mode/frozen"]
    found = observe(replace(case, steps=case.steps[:1]), NumpyReference, GOLDEN.inputs(case))
    assert found.failure is None and "0.y" in found.outputs


def test_modes_are_told_apart_by_their_records_alone():
    told = []
    for path in ROOT.rglob("*.py"):
        if path.name == "operations.py" or path.relative_to(ROOT).parts[0] in DIAGNOSIS:
            continue
        compared = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Compare)]
        told += [
            f"{path.relative_to(ROOT)}: {ast.unparse(node)}"
            for node in compared
            if any(getattr(side, "attr", "") == "mode" for side in ast.walk(node))
        ]
    assert told == []
