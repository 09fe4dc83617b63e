"""The implementations that a plain run does not judge: each on a few cases, or a visible skip."""

import pytest

from bnconform.backends import registry
from bnconform.backends.needs import refusal
from bnconform.conformance.golden.store import Golden
from bnconform.conformance.judge import known
from bnconform.conformance.judge.compare import judge
from bnconform.conformance.run.observe import observe

GOLDEN = Golden()
NAMES = [entry.name for entry in registry.BUILTIN if not entry.required and entry.needs]
CASES = ("shapes/nchw", "shapes/nhwc", "inference/far-mean", "degenerate/m1-conv")


def verdicts(name, case):
    """Of a case as a run has them, or a visible skip: the framework is missing, or the case is not for it."""
    try:
        backend = registry.entry(name).load()
    except registry.NotInstalled as missing:
        pytest.skip(str(missing))
    if reason := refusal(backend.conventions, case, "cpu"):
        pytest.skip(reason)
    found = judge(name, observe(case, backend, GOLDEN.inputs(case)), case, GOLDEN, backend.conventions)
    return known.apply(found, known.builtin(name), backend.version(), "cpu")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", NAMES)
def test_optional_implementation_is_as_expected(name, case):
    found = {verdict.output: verdict.status for verdict in verdicts(name, GOLDEN.cases[case])}
    assert set(found.values()) <= {"pass", "deviates", "unsupported"}, found
    assert "pass" in found.values() or "deviates" in found.values()
