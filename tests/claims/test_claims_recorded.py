"""The recorded verdicts: they follow from the recorded numbers, README shows them, and a new run gives them again."""

import json
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
from bnconform.conformance.claims.recorded import SETTINGS, headline, recorded, table


@pytest.mark.parametrize("setting", SETTINGS)
def test_recorded_claims_are_those_in_the_code(setting):
    """Settings are those of the code, whose criterion gives the recorded verdict on the recorded numbers."""
    found, wanted = {}, {}
    for name, record in recorded(setting).items():
        claim, numbers = registry.load(name), record.pop("numbers")
        verdict, outcomes = judge(claim.checks, numbers)
        passed = [outcome.passed for outcome in outcomes]
        wanted[name] = {"settings": dict(getattr(claim, setting)), "verdict": verdict, "passed": passed}
        found[name] = record
        assert all(fill(text, numbers) for text in (claim.headline, *claim.errata))  # no number is missing
    assert found == wanted
    assert list(found) == list(registry.names())


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
        f"{name}: {wanted[name]['verdict']} is recorded ({headline(name, wanted[name])}), "
        f"got {claim['verdict']} ({claim['headline']})"
        for name, claim in found.items()
        if claim["verdict"] != wanted[name]["verdict"]
    ]
    assert not moved, "\n".join(moved)
    page = (tmp_path / "claims.html").read_text()
    assert page.count("data:image/svg+xml;base64,") == len(found)
    assert all(f'<article id="{name}">' in page for name in found)
    keys = ("label", "value", "low", "high", "n", "unit")
    _errata_of_the_second_text(
        {key: Number(*(data[k] for k in keys)) for key, data in found["committee"]["numbers"].items()}
    )


def _errata_of_the_second_text(numbers):
    """Simulations agree with both corrected formulas and not with the printed ones."""
    plain = numbers["pinv2"]
    assert plain.covers(0.25) and not plain.covers(-0.25)
    for key, corrected, printed in (("ridge0.5", 0.640, 0.778), ("ridge1", 0.390, 0.434), ("ridge3", 0.106, 1.702)):
        ridge = numbers[key]
        assert ridge.value == pytest.approx(corrected, rel=0.08) and not ridge.covers(printed)
