"""Correct rounding to each format: of fractions, of irrational numbers, by the fast path and by the exact one."""

import math
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf
from oracle_checks import DIGITS, DTYPES, exact_value, neighbours, rounding_interval

from bnconform import oracle
from bnconform.oracle import doubled, formats, reals

NAMES = list(DTYPES)
LARGEST = {
    "float64": sys.float_info.max,
    "float32": 2.0**128 - 2.0**104,
    "float16": 65504.0,
    "bfloat16": 2.0**128 - 2.0**120,
}
SMALLEST = {"float64": -1074, "float32": -149, "float16": -24, "bfloat16": -133}


@pytest.fixture(autouse=True, scope="module")
def digits():
    with mp.workdps(DIGITS):
        yield


def power(e):
    return Fraction(2) ** e


def rounded(value, name):
    return formats.round_fraction(Fraction(value), formats.FORMATS[name])


def infer(x, out="float64", **options):
    """y of inference with mean 0, variance 1 and eps 0, unless said otherwise: gamma x + beta exactly."""
    shape = np.shape(x)[1:]
    given = dict(gamma=None, beta=None, running_mean=np.zeros(shape), running_var=np.ones(shape), eps=0.0)
    options = given | options
    (result,) = oracle.evaluate([{"mode": "infer", "x": x}], **options, decay=0.9, running_ddof=1, channel_axes=(1,))
    return result["y"].round(out)


@pytest.mark.parametrize("name", NAMES)
class TestFormat:
    def test_format_is_that_of_the_dtype(self, name):
        form, dtype = formats.FORMATS[name], DTYPES[name]
        assert form.dtype == dtype
        assert rounded(LARGEST[name], name) == LARGEST[name] == neighbours(np.inf, dtype)[0]
        assert form.min_exponent == SMALLEST[name]
        assert neighbours(0.0, dtype)[1] == 2.0 ** SMALLEST[name]

    def test_ties_go_to_even(self, name):
        ulp = power(1 - formats.FORMATS[name].p)
        assert rounded(1 + ulp / 2, name) == 1
        assert rounded(1 + 3 * ulp / 2, name) == 1 + 2 * ulp
        assert rounded(-1 - 3 * ulp / 2, name) == -1 - 2 * ulp
        assert rounded(2 - ulp / 2, name) == 2

    def test_just_off_a_tie_goes_to_the_near_side(self, name):
        ulp, little = power(1 - formats.FORMATS[name].p), power(-300)
        assert rounded(1 + ulp / 2 + little, name) == 1 + ulp
        assert rounded(1 + 3 * ulp / 2 - little, name) == 1 + ulp

    def test_subnormals_have_one_quantum(self, name):
        least = power(SMALLEST[name])
        assert rounded(least / 2, name) == 0
        assert rounded(least / 2 + power(-3000), name) == least
        assert rounded(3 * least / 2, name) == 2 * least
        assert rounded(5 * least / 2, name) == 2 * least

    def test_underflow_keeps_the_sign_and_zero_is_positive(self, name):
        assert math.copysign(1, rounded(-power(-3000), name)) == -1
        assert math.copysign(1, rounded(0, name)) == 1

    def test_overflow_starts_half_a_spacing_beyond_the_largest(self, name):
        largest = Fraction(LARGEST[name])
        half = power(formats.FORMATS[name].emax - formats.FORMATS[name].p)
        assert rounded(largest + half, name) == math.inf
        assert rounded(largest + half - power(-50), name) == LARGEST[name]
        assert rounded(-largest - half, name) == -math.inf

    @given(value=st.fractions(), exponent=st.integers(-1200, 1100))
    @settings(max_examples=200, deadline=None)
    def test_rounded_fraction_is_nearest(self, name, value, exponent):
        value *= power(exponent)
        got = rounded(value, name)
        with mp.workdps(1000):
            low, high = rounding_interval(got, DTYPES[name])
            assert low <= mpf(value.numerator) / value.denominator <= high

    @given(value=st.floats(allow_nan=False, allow_infinity=False))
    @settings(max_examples=300, deadline=None)
    def test_fast_narrowing_agrees_with_fractions(self, name, value):
        if name != "float64":  # nothing to narrow
            with np.errstate(over="ignore"):
                got = doubled._narrow(np.array([value]), formats.FORMATS[name])
            expected = rounded(value, name) if value else value
            assert got.dtype == DTYPES[name]
            assert got.astype(np.float64).tobytes() == np.float64(expected).tobytes()

    @pytest.mark.parametrize("scale", ["normal", "subnormal", "largest"])
    def test_fast_narrowing_is_right_around_every_kind_of_boundary(self, name, scale):
        if name == "float64":
            return
        form = formats.FORMATS[name]
        top = {"normal": 3, "subnormal": form.emin + 1, "largest": form.emax}[scale]
        half = max(top - form.p, form.min_exponent - 1)
        steps = np.arange(2**9) if scale != "largest" else 2 ** (form.p + 1) - 1 - np.arange(2**9)
        grid = np.ldexp(steps.astype(np.float64), half)
        values = np.concatenate([grid, np.nextafter(grid, np.inf), np.nextafter(grid, -np.inf)])
        values = np.concatenate([values, -values])
        with np.errstate(over="ignore"):
            got = doubled._narrow(values, form).astype(np.float64)
        expected = np.array([rounded(v, name) if v else v for v in values])
        assert got.tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_output_on_a_tie_is_decided_exactly(name):
    ulp = 2.0 ** (1 - formats.FORMATS[name].p)
    x = np.array([[1.0], [1 + ulp], [1 + 2 * ulp], [-1 - ulp]])
    got = infer(x, name, beta=np.array([ulp / 2]))
    assert got.astype(np.float64).ravel().tolist() == [1.0, 1 + 2 * ulp, 1 + 2 * ulp, -1.0]


