"""README's section on moving a model, word by word, with the real frameworks."""

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import readme

from bnconform.conformance.moving import read

NEEDS = ("torch", "keras", "tensorflow")


@pytest.mark.skipif(any(importlib.util.find_spec(n) is None for n in NEEDS), reason=f"needs {', '.join(NEEDS)}")
def test_section_on_moving_a_model_works_word_by_word(tmp_path):
    (tmp_path / "save_models.py").write_text(readme.block("moving models"))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = ["sh", "-e", "-c", readme.block("moving commands")]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("proved: ") == 2 and "the batch counter, 10" in done.stdout
    config = zipfile.ZipFile(tmp_path / "filled.keras").read("config.json")
    built = [layer["config"] for layer in json.loads(config)["config"]["layers"] if "BatchNorm" in layer["class_name"]]
    assert [(one["epsilon"], one["momentum"]) for one in built] == [(1e-5, 0.9)] * 2
    torch_file, keras_file = read(tmp_path / "model.pt"), read(tmp_path / "filled.keras")
    got = keras_file.arrays["layers/batch_normalization_1/moving_variance"]
    np.testing.assert_array_equal(got, torch_file.arrays["4.running_var"])
