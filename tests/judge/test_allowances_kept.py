"""Allowances are worked out once for all who declare the same of a case, and for nobody else."""

from dataclasses import replace

import numpy as np
import pytest

from bnconform.backends.contract import Conventions
from bnconform.conformance.golden.store import Golden
from bnconform.conformance.judge.allowances import allowances
from bnconform.conformance.judge.compare import expectation

GOLDEN = Golden()
DECLARED = Conventions(running_ddof=0, reduction="sequential")
CASES = [GOLDEN.cases[id] for id in ("shapes/nchw", "dtypes/float16-mixed-steps", "large/samples-image")]


def same(left, right):
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_kept_allowance_equals_a_fresh_one(case):
    expectation(case, GOLDEN, DECLARED)
    kept = expectation(case, GOLDEN, DECLARED).allowed
    fresh = allowances(case, GOLDEN.inputs(case), DECLARED, GOLDEN.wanted(case, DECLARED.running_ddof))
    assert kept.keys() == fresh.keys() == set(case.outputs())
    assert all(same(kept[name], fresh[name]) for name in fresh)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
@pytest.mark.parametrize(
    "change",
    [
        {"running_ddof": 1},
        {"variance": "one-pass"},
        {"reduction": "pairwise"},
        {"compute": dict.fromkeys(DECLARED.compute, "float64")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_other_arithmetic_gets_allowances_of_its_own(case, change):
    other = replace(DECLARED, **change)
    kept, found = (expectation(case, GOLDEN, conventions).allowed for conventions in (DECLARED, other))
    fresh = allowances(case, GOLDEN.inputs(case), other, GOLDEN.wanted(case, other.running_ddof))
    assert all(same(found[name], fresh[name]) for name in fresh)
    assert not all(same(found[name], kept[name]) for name in fresh)


@pytest.mark.parametrize("id, shared", [("shapes/nchw", True), ("dtypes/float16-mixed-steps", False)])
def test_promoted_y_shares_where_nothing_is_promoted(id, shared):
    plain, promoted = (
        expectation(GOLDEN.cases[id], GOLDEN, replace(DECLARED, y_dtype=kind)) for kind in ("x", "promoted")
    )
    assert (plain.allowed is promoted.allowed) == shared