@pytest.mark.parametrize("name", NAMES)
def test_output_just_off_a_tie_is_not_rounded_twice(name):
    """x - mean + beta = 1 + ulp/2 +- 2^-300 lies on the tie for every fixed precision below 300 bits."""
    ulp = 2.0 ** (1 - formats.FORMATS[name].p)
    x = np.array([[2.0**-300], [-(2.0**-300)]])
    got = infer(x, name, beta=np.array([1.0]), running_mean=np.array([-ulp / 2]))
    assert got.astype(np.float64).ravel().tolist() == [1 + ulp, 1.0]


@pytest.mark.parametrize("name", NAMES)
def test_output_in_the_subnormal_range_is_rounded_once(name):
    least = SMALLEST[name]
    x = np.ldexp(np.array([[1.0], [3.0], [5.0], [-1.0], [-3.0], [6.0]]), least + 20)
    got = infer(x, name, gamma=np.array([2.0**-21])).astype(np.float64)
    expected = np.ldexp(np.array([0.0, 2.0, 2.0, -0.0, -2.0, 3.0]), least)
    assert got.tobytes() == expected[:, None].tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_output_overflows_to_infinity_from_half_a_spacing_on(name):
    form, largest = formats.FORMATS[name], LARGEST[name]
    half = 2.0 ** (form.emax - form.p)
    for sign in (1, -1):
        for beta, expected in [(half, np.inf), (np.nextafter(half, 0), largest)]:
            got = infer(np.array([[sign * largest]]), name, beta=np.array([sign * beta]))
            assert float(got.item()) == sign * expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("exponent, expected", [(1000, np.inf), (-1000, 0.0)])
def test_output_far_beyond_float64_is_infinite_or_zero(name, exponent, expected):
    """gamma x = 2^2000, divided by sqrt(2^-1074) 2^2537; or 2^-2000 2^-511."""
    x = np.array([[2.0**exponent], [-(2.0**exponent)], [0.0]])
    var = np.array([2.0**-1074 if exponent > 0 else 2.0**1022])
    got = infer(x, name, gamma=np.array([2.0**exponent]), running_var=var).astype(np.float64)
    assert got.tobytes() == np.array([[expected], [-expected], [0.0]]).tobytes()


def test_output_near_a_perfect_square_root_is_told_from_the_tie():
    """sqrt(1 + 2^-200) differs from 1 by 2^-201, far beyond double-double: gamma/sqrt is just below 1."""
    x = np.array([[1 + 2.0**-23]])
    got = infer(x, "float32", running_var=np.array([1.0]), eps=2.0**-200, beta=np.array([2.0**-24]))
    assert got.item() == np.float32(1 + 2.0**-23)
    tie = infer(x, "float32", running_var=np.array([1.0]), eps=0.0, beta=np.array([2.0**-24]))
    assert tie.item() == np.float32(1 + 2.0**-22)


def test_two_roots_that_cancel_are_zero():
    """sqrt(8) - 2 sqrt(2) = 0, and sqrt(2) sqrt(8) = 4: no digits would show it."""
    roots = reals.Field(Fraction(8), Fraction(2))
    zero = reals.Real({1: Fraction(1), 2: Fraction(-2)}, roots)
    assert zero.sign() == 0
    assert zero.round(formats.FORMATS["float64"]) == (0.0, 0)
    assert reals.Real({3: Fraction(1)}, roots).round(formats.FORMATS["float16"])[0] == 4.0


def random_output(name):
    rng = np.random.default_rng(8)
    x, dy = rng.standard_normal((2, 40, 3)).astype(DTYPES[name])
    (out,) = oracle.evaluate(
        [{"mode": "train", "x": x, "dy": dy}],
        **{p: rng.standard_normal(3) for p in ("gamma", "beta", "running_mean", "running_var")},
        eps=1e-5,
        decay=0.9,
        running_ddof=1,
        channel_axes=(1,),
    )
    return out


@pytest.mark.parametrize("name", NAMES)
def test_claim_is_held_by_its_enclosure_and_a_flipped_bit_is_refuted(name):
    for exact in random_output(name).values():
        got = exact.round(name)
        assert got.dtype == DTYPES[name]
        for index in np.ndindex(exact.shape):
            value = exact_value(exact.value(*index))
            low, high = rounding_interval(float(got[index]), DTYPES[name])
            assert low <= value <= high
            for wrong in neighbours(float(got[index]), DTYPES[name]):
                low, high = rounding_interval(wrong, DTYPES[name])
                assert not low <= value <= high


def test_round_refuses_another_type():
    with pytest.raises(ValueError, match=r"dtype is 'int32'.*BN-8.2"):
        random_output("float64")["y"].round("int32")
