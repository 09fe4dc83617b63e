"""What is found becomes small, a script of plain numbers, and a case that everybody can run."""

import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from search.planted import look

from bnconform.backends.numpy_ import NumpyReference
from bnconform.conformance.cases.draft import draft, step
from bnconform.conformance.cli import main
from bnconform.conformance.golden.store import Golden
from bnconform.conformance.search import draw, edits
from bnconform.conformance.search.shrink import size

# one of each kind; all of them: `python -m search.planted`
SAMPLE = {"PlaneTail": 8, "StaleFold": 8, "GradientOfStrideZero": 8, "Memoized": 8}


@pytest.mark.parametrize("name", SAMPLE)
def test_planted_fault_is_found_and_shrunk(name):
    row = look(name, seconds=30)
    assert row["values"] <= SAMPLE[name]


def test_edits_leave_a_problem_that_the_reference_takes():
    conventions = NumpyReference.conventions
    for index in (0, 1, 2, 7):
        asked = draw(5, index, conventions)
        made = [edits.keep_steps(asked, [0]), edits.dense(asked), edits.flat(asked, 2), edits.cut(asked, 0, 1)]
        made += [edits.without_parameter(asked, name) for name in ("gamma", "beta", "state")]
        for small in filter(None, made):
            assert size(small) <= size(asked)
            names = {name for name in small.tensors if "." in name}
            assert names == {f"{i}.{name}" for i, s in enumerate(small.case.steps) for name in s.inputs}
            assert small.tensors["0.x"].shape == small.case.shape


def run(*words):
    return CliRunner().invoke(main, words)


def test_shrink_writes_a_script_without_bnconform_and_a_folder_that_run_judges(tmp_path):
    done = run("shrink", "search.planted:StaleFold", "mode/alternating", "--out", str(tmp_path / "small"))
    assert done.exit_code == 1, done.output
    script = (tmp_path / "small" / "show.py").read_text()
    assert len(script.splitlines()) < 20 and "bnconform" not in script
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    got, expected = (np.fromstring(line.split("[", 1)[1].rstrip("]"), sep=" ") for line in shown.splitlines())
    assert not np.allclose(got, expected)
    (case,) = Golden(tmp_path / "small").cases
    assert run("run", "numpy", "--golden", str(tmp_path / "small")).exit_code == 0
    assert run("run", "search.planted:StaleFold", "--golden", str(tmp_path / "small")).exit_code == 1


@pytest.mark.parametrize(
    "words, says",
    [
        (("search", "nobody"), "no implementation 'nobody'"),
        (("shrink", "numpy", "no/case"), "no case 'no/case'"),
        (("shrink", "numpy", "fold/linear"), "case"),
        (("search", "numpy", "--seconds", "-1"), "--seconds"),
        (("search", "numpy", "--out", "/nowhere/at/all"), "cannot write"),
    ],
)
def test_wrong_use_is_one_clear_line_and_exit_2(words, says):
    done = run(*words)
    assert done.exit_code == 2 and says in done.output and "Traceback" not in done.output


def test_shrink_of_a_case_that_passes_says_so():
    done = run("shrink", "numpy", "shapes/dense")
    assert done.exit_code == 0 and "nothing to shrink" in done.output


def test_search_of_a_wrong_layer_exits_1_and_tells_what_it_found(tmp_path):
    done = run("search", "search.planted:GradientAccumulates", "--seconds", "0.2", "--out", str(tmp_path / "finds"))
    assert done.exit_code == 1 and "dgamma" in done.output and "problems a second" in done.output
    assert (tmp_path / "finds" / "search.planted.GradientAccumulates-0" / "manifest.json").exists()


def test_expanded_and_refilled_problems_have_their_words():
    asked = draft("a/b", "", "BN-2.3", shape=(2, 3), steps=[step(), step(refill=True)])
    assert edits.keep_steps(asked, [1]).case.steps[0].options["refill"]
