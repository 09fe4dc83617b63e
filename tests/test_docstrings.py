"""Examples in docstrings are executed."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import bnconform
import bnconform.backends
import bnconform.conformance

OPTIONAL = ("torch", "tensorflow", "jax", "flax", "keras", "sklearn", "scipy", "matplotlib", "onnx")
MODULES = {  # the three folders lie apart, so a walk of the first does not come by the others
    module.name
    for room in (bnconform, bnconform.backends, bnconform.conformance)
    for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}.")
    if not module.name.endswith("__main__")
}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_docstring_examples_hold(name):
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        missing = (error.name or "").split(".")[0]
        if missing not in OPTIONAL:
            raise
        pytest.skip(f"{missing} is not installed")
    failed, _ = doctest.testmod(module, extraglobs={"np": np})
    assert failed == 0
