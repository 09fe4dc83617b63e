"""Claims as records: every one can be refuted, runs, repeats itself, and is drawn."""

import dataclasses
import functools
import math

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

import numpy as np

from bnconform.conformance.claims import committee_theory, registry
from bnconform.conformance.claims.data import Images
from bnconform.conformance.claims.record import CONDITIONS, FAILS, HOLDS, Check, Claim, Number, judge, number_data
from bnconform.conformance.claims.run import execute

TINY = {
    "neuron-histogram": {"samples": 500, "repetitions": 2},
    "sigmoid-mlp": {"seeds": 2, "steps": 8, "every": 2},
    "handwritten-layer": {"seeds": 2, "steps": 3},
    "keras-lines": {"repetitions": 2},
    "placement": {"seeds": 2, "steps": 4, "every": 2},
    "digitnn": {"seeds": 2},
    "lenet": {"batch": 20, "steps": 3, "trajectory": 3, "seeds": 2},
    "redundant-bias": {"repetitions": 2},
    "conv-sharing": {"draws": 50},
    "inference-statistics": {"steps": 110, "repetitions": 20, "draws": 2000},
    "batch-noise": {"batches": 200},
    "gamma-decay": {"batches": 200},
    "committee": {"inputs": 64, "repetitions": 2, "steps": 32, "alphas": [0.5, 1.0, 2.0, 3.0]},
    "regularization-gap": {"train": 40, "width": 2, "hidden": 8, "batch": 10, "steps": 3, "seeds": 2},
    "batch-size": {"sizes": [4, 8], "seeds": 2, "epochs": 1, "train": 24, "width": 2, "hidden": 8},
    "population-norm": {
        "train": 40,
        "width": 2,
        "hidden": 8,
        "batch": 8,
        "steps": 4,
        "every": 2,
        "refresh": 2,
        "seeds": 2,
    },
    "dropout": {"batches": [8, 16], "epochs": 1, "train": 32, "width": 2, "hidden": 8, "seeds": 2},
    "variance-shift": {"steps": 4, "repetitions": 2},
    "smoothness": {"steps": 4, "every": 2, "seeds": 2},
    "ablation": {"seeds": 2, "steps": 3, "orders": 1},
}


def images(shape=(1, 8, 8)):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((240, *shape)).astype(np.float32)
    y = rng.integers(0, 10, 240)
    return Images("noise", x[:160], y[:160], x[160:200], y[160:200], x[200:], y[200:])


def tiny(name):
    claim = registry.load(name)
    return dataclasses.replace(claim, quick={**claim.quick, **TINY[name]})


@functools.cache
def measured(name):
    return execute(tiny(name), images(), quick=True, seed=3)


@pytest.mark.parametrize("name", registry.names())
def test_claim_repeats_numbers_verdict_and_figure(name):
    first, second = measured(name), execute(tiny(name), images(), quick=True, seed=3)
    assert first.as_dict() == second.as_dict()
    assert first.figure == second.figure and first.figure.startswith("<?xml")
    assert first.verdict in (HOLDS, CONDITIONS, FAILS)


@pytest.mark.parametrize("name", registry.names())
def test_claim_takes_colour_images_of_another_size(name):
    execute(tiny(name), images((3, 12, 12)), quick=True)


def test_claims_say_what_is_claimed_where_and_how():
    claims = {name: registry.load(name) for name in registry.names()}
    assert [name for name, claim in claims.items() if claim.name != name or claim.quick == claim.full] == []
    assert [name for name, claim in claims.items() if "Text 00" not in claim.source] == []
    texts = {name: (claim.title, claim.statement, claim.source, claim.method) for name, claim in claims.items()}
    assert [(name, text) for name, four in texts.items() for text in four if len(text) <= 20] == []


@pytest.mark.parametrize("name", registry.names())
def test_every_check_fails_on_numbers_that_are_not_numbers(name):
    """A check that passes on NaN could pass on a measurement that failed."""
    claim = registry.load(name)
    result = measured(name)
    nan = {
        key: dataclasses.replace(n, value=math.nan, low=math.nan, high=math.nan) for key, n in result.numbers.items()
    }
    passed = [check.text for check in claim.checks if check.test(nan)]
    assert not passed


def _claim(**change):
    fields = dict(
        name="a",
        title="t",
        statement="s",
        source="x",
        method="m",
        headline="h",
        checks=(Check("c", lambda n: True),),
        quick={"n": 1},
        full={"n": 2},
        measure=None,
        draw=None,
    )
    return Claim(**(fields | change))


def test_claim_without_a_core_check_is_refused():
    with pytest.raises(ValueError, match="no core check"):
        _claim(checks=(Check("c", lambda n: True, core=False),))


def test_claim_whose_settings_differ_in_keys_is_refused():
    with pytest.raises(ValueError, match="settings differ"):
        _claim(full={"m": 2})


@pytest.mark.parametrize(
    "core, condition, verdict",
    [(True, True, HOLDS), (True, False, CONDITIONS), (False, True, FAILS), (False, False, FAILS)],
)
def test_verdict_follows_from_the_checks(core, condition, verdict):
    checks = (Check("core", lambda n: core), Check("condition", lambda n: condition, core=False))
    got, outcomes = judge(checks, {})
    assert got == verdict and [o.passed for o in outcomes] == [core, condition]


def test_interval_is_students():
    number = Number.of("x", [1.0, 2.0, 4.0])
    half = 4.302652729911275 * math.sqrt(7 / 3 / 3)  # t(0.975, 2) from a table; sample variance 7/3
    assert number.value == pytest.approx(7 / 3)
    assert number.high - number.value == pytest.approx(half, rel=1e-9)


def test_interval_of_one_sample_is_refused():
    with pytest.raises(ValueError, match="at least 2 samples"):
        Number.of("x", [1.0])


def test_numbers_that_are_not_finite_are_null_in_json():
    assert number_data(Number.exact("x", math.inf))["value"] is None


@pytest.mark.parametrize("alpha", [0.5, 2.0, 3.0])
def test_plain_formula_matches_simulation_and_the_printed_one_does_not(alpha):
    rng = np.random.default_rng(1)
    errors = [
        committee_theory.solve_error(*committee_theory.problem(rng, int(alpha * 200), 200), 0.0) for _ in range(20)
    ]
    assert np.mean(errors) == pytest.approx(float(committee_theory.plain_error(np.array(alpha))), rel=0.1)
    if alpha > 1:
        assert float(committee_theory.plain_error_as_printed(np.array(alpha))) < 0


@pytest.mark.parametrize("alpha", [0.5, 1.0, 3.0])
def test_ridge_formula_matches_simulation_and_the_printed_one_does_not(alpha):
    rng = np.random.default_rng(2)
    errors = [
        committee_theory.solve_error(*committee_theory.problem(rng, int(alpha * 200), 200), 0.25) for _ in range(20)
    ]
    number = Number.of("ridge", errors)
    assert number.value == pytest.approx(float(committee_theory.ridge_error(0.25, alpha)), rel=0.08)
    assert not number.covers(float(committee_theory.ridge_error_as_printed(0.25, alpha)))
