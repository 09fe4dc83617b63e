"""The allowances: fair to right arithmetic, tight enough for wrong arithmetic, and what is derived from them."""

from functools import lru_cache

import numpy as np
import pytest

from bnconform.allowance import Allowance, Numerics, StateAllowance, batch_allowance
from bnconform.backends.contract import Conventions
from bnconform.conformance.accuracy import exact, tables, tight
from bnconform.conformance.accuracy.backend import backend_of
from bnconform.conformance.accuracy.cli import LEAST_MEDIAN, LEAST_MISTAKE
from bnconform.conformance.accuracy.grade import allowance_curve, grade, largest_errors
from bnconform.conformance.accuracy.kernels import FAIR, MISTAKES
from bnconform.conformance.accuracy.problems import stream
from bnconform.conformance.accuracy.study import OUTPUTS, gather
from bnconform.conformance.golden.store import Golden
from bnconform.conformance.judge.compare import compare, judge
from bnconform.conformance.run.observe import observe
from bnconform.layout import Layout

GOLDEN = Golden()
NAMES = [variant.name for variant in FAIR]
BY_NAME = {variant.name: variant for variant in FAIR}


@lru_cache
def study(kind):
    """2,000 seeded problems in float32, 200 in float64."""
    problems, longest = (2000, 256) if kind == "float32" else (200, 64)
    scores = gather(stream(7, problems, kind, longest), FAIR)
    return scores, tables.summary(scores)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_right_variant_never_exceeds_its_allowance(name, kind):
    if kind == "float64" and not exact.precise():
        pytest.skip("np.longdouble is no wider than float64 here: nothing to hold float64 to")
    row = study(kind)[1][name]
    assert row["worst"] <= 1
    assert row["sums"] <= 1


@pytest.mark.parametrize("name", NAMES)
def test_right_variant_uses_a_visible_part_of_its_allowance(name):
    assert study("float32")[1][name]["median"] >= LEAST_MEDIAN


def test_study_covers_every_output_and_conditioning():
    scores, found = study("float32")
    assert scores.problems >= 1900
    assert np.histogram(np.log10(scores.ratio), np.arange(-1, 7.5))[0].min() > 100
    assert set(found[NAMES[0]]["outputs"]) == set(OUTPUTS)


@lru_cache
def mistakes():
    return tight.measure(7, 6)


@pytest.mark.parametrize("name", sorted(tight.NAMED))
def test_numeric_mistake_exceeds_tenfold_on_the_cases_that_name_it(name):
    row = mistakes()[name]
    assert row["smallest"] >= LEAST_MISTAKE
    assert row["right"] <= 1


SUITE = {
    "one-pass declared as two-pass": "conditioning/ratio-1e4-nchw",
    "statistics stored in half": "conditioning/ratio-1e1-nhwc",
    "eps rounded to half": "parameters/eps-default-small-variance-nchw",
    "inverse root of 12 bits": "shapes/nchw",
    "half-precision accumulation": "large/sum-ratio-1",
}


def judged(variant, id):
    case, backend = GOLDEN.cases[id], backend_of(variant)
    return judge(variant.name, observe(case, backend, GOLDEN.inputs(case)), case, GOLDEN, backend.conventions)


@pytest.mark.parametrize("name", sorted(SUITE))
def test_numeric_mistake_exceeds_tenfold_in_the_suite(name):
    scores = [verdict.score for verdict in judged(MISTAKES[name], SUITE[name]) if verdict.status == "fail"]
    assert max(scores) >= LEAST_MISTAKE


FAMILIES = ("shapes", "parameters", "running", "conditioning", "degenerate", "mode", "memory", "dtypes")
# squares beyond float32's range, or a cube of 1/sqrt(1e-42): outside of the arithmetic, whatever its rounding
OUT_OF_RANGE = (
    "conditioning/scale-overflow",
    "conditioning/scale-subnormal-square",
    "conditioning/scale-float64-subnormal-square",
)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "Welford"])  # value by value: minutes in Python
def test_right_variant_passes_the_suite(name):
    for case in GOLDEN.cases.values():
        if case.family in FAMILIES and case.id not in OUT_OF_RANGE:
            lost = [
                f"{v.case} {v.output} {v.status} {v.message}"
                for v in judged(BY_NAME[name], case.id)
                if v.status != "pass"
            ]
            assert not lost


@pytest.mark.parametrize("id", sorted(id for id, case in GOLDEN.cases.items() if case.family == "nonfinite"))
def test_allowance_exists_where_the_value_is_finite(id):
    lost = [f"{v.output} {v.message}" for v in judged(FAIR[0], id) if v.status != "pass"]
    assert not lost


