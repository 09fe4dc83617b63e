"""Examples in docstrings are executed."""

import doctest
import importlib
import pkgutil

import bnconform
import numpy as np
import pytest

MODULES = ["bnconform"] + [f"bnconform.{m.name}" for m in pkgutil.iter_modules(bnconform.__path__) if not m.ispkg]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_hold(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, extraglobs={"np": np})
    assert failed == 0
