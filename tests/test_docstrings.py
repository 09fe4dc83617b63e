"""Examples in docstrings are executed."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

PACKAGES = ["bnconform", "bnconform.oracle"]
MODULES = PACKAGES + [
    f"{package}.{module.name}"
    for package in PACKAGES
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__)
    if not module.ispkg
]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_hold(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, extraglobs={"np": np})
    assert failed == 0
