"""Backends that misbehave on purpose lie in `tests/faults`: workers find them as `faults.…`, as the tests do."""

import os
from pathlib import Path

TESTS = str(Path(__file__).parent)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (TESTS, os.environ.get("PYTHONPATH"))))
