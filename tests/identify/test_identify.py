"""Identify finds what an implementation does without reading what it declares."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from bnconform.backends import registry
from bnconform.backends.numpy_ import NumpyReference, NumpyReferenceDdof0
from bnconform.conformance.golden.store import Golden
from bnconform.conformance.identify import identify
from bnconform.conformance.identify.cli import identify as command
from bnconform.conformance.identify.defaults import defaults
from bnconform.conformance.identify.edges import CASES
from bnconform.conformance.identify.probe import Box
from bnconform.conformance.mistakes import mutants


def found(backend, known=()):
    return {f.property: f for f in identify(backend, "cpu", known)}


@pytest.mark.parametrize("backend, ddof", [(NumpyReference, "1"), (NumpyReferenceDdof0, "0")])
def test_identify_agrees_with_the_reference(backend, ddof):
    rows = found(backend)
    assert [f for f in rows.values() if f.agrees is False] == []
    assert rows["running ddof"].finding == ddof


@pytest.mark.parametrize(
    "name, property, finding",
    [
        ("running-var-biased", "running ddof", "0"),
        ("normalizer-unbiased", "normalizing ddof", "1"),
        ("decay-complement", "decay", "weight of the new batch"),
        ("eps-outside-root", "eps in training", "outside the root"),
        ("eps-always1e5", "eps value", "always 1e-05"),
        ("eps-added-twice", "eps value", "2 eps"),
        ("decay-other-default", "decay", "always 0.99"),
        ("one-pass-variance", "variance", "one-pass"),
        ("one-pass-variance-clamped", "variance", "one-pass-clamped"),
        ("cumulative-forgets", "decay = None", "another average"),
        ("channels-always-last", "channel axis", "last"),
        ("training-gradient-of-inference", "gradient in training flows through", "dy alone"),
        ("mean-term-dropped", "gradient in training flows through", "dy and variance"),
        ("inference-uses-batch", "inference normalizes by", "batch"),
        ("frozen-updates", "state in frozen training", "updated"),
        ("state-updated-twice", "a training step updates", "twice"),
        ("mask-ignored", "mask", "ignored"),
        ("empty-poisons", "empty batch", "state NaN"),
        ("nan-left-out", "NaN in one channel", "left out of the sums"),
    ],
)
def test_identify_finds_what_a_mutant_does(name, property, finding):
    row = found(mutants()[name].backend)[property]
    assert (row.finding, row.agrees) == (finding, False), row


class Told(NumpyReference):
    """It declares defaults and has none: what it is not told, it takes from the configuration."""

    conventions = replace(NumpyReference.conventions, default_eps=1e-3, default_decay=0.9)


class Untold(Told):
    """It has defaults, and not all of those that it declares."""

    def __init__(self, config, *given):
        super().__init__(replace(config, eps=1e-3, decay=0.99) if config.defaults else config, *given)


@pytest.mark.parametrize(
    "backend, property, finding, agrees",
    [
        (Told, "default eps", "none found", False),
        (Told, "default decay", "none found", False),
        (Untold, "default eps", "0.001", True),
        (Untold, "default decay", "0.99", False),
        (NumpyReference, "default eps", "not probed", None),
    ],
)
def test_identify_probes_defaults(backend, property, finding, agrees):
    (row,) = [row for row in defaults(Box.of(backend), backend.conventions) if row.property == property]
    assert (row.finding, row.agrees) == (finding, agrees), row


def test_identify_command_writes_rows_and_succeeds(tmp_path):
    path = tmp_path / "rows.json"
    result = CliRunner().invoke(command, ["numpy", "--json", str(path)])
    assert result.exit_code == 0, result.output
    assert {row["property"] for row in json.loads(path.read_text())["findings"]} >= {
        "variance",
        "running ddof",
        "decay",
    }


def test_identify_command_fails_where_findings_disagree():
    assert CliRunner().invoke(command, ["bnconform.conformance.mistakes.backends:running-var-biased"]).exit_code == 1


def test_identify_command_refuses_an_unknown_name():
    result = CliRunner().invoke(command, ["nobody"])
    assert result.exit_code == 2 and "numpy" in result.output


def test_identify_agrees_with_torch():
    entry = registry.entry("torch")
    if entry.missing():
        pytest.skip("torch is not installed")
    from bnconform.conformance.judge.known import builtin

    assert [f for f in identify(entry.load(), "cpu", builtin("torch")) if f.agrees is False] == []


def test_identify_names_cases_that_exist():
    assert set(CASES.values()) <= Golden().cases.keys()
