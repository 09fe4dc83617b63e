"""Golden files: hashed, damaged ones refused, input bits from the written-down generator."""

import hashlib
import shutil

import numpy as np
import pytest

from bnconform.conformance.cases.bits import bell, raw
from bnconform.conformance.cases.quick import QUICK
from bnconform.conformance.golden.store import FOLDER, PIN, Golden
from bnconform.conformance.golden.tensors import GoldenError, decode, encode


def test_generator_is_splitmix64_keyed_by_sha256():
    mask = (1 << 64) - 1

    def plain(key, count):
        state = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
        for _ in range(count):
            state = (state + 0x9E3779B97F4A7C15) & mask
            z = state
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
            yield z ^ (z >> 31)

    assert [int(word) for word in raw("any key", 7)] == list(plain("any key", 7))


def test_bell_is_centred_with_unit_width():
    values = bell("width", (100_000,))
    assert abs(values.mean()) < 0.02 and abs(values.std() - 1) < 0.02
    assert np.all(values * 2.0**31 == np.rint(values * 2.0**31))


def test_encoding_keeps_every_type_and_repeats_to_the_byte():
    import ml_dtypes

    arrays = {
        "a": np.arange(6, dtype=np.float64).reshape(2, 3),
        "b": np.array([1.5, -0.0, np.nan], ml_dtypes.bfloat16),
        "c": np.zeros((0, 4), np.float32),
        "d": np.array([True, False]),
    }
    blob = encode(arrays)
    back = decode(blob)
    assert encode(back) == blob
    for name, array in arrays.items():
        assert (
            back[name].dtype == array.dtype
            and back[name].shape == array.shape
            and back[name].tobytes() == array.tobytes()
        )


def test_flipped_bit_is_named_as_damage(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "v1")
    path = tmp_path / "v1" / "shapes.safetensors"
    blob = bytearray(path.read_bytes())
    blob[-1] ^= 1
    path.write_bytes(blob)
    golden = Golden(tmp_path / "v1")
    with pytest.raises(GoldenError, match="shapes.safetensors has SHA-256 .* the file is damaged"):
        golden.family("shapes")


CHANGES = {
    "a dtype": (b'"x_dtype": "float32"', b'"x_dtype": "float3Z"'),
    "a case that names other outputs": (b'"outputs": ["y", ', b'"outputs": ["z", '),
    "outputs emptied": (b'"outputs": ["y"', b'"outputs": [' + b'"'),
    "a decay": (b'"decay": 0.9', b'"decay": 0.8'),
    "a hash": (b'"sha256": "5', b'"sha256": "6'),
    "no JSON": (b"{", b""),
    "a key twice": (b'"version"', b'"schema"'),
}


@pytest.mark.parametrize("old, new", CHANGES.values(), ids=CHANGES)
def test_changed_question_is_named_as_damage(old, new, tmp_path):
    shutil.copytree(FOLDER, tmp_path / "v1")
    path = tmp_path / "v1" / "manifest.json"
    blob = path.read_bytes()
    assert old in blob
    path.write_bytes(blob.replace(old, new, 1))
    with pytest.raises(GoldenError, match="manifest.json"):
        assert Golden(tmp_path / "v1").cases


def test_manifest_without_its_hash_is_a_clear_error(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "v1")
    (tmp_path / "v1" / PIN).unlink()
    with pytest.raises(GoldenError, match="cannot read .*manifest.sha256"):
        assert Golden(tmp_path / "v1").cases


def test_missing_manifest_is_a_clear_error(tmp_path):
    with pytest.raises(GoldenError, match="cannot read .*manifest.json"):
        list(Golden(tmp_path).cases)


def test_frozen_files_stay_small():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 20e6


def test_case_survives_json():
    golden = Golden()
    for case in golden.cases.values():
        assert type(case).from_json(case.to_json()) == case


def test_every_quick_id_is_a_case():
    assert {case.id for case in Golden().cases.values() if case.quick} == QUICK
