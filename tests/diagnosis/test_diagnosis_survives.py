"""Diagnosis survives everything: outputs without a step number, cases without outputs, verdicts without an
observation."""

import pytest

from bnconform.backends.contract import Conventions
from bnconform.conformance.diagnosis.judged import diagnosed
from bnconform.conformance.golden.store import Golden
from bnconform.conformance.records import Observation, Verdict
from bnconform.conformance.run.process import Hello
from bnconform.conformance.run.schedule import Judged

GOLDEN = Golden()
CASE, ERROR = "shapes/dense", "errors/channel-axis"
RIGHT = {name: value for name, (value, _) in GOLDEN.wanted(GOLDEN.cases[CASE], 1).items()}
OUTPUTS = GOLDEN.cases[CASE].outputs()


def verdict(case, output, kind="value", status="fail"):
    return Verdict("x", case, output, status, None, kind, "so and so")


MET = {
    "an error that was not raised": ([verdict(ERROR, "error", "silent")], {ERROR: Observation(ERROR, {})}),
    "a changed input": ([verdict(CASE, "inputs", "changed")], {CASE: Observation(CASE, RIGHT, ("0.x was changed",))}),
    "a lost worker": ([verdict(CASE, "worker", "died:exit 1", "crashed")], {CASE: Observation(CASE, {})}),
    "files too many": ([verdict(CASE, "files", "extra")], {CASE: Observation(CASE, RIGHT)}),
    "no outputs": ([verdict(CASE, output, "missing") for output in OUTPUTS], {CASE: Observation(CASE, {})}),
    "no observation": ([verdict(CASE, output) for output in OUTPUTS], {}),
    "all of them": (
        [verdict(ERROR, "error", "silent"), *(verdict(CASE, each) for each in ("inputs", "worker", "files", "0.y"))],
        {ERROR: Observation(ERROR, {}), CASE: Observation(CASE, RIGHT | {"0.y": RIGHT["0.y"] + 1})},
    ),
}


@pytest.mark.parametrize("verdicts, observations", MET.values(), ids=MET)
def test_diagnosis_survives(verdicts, observations):
    judged = Judged("x", Hello("1", Conventions(running_ddof=1)), "cpu", tuple(verdicts), observations)
    found = diagnosed(judged, GOLDEN)
    assert not [v.diagnosis for v in found.verdicts if (v.diagnosis or "").startswith("no diagnosis")]
