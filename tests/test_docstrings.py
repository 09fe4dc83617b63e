"""Examples in docstrings are executed."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import bnconform
import bnconform.backends
import bnconform.conformance
import bnconform.conformance.cases
import bnconform.conformance.mistakes
import bnconform.oracle

PACKAGES = (
    bnconform,
    bnconform.oracle,
    bnconform.conformance,
    bnconform.conformance.cases,
    bnconform.conformance.mistakes,
)
MODULES = [
    f"{package.__name__}.{module.name}"
    for package in PACKAGES
    for module in pkgutil.iter_modules(package.__path__)
    if not module.ispkg and not module.name.startswith("__")
]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_hold(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, extraglobs={"np": np})
    assert failed == 0
