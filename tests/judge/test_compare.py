"""The comparer bites: what is wrong is named by kind, what is right within its allowance passes."""

import numpy as np
import pytest

from bnconform.allowance import Allowance
from bnconform.conformance.judge.compare import compare

EXACT = np.array([1.0, -2.0, 4.0, np.nan, np.inf])


def against(got, exact=EXACT, kind="float32"):
    got = np.asarray(got)
    return compare(got, exact.astype(np.float32), exact, Allowance.independent(np.full(exact.shape, 1e-6)), kind)


def test_equal_values_pass_with_score_zero():
    assert against(EXACT.astype(np.float32)) == {
        "status": "pass",
        "score": 0.0,
        "error": 0.0,
        "count": 5,
        "mismatches": 0,
        "worst_index": (0,),
        "bias_score": 0.0,
    }


@pytest.mark.parametrize(
    "change, kind",
    [
        (lambda a: np.where(np.arange(5) == 1, a + 1e-5, a), "value"),
        (lambda a: np.where(np.arange(5) == 2, np.nan, a), "nan"),
        (lambda a: np.where(np.arange(5) == 2, np.inf, a), "inf"),
        (lambda a: np.where(np.arange(5) == 4, -np.inf, a), "value"),
        (lambda a: np.where(np.arange(5) == 3, 0.0, a), "value"),
    ],
)
def test_wrong_values_fail_with_their_kind(change, kind):
    found = against(change(EXACT).astype(np.float32))
    assert found["status"] == "fail" and found["kind"] == kind and found["mismatches"] == 1
    assert "1 of 5 values differ; worst at" in found["message"]


def test_shape_is_compared_before_values():
    assert against(EXACT[:4].astype(np.float32))["kind"] == "shape"


def test_dtype_is_compared_before_values():
    assert against(EXACT)["kind"] == "dtype:float64"


def test_overflow_is_right_where_the_type_cannot_hold_the_value():
    exact = np.array([1e6, 1.0])
    got = exact.astype(np.float16)
    assert compare(got, got, exact, Allowance.independent([1e-3, 1e-3]), "float16")["status"] == "pass"


def test_message_says_error_allowance_and_place():
    exact = np.array([[1.0, 2.0], [3.0, 4.0]])
    got = exact.astype(np.float32)
    got[1, 0] += 0.5
    found = compare(got, exact.astype(np.float32), exact, Allowance.independent(np.full((2, 2), 1e-3)), "float32")
    assert found["worst_index"] == (1, 0) and found["score"] == pytest.approx(500)
    assert (
        found["message"]
        == "1 of 4 values differ; worst at (1, 0): got 3.5, expected 3, error 0.5, allowance 0.001, score 500"
    )


@pytest.mark.parametrize("allowed, status", [(1e3, "pass"), (1.0, "fail"), (np.inf, "fail")])
def test_overflow_is_right_where_the_allowance_reaches_it(allowed, status):
    exact = np.array([65_000.0])
    got = np.array([np.inf], np.float16)
    assert (
        compare(got, exact.astype(np.float16), exact, Allowance.independent([allowed]), "float16")["status"] == status
    )
