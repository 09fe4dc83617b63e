"""Mistakes made around real layers are noticed; the layers themselves are not blamed."""

import json
import os
import subprocess
import sys
from functools import cache

import pytest

from bnconform.backends import registry
from bnconform.conformance.mistakes.kills import CLEAR
from bnconform.conformance.mistakes.wrapped import WRAPPERS

IMPLEMENTATIONS = ("numpy", "torch", "keras-tensorflow", "flax-linen")


@cache
def scores(name):
    """Scores of all wrappers around an implementation, from a process of its own: Keras has one backend a process."""
    entry = registry.entry(name)
    if entry.missing():
        pytest.skip(f"{', '.join(entry.missing())} is not installed")
    command = [sys.executable, "-m", "bnconform.conformance.mistakes.wrapped", name]
    done = subprocess.run(
        command, env=os.environ | dict(entry.environment), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_bare_layer_is_not_killed(name):
    assert scores(name)[""] == 0


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_mistake_around_a_layer_is_killed(name, wrapper):
    assert scores(name)[wrapper] >= CLEAR
