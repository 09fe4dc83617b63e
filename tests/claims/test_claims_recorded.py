"""The recorded verdicts: they follow from the recorded numbers, README shows them, and a new run gives them again."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

from bnconform.conformance import claims
from bnconform.conformance.claims import registry
from bnconform.conformance.claims.record import Number, fill, judge
from bnconform.conformance.claims.recorded import SETTINGS, recorded, table


def _number(data):
    return Number(**{key: math.nan if value is None else value for key, value in data.items()})


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", registry.names())
def test_recorded_claim_is_the_one_in_the_code(name, setting):
    """Criterion, settings and texts are those of the code, and the criterion gives the recorded verdict on the
    recorded numbers."""
    claim, record = registry.load(name), recorded(setting)[name]
    numbers = {key: _number(data) for key, data in record["numbers"].items()}
    verdict, outcomes = judge(claim.checks, numbers)
    assert record["settings"] == (claim.quick if setting == "quick" else claim.full)
    assert (record["title"], record["statement"], record["method"]) == (claim.title, claim.statement, claim.method)
    assert [(c["text"], c["core"], c["passed"]) for c in record["checks"]] == [
        (o.text, o.core, o.passed) for o in outcomes
    ]
    assert record["verdict"] == verdict
    assert record["headline"] == fill(claim.headline, numbers)
    assert record["errata"] == [fill(text, numbers) for text in claim.errata]


def test_readme_shows_the_recorded_table():
    assert table() in (Path(claims.__path__[0]) / "README.md").read_text(encoding="utf-8")


def test_all_quick_gives_the_recorded_verdicts_and_one_page(tmp_path):
    """One test, so that workers beside each other do not measure everything twice."""
    done = subprocess.run(
        [sys.executable, "-m", "bnconform.conformance.claims", "--all", "--quick", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert done.returncode == 0, done.stderr
    found = {claim["name"]: claim for claim in json.loads((tmp_path / "claims.json").read_text())["claims"]}
    wanted = recorded("quick")
    assert list(found) == list(registry.names()) == list(wanted)
    moved = [
        f"{name}: {wanted[name]['verdict']} is recorded ({wanted[name]['headline']}), got {claim['verdict']} ({claim['headline']})"
        for name, claim in found.items()
        if claim["verdict"] != wanted[name]["verdict"]
    ]
    assert not moved, "\n".join(moved)
    page = (tmp_path / "claims.html").read_text()
    assert page.count("data:image/svg+xml;base64,") == len(found)
    assert all(f'<article id="{name}">' in page for name in found)
    _errata_of_the_second_text(found["committee"]["numbers"])


def _errata_of_the_second_text(numbers):
    """Simulations agree with both corrected formulas and not with the printed ones."""
    plain = _number(numbers["pinv2"])
    assert plain.covers(0.25) and not plain.covers(-0.25)
    for key, corrected, printed in (("ridge0.5", 0.640, 0.778), ("ridge1", 0.390, 0.434), ("ridge3", 0.106, 1.702)):
        ridge = _number(numbers[key])
        assert ridge.value == pytest.approx(corrected, rel=0.08) and not ridge.covers(printed)
