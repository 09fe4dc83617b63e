"""Examples in docstrings are executed."""

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {"reference": "bnconform", "backends": "bnconform.backends", "conformance": "bnconform.conformance"}
OPTIONAL = ("torch", "tensorflow", "jax", "flax", "keras", "sklearn", "scipy", "matplotlib", "onnx")


def name_of(path):
    room, *inner = path.relative_to(ROOT).with_suffix("").parts
    return ".".join([ROOMS[room], *inner]).removesuffix(".__init__")


WITH_EXAMPLES = [path for room in ROOMS for path in (ROOT / room).rglob("*.py") if ">>> " in path.read_text()]


@pytest.mark.parametrize("name", sorted(map(name_of, WITH_EXAMPLES)))
def test_docstring_examples_hold(name):
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        missing = (error.name or "").split(".")[0]
        if missing not in OPTIONAL:
            raise
        pytest.skip(f"{missing} is not installed")
    failed, tried = doctest.testmod(module, extraglobs={"np": np})
    assert tried and not failed
