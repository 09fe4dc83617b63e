"""certify bites: one wrong bit in a frozen output is found, even where the hashes were made to fit."""

import hashlib
import json
import shutil

import pytest

from bnconform.conformance.golden.certify import Certificate, certify_case
from bnconform.conformance.golden.freeze import pin
from bnconform.conformance.golden.store import FOLDER, Golden
from bnconform.conformance.golden.tensors import decode, encode

CASES = ["shapes/two", "running/paired-ddof", "folding/conv", "population/ncl", "dtypes/bfloat16-dense"]


def certified(golden, case_id):
    certificate = Certificate()
    certify_case(golden, golden.cases[case_id], certificate)
    return certificate


@pytest.mark.parametrize("case_id", CASES)
def test_frozen_case_is_proved(case_id):
    certificate = certified(Golden(), case_id)
    assert certificate.wrong == [] and certificate.elements == certificate.fast + certificate.exact > 0


@pytest.mark.parametrize(
    "case_id, tensor",
    [("shapes/two", "want|0.y"), ("shapes/two", "want64|1.dx"), ("shapes/two", "want-ddof1|0.running_var")],
)
def test_one_wrong_bit_is_found(tmp_path, case_id, tensor):
    folder = tmp_path / "v1"
    shutil.copytree(FOLDER, folder)
    path, manifest = folder / "shapes.safetensors", json.loads((folder / "manifest.json").read_text())
    arrays = decode(path.read_bytes())
    damaged = arrays[f"{case_id}|{tensor}"]
    damaged.reshape(-1).view("u1")[0] ^= 1
    path.write_bytes(encode(arrays))
    manifest["files"][path.name]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    pin(folder)
    wrong = certified(Golden(folder), case_id).wrong
    assert wrong and all(tensor.split("|")[1] in line and "1 of" in line and "first at 0" in line for line in wrong)
