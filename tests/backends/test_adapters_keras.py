"""The Keras adapter on each of its engines; KERAS_BACKEND is one a process, so each engine has a process of its own."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import keras_checks
import pytest

from bnconform.backends import registry

ENGINES = ("keras-tensorflow", "keras-jax", "keras-torch")
HERE = Path(__file__).parent


@cache
def outcomes(name):
    """Check -> traceback, "" where it held; run once for all tests of an engine."""
    entry = registry.entry(name)
    environment = os.environ | dict(entry.environment) | {"PYTHONPATH": str(HERE), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, str(HERE / "keras_checks.py"), name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("check", [check.__name__ for check in keras_checks.CHECKS])
@pytest.mark.parametrize("name", ENGINES)
def test_keras_adapter(name, check):
    missing = registry.entry(name).missing()
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")
    failure = outcomes(name)[check]
    assert not failure, failure