def test_sum_of_errors_finds_a_bias_below_every_allowance():
    exact_values = np.linspace(1.0, 2.0, 4000)
    allowed = Allowance(np.full(4000, 1e-3), np.full(4000, 1e-3), np.zeros(1))
    rng = np.random.default_rng(0)
    noise = rng.uniform(-5e-4, 5e-4, 4000)
    fair = compare(exact_values + noise, exact_values, exact_values, allowed, "float64")
    leaning = compare(exact_values + np.abs(noise), exact_values, exact_values, allowed, "float64")
    assert fair["status"] == "pass" and fair["bias_score"] < 1
    assert leaning["status"] == "fail" and leaning["kind"] == "bias" and leaning["score"] <= 1
    assert "sum of errors" in leaning["message"]


def test_sum_of_squares_finds_errors_that_all_reach_their_allowance():
    values = np.linspace(1.0, 2.0, 4000)
    allowed = Allowance(np.full(4000, 1e-3), np.full(4000, 1e-3), np.zeros(1))
    signs = np.where(np.arange(4000) % 2, 1.0, -1.0)
    found = compare(values + 0.99e-3 * signs, values, values, allowed, "float64")
    assert found["kind"] == "bias" and found["score"] <= 1


def test_shared_error_of_a_channel_is_no_bias():
    values = np.linspace(1.0, 2.0, 4000)
    allowed = Allowance(np.full(4000, 1e-3), np.zeros(4000), np.array([4.0]))
    found = compare(values + 0.99e-3, values, values, allowed, "float64")
    assert found["status"] == "pass"


def test_equal_values_count_as_one_error():
    values = np.ones(4000)
    allowed = Allowance(np.full(4000, 1e-3), np.full(4000, 1e-3), np.zeros(1))
    assert compare(values + 0.99e-3, values, values, allowed, "float64")["status"] == "pass"


@pytest.mark.parametrize("variance", ["welford", "one-pass"])
def test_class_allows_more_than_two_passes_where_mean_dominates(variance):
    x = 1000.0 + np.random.default_rng(0).standard_normal((64, 3))
    strict, loose = (
        batch_allowance(x, Layout(x.shape, 1), Numerics("float32", kind)) for kind in ("two-pass", variance)
    )
    assert np.all(loose.var_error > 3 * strict.var_error)
    assert np.all(loose.mean_error >= strict.mean_error)


def test_empty_step_does_not_count_in_a_cumulative_average():
    layout, numerics = Layout((0, 2), 1), Numerics()
    state = StateAllowance.initial(np.ones(2), np.ones(2))
    update = dict(decay=None, running_ddof=1, dtype="float32", compute="float32")
    after = state.update(batch_allowance(np.zeros((0, 2)), layout, numerics), **update)
    assert np.all(after.mean_count == 0) and np.array_equal(after.mean, state.mean)


@lru_cache
def graded():
    chosen = ("direct, tree sums", "one-pass, tree sums", "one-pass, one after the other", "merged halves")
    ids = [id for id in GOLDEN.cases if id.startswith("conditioning/ratio-") and id.endswith(("nchw", "dense"))]
    verdicts = tuple(verdict for name in chosen for id in ids for verdict in judged(BY_NAME[name], id))
    return verdicts, grade(verdicts)


@pytest.mark.parametrize(
    "name, variance",
    [
        ("direct, tree sums", "two-pass"),
        ("one-pass, tree sums", "one-pass"),
        ("one-pass, one after the other", "one-pass"),
        ("merged halves", "between"),
    ],
)
def test_grade_tells_how_the_variance_was_computed(name, variance):
    found = graded()[1][name]
    assert found["variance"] == variance
    assert set(found["outputs"]["y"]) == set(range(8))


def test_grade_reads_records_and_report_rows_alike():
    verdicts, expected = graded()
    assert grade([verdict.to_json() for verdict in verdicts]) == expected


def test_largest_errors_are_of_what_is_drawn_and_the_allowance_grows_with_them():
    verdicts, found = graded()
    errors = largest_errors(verdicts)
    assert set(errors) == {"y", "dx", "running_var"} and set(errors["y"]) == set(found)
    assert allowance_curve("y")[6] > 100 * allowance_curve("y")[0]
    name = "two-pass, one after the other" if "two-pass, one after the other" in errors["y"] else min(errors["y"])
    assert errors["y"][name][6] > errors["y"][name][0] > 0


@pytest.mark.parametrize("reduction", ["pairwise", "sequential"])
def test_strict_score_ignores_what_is_declared(reduction):
    conventions = Conventions(running_ddof=1, reduction=reduction)
    case = GOLDEN.cases["conditioning/ratio-1e3-nchw"]
    backend = backend_of(FAIR[0])
    observation = observe(case, backend, GOLDEN.inputs(case))
    strict = [v.strict_score for v in judge("x", observation, case, GOLDEN, conventions)]
    assert strict == [v.score for v in judge("x", observation, case, GOLDEN, backend.conventions)]
