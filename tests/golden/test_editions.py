"""A new edition of the golden files adds cases; what the old ones ask and answer stays, to the bit."""

import hashlib

import pytest

from bnconform.conformance.golden.store import FOLDER, Golden
from bnconform.conformance.golden.tensors import encode

GOLDEN = Golden()
README = (FOLDER.parent / "README.md").read_text()
DIGESTS = {1: "4e817ab871f034e72d709b884dbb32a315ff365d3a22181bca06ac6951e65688"}


def digest(edition):
    """SHA-256 over all frozen tensors of the cases that an edition brought."""
    found = hashlib.sha256()
    for family in sorted(name.removesuffix(".safetensors") for name in GOLDEN.manifest.files):
        arrays = GOLDEN.family(family)
        found.update(encode({n: a for n, a in arrays.items() if GOLDEN.cases[n.split("|")[0]].since == edition}))
    return found.hexdigest()


@pytest.mark.parametrize("edition", DIGESTS)
def test_old_edition_keeps_its_bits(edition):
    assert digest(edition) == DIGESTS[edition]


def test_manifest_says_the_newest_edition():
    assert GOLDEN.manifest.edition == max(case.since for case in GOLDEN.cases.values())


@pytest.mark.parametrize("edition", sorted({case.since for case in GOLDEN.cases.values()}))
def test_readme_counts_the_cases_of_each_edition(edition):
    assert f"| {edition} | {sum(case.since <= edition for case in GOLDEN.cases.values())} |" in README
