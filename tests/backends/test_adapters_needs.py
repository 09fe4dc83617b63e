"""What a case needs, and who refuses it why: data against data."""

from dataclasses import replace

import pytest

from bnconform.backends.contract import Conventions
from bnconform.backends.needs import needs, refusal
from bnconform.conformance.golden.store import Golden

CASES = Golden().cases


@pytest.mark.parametrize(
    "case, expected",
    [
        ("shapes/rank6", {"rank:6", "dtype:float32", "params:float32", "memory:contiguous"}),
        ("shapes/per-activation", {"axis:several"}),
        ("shapes/per-activation-swapped", {"axis:several", "axis:unsorted"}),
        ("running/cumulative-dense", {"decay:cumulative"}),
        ("parameters/no-beta-nchw", {"gamma-without-beta"}),
        ("parameters/no-gamma-nchw", {"beta-without-gamma"}),
        ("dtypes/bfloat16-mixed-nchw", {"dtype:bfloat16", "params:float32", "params:mixed"}),
        ("memory/sliced-nchw", {"memory:sliced"}),
        ("memory/apart-nchw", {"memory:channels-last", "memory:contiguous"}),
        ("mixtures/float32-bfloat16-float32", {"params:narrow", "state:float32", "state:mixed"}),
        ("built/own-values", {"as-built"}),
        ("built/one-gamma-running_var", {"one-object"}),
        ("built/stateless-nchw", {"stateless"}),
        ("built/stateless-inference", {"stateless-inference"}),
        ("history/slow-decay", {"repeat"}),
        ("masks/dense", {"mask"}),
        ("gradients/jvp-dense", {"jvp"}),
        ("gradients/second-order-dense", {"second-order"}),
        ("synchronized/unequal", {"synchronized"}),
        ("renorm/open", {"renorm"}),
        ("folding/conv", {"folding"}),
        ("population/dense", {"population"}),
    ],
)
def test_needs_name_what_a_case_asks_for(case, expected):
    assert expected <= set(needs(CASES[case]))


def test_needs_of_an_ordinary_case_are_ordinary():
    found = {name.split(":")[0] for name in needs(CASES["shapes/dense"])}
    assert found == {"rank", "dtype", "params", "state", "memory"}


PLAIN = Conventions(running_ddof=0)


@pytest.mark.parametrize(
    "changes, case, reason",
    [
        ({"cannot": {"mask": "no mask here"}}, "masks/dense", "no mask here"),
        ({"dtypes": ("float32",)}, "dtypes/float16-dense", "it takes float32, not float16 x"),
        ({"dtypes": ("float32",)}, "mixtures/float32-bfloat16-float32", "not bfloat16 parameters"),
        ({}, "built/own-values", "it does not say that it can be built with the initial values of its own"),
        ({"ranks": (2, 3)}, "shapes/nchw", "it takes ranks 2, 3, not 4"),
        (
            {"channel_axes": "first"},
            "shapes/nhwc",
            "axis 1 as the channel axis only; here x of rank 4 has its channels on axis 3",
        ),
        ({"channel_axes": "last"}, "shapes/nchw", "the last axis as the channel axis only"),
        ({"channel_axes": "one"}, "shapes/per-activation", "one channel axis only"),
    ],
)
def test_refusal_says_why(changes, case, reason):
    assert reason in refusal(replace(PLAIN, **changes), CASES[case], "cpu")


@pytest.mark.parametrize(
    "changes, case",
    [
        ({}, "shapes/per-activation"),
        ({"channel_axes": "first"}, "shapes/nchw"),
        ({"channel_axes": "last"}, "shapes/dense"),
        ({"channel_axes": "last", "ranks": (4,)}, "folding/conv-transposed"),
    ],
)
def test_refusal_is_none_where_nothing_is_missing(changes, case):
    assert refusal(replace(PLAIN, **changes), CASES[case], "cpu") is None


def test_device_that_is_not_declared_is_refused():
    assert refusal(PLAIN, CASES["shapes/dense"], "gpu") == "it runs on cpu, not on gpu"
