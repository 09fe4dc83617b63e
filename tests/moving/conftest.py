"""Files written by the frameworks themselves, once a process; a missing framework is a visible skip."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

NEEDS = {"torch": ("torch",), "keras": ("keras", "torch", "h5py"), "flax": ("flax", "jax")}


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    """real("keras") -> folder with that framework's files."""
    made = {}

    def files(framework):
        missing = [name for name in NEEDS[framework] if importlib.util.find_spec(name) is None]
        if missing:
            pytest.skip(f"{', '.join(missing)} is not installed")
        if framework not in made:
            folder = tmp_path_factory.mktemp(framework)
            command = [sys.executable, str(Path(__file__).parent / "make_files.py"), str(folder), framework]
            environment = os.environ | {"KERAS_BACKEND": "torch", "TF_CPP_MIN_LOG_LEVEL": "3"}
            subprocess.run(command, check=True, env=environment, capture_output=True)
            made[framework] = folder
        return made[framework]

    return files
