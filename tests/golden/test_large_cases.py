"""Cases that are not frozen: made again from their bits, checked by hash, cached."""

from dataclasses import replace

import numpy as np
import pytest

from bnconform.conformance.cases import large_draft
from bnconform.conformance.golden import large
from bnconform.conformance.golden.answer import golden_tensors
from bnconform.conformance.golden.copies import Copies
from bnconform.conformance.golden.store import Golden
from bnconform.conformance.golden.tensors import GoldenError

GOLDEN = Golden()
LARGE = [id for id, case in GOLDEN.cases.items() if case.large]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BNCONFORM_CACHE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("id", LARGE)
def test_large_case_is_made_again_with_the_same_bits(id, cache):
    tensors = large.load(GOLDEN.cases[id], GOLDEN.manifest.large[id])
    assert {name.split("|")[0] for name in tensors} == {id}
    assert len(list(cache.iterdir())) == 1


def test_damaged_cache_is_replaced(cache):
    case, expected = GOLDEN.cases["large/samples"], GOLDEN.manifest.large["large/samples"]
    large.load(case, expected)
    (path,) = cache.iterdir()
    blob = bytearray(path.read_bytes())
    blob[-1] ^= 1
    path.write_bytes(blob)
    large.load(case, expected)
    assert large.sha256(path.read_bytes()) == expected.sha256


@pytest.mark.parametrize("what, words", [("inputs", "inputs"), ("sha256", "golden values")])
def test_other_hash_is_an_error(what, words, cache):
    case, expected = GOLDEN.cases["large/samples"], GOLDEN.manifest.large["large/samples"]
    with pytest.raises(GoldenError, match=f"the {words} of large/samples have SHA-256"):
        large.load(case, replace(expected, **{what: "0" * 64}))
    assert not list(cache.iterdir())


def test_unwritable_cache_only_costs_time(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BNCONFORM_CACHE", str(tmp_path / "file" / "below"))
    assert large.load(GOLDEN.cases["large/samples"], GOLDEN.manifest.large["large/samples"])


def test_copied_channels_get_the_answer_of_their_kind():
    draft = large_draft("large/channels-dense")
    copies = Copies.of(draft.case, draft.tensors)
    assert len(copies.first) == 61
    few = copies.distinct(draft.tensors)
    for name, value in draft.tensors.items():
        assert np.array_equal(copies.expanded(name, few[name]), value)


def test_copied_channels_get_what_the_oracle_says_of_the_whole():
    draft = large_draft("large/channels-dense")
    count = 130
    tensors = {n: v[:, :count] if n.endswith((".x", ".dy")) else v[:count] for n, v in draft.tensors.items()}
    plain = replace(draft, case=replace(draft.case, shape=(6, count), large=False), tensors=tensors)
    copied = replace(plain, case=replace(plain.case, large=True))
    left, right = golden_tensors(plain), golden_tensors(copied)
    assert left.keys() == right.keys()
    assert all(left[name].tobytes() == right[name].tobytes() for name in left)
