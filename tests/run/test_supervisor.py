"""The supervisor: replaces lost workers, but not for ever; the command line splits a run, and puts it together
again."""

import json
import os
import time

import pytest
from click.testing import CliRunner

from bnconform.conformance.cli import main
from bnconform.conformance.golden.store import Golden
from bnconform.conformance.records import Failure
from bnconform.conformance.report.data import fingerprint, normalize
from bnconform.conformance.run.plan import Options, select
from bnconform.conformance.run.schedule import Listener, judge_case, run
from bnconform.conformance.run.supervisor import RetryBudget, Supervisor

BACKENDS = """
import os, threading, time
from bnconform.backends.numpy_ import NumpyReference

class AlwaysDies(NumpyReference):
    def __init__(self, *arguments):
        os.abort()

class DiesLater(NumpyReference):
    def train(self, x, dy):
        threading.Thread(target=lambda: (time.sleep(0.3), os._exit(5))).start()
        return super().train(x, dy)

class Undeclared(NumpyReference):
    conventions = type(NumpyReference.conventions)(running_ddof=1, compute={"float32": "float64"})
"""

NOT_TWICE = """
import os
from bnconform.backends.numpy_ import NumpyReference

if os.path.exists("imported"):
    raise RuntimeError("imported before")
open("imported", "w").close()

class NotTwice(NumpyReference):
    def __init__(self, *arguments):
        os._exit(6)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with the backends in it."""
    (tmp_path / "hurt.py").write_text(BACKENDS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def statuses_and_kinds(judged):
    return {verdict.case: (verdict.status, verdict.kind) for verdict in judged.verdicts}


def test_backend_that_always_dies_is_given_up_and_the_rest_is_called_untried(folder):
    cases = select(Golden(), ("shapes/*", "running/*"))
    (judged,) = run(["hurt:AlwaysDies"], cases, Options(), Listener())
    found = list(statuses_and_kinds(judged).values())
    assert len(found) == len(cases)
    assert found[: RetryBudget.MOST_IN_A_ROW] == [("crashed", "died:SIGABRT")] * RetryBudget.MOST_IN_A_ROW
    assert set(found[RetryBudget.MOST_IN_A_ROW :]) == {("crashed", "died:given up")}
    assert "not tried" in judged.verdicts[-1].message


@pytest.mark.parametrize("kind, most", [("died", 6), ("timed out", 3)])
def test_patience_ends_after_so_many_in_a_row(kind, most):
    retry_budget = RetryBudget()
    for _ in range(most):
        assert not retry_budget.gone
        retry_budget.lose(Failure(kind, ""))
    assert retry_budget.gone


def test_patience_ends_after_so_many_in_all():
    retry_budget = RetryBudget()
    for _ in range(RetryBudget.MOST_IN_ALL):
        assert not retry_budget.gone
        retry_budget.lose(Failure("died", ""))
        retry_budget.in_a_row = 0
    assert retry_budget.gone


def test_worker_that_dies_between_cases_is_told_beside_the_next_one(folder):
    golden = Golden()
    first, second = (golden.cases[name] for name in ("shapes/dense", "errors/channel-axis"))
    supervisor = Supervisor("hurt:DiesLater", Options())
    supervisor.open()
    try:
        assert {verdict.status for verdict in judge_case(supervisor, first, [])[0]} == {"pass"}
        while supervisor.worker.process.poll() is None:
            time.sleep(0.05)
        verdicts, _ = judge_case(supervisor, second, [])
    finally:
        supervisor.close()
    assert [(v.output, v.status, v.kind) for v in verdicts] == [
        ("error", "pass", ""),
        ("worker", "crashed", "died:exit 5"),
    ]


def test_backend_that_cannot_be_imported_again_is_told_so(folder):
    (folder / "once.py").write_text(NOT_TWICE)
    (judged,) = run(["once:NotTwice"], select(Golden(), ("shapes/dense", "shapes/ncl")), Options(), Listener())
    found = statuses_and_kinds(judged)
    assert found["shapes/dense"] == ("crashed", "died:exit 6")
    assert found["shapes/ncl"] == ("crashed", "died:load")
    assert "imported before" in judged.verdicts[-1].message


def test_declaration_that_does_not_fit_is_a_failure_and_the_run_goes_on(folder):
    (judged,) = run(
        ["hurt:Undeclared"], select(Golden(), ("dtypes/float16-dense", "shapes/dense")), Options(), Listener()
    )
    found = {verdict.case: verdict for verdict in judged.verdicts}
    assert (found["dtypes/float16-dense"].kind, found["shapes/dense"].status) == ("unjudged", "pass")
    assert "KeyError: 'float16'" in found["dtypes/float16-dense"].message


def command(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def report(path):
    return json.loads(path.read_text())


SELECTION = ("faults.faulty:returns_view", "numpy", "-k", "dtypes/*")


@pytest.mark.parametrize("of", [2, 3])
def test_merged_shards_give_the_report_of_the_whole_run(of, folder):
    assert command("run", *SELECTION, "--json", "whole.json").exit_code == 1
    for number in range(1, of + 1):
        command("run", *SELECTION, "--shard", f"{number}/{of}", "--json", f"{number}.json")
    merged = command("merge", *folder.glob("?.json.journal"), "--json", "merged.json", "--html", "merged.html")
    assert merged.exit_code == 1, merged.output
    assert normalize(report(folder / "merged.json")) == normalize(report(folder / "whole.json"))
    assert fingerprint(report(folder / "merged.json")) == fingerprint(report(folder / "whole.json"))
    assert (folder / "merged.html").read_text()


def test_fingerprint_sees_a_changed_score(folder):
    command("run", "numpy", "-k", "shapes/dense", "--json", "a.json")
    data = report(folder / "a.json")
    before = fingerprint(data)
    data["results"][0]["score"] += 1e-12
    assert fingerprint(data) != before


def test_journal_of_a_finished_run_goes_unless_it_was_asked_for(folder):
    command("run", "numpy", "-k", "shapes/dense", "--json", "a.json")
    command("run", "numpy", "-k", "shapes/dense", "--json", "b.json", "--journal", "b.journal")
    assert sorted(os.listdir(folder)) == ["a.json", "b.journal", "b.json", "hurt.py"]


def test_finished_journal_resumed_starts_no_worker(folder, monkeypatch):
    command("run", "numpy", "-k", "shapes/dense", "--json", "a.json", "--journal", "j")
    monkeypatch.setattr(Supervisor, "open", lambda self: pytest.fail("a worker was started"))
    assert (
        command("run", "numpy", "-k", "shapes/dense", "--json", "b.json", "--journal", "j", "--resume").exit_code == 0
    )
    assert fingerprint(report(folder / "a.json")) == fingerprint(report(folder / "b.json"))


@pytest.mark.parametrize(
    "options, words",
    [
        (["--shard", "3/2"], "expected I/N"),
        (["--shard", "x"], "expected I/N"),
        (["--shard", "9/9", "-k", "shapes/dense"], "is empty"),
        (["--resume"], "--resume needs"),
        (["--journal", "no/such/folder/j"], "its folder does not exist"),
    ],
)
def test_wrong_use_is_refused(options, words, folder):
    found = command("run", "numpy", *options)
    assert found.exit_code == 2 and words in found.output
