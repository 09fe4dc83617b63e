"""The journal: whole lines only, the same run only; shards put together, or refused with the reason."""

import errno
import os
from dataclasses import replace

import numpy as np
import pytest

from bnconform.backends.contract import Conventions
from bnconform.conformance.records import Failure, Observation, Verdict
from bnconform.conformance.run import journal as journals
from bnconform.conformance.run.journal import Journal, JournalError, JournalFull, Result
from bnconform.conformance.run.merge import merge
from bnconform.conformance.run.plan import Plan
from bnconform.conformance.run.process import Hello

PLAN = Plan("1.0", "abc", ("a", "b", "c", "d", "e"), ("numpy", "torch"))
HELLO = Hello("2.0", Conventions(running_ddof=1, ranks=(2, 3)), 0.5)


def result(case, implementation="numpy"):
    verdicts = (
        Verdict(implementation, case, "0.y", "pass", 0.5, count=3, worst_index=(1, 2)),
        Verdict(implementation, case, "0.dx", "fail", float("inf"), "inf", "so and so", 1, 3, ()),
    )
    observation = Observation(
        case, {"0.y": np.float32([1, 2])}, ("x was changed",), Failure("raised", "E", "t", 1), 0.25, 0.125
    )
    return Result(case, verdicts, observation, (1, 2), {"run": 0.25})


def fill(path, plan=PLAN):
    """A finished journal."""
    journal = Journal.create(plan, path)
    for name in plan.implementations:
        journal.put_hello(name, HELLO)
        for case in plan.own_cases():
            journal.put(name, result(case, name))
    journal.close()
    return path


def test_journal_is_read_back_as_it_was_written(tmp_path):
    journal, whole = Journal.read(fill(tmp_path / "j"))
    assert journal.plan == PLAN and journal.hellos == {"numpy": HELLO, "torch": HELLO}
    found, expected = journal.results["numpy"]["c"], result("c")
    assert replace(found, observation=None) == replace(expected, observation=None)
    assert replace(found.observation, outputs={}) == replace(expected.observation, outputs={})
    np.testing.assert_array_equal(found.observation.outputs["0.y"], np.float32([1, 2]))
    assert whole == (tmp_path / "j").stat().st_size and journal.seconds("numpy") == {"run": 1.25}


def test_journal_cut_anywhere_keeps_its_whole_lines(tmp_path):
    blob = fill(tmp_path / "j").read_bytes()
    ends = [i + 1 for i, byte in enumerate(blob) if byte == ord("\n")]
    for cut in range(ends[0], len(blob), 37):
        (tmp_path / "cut").write_bytes(blob[:cut])
        assert Journal.read(tmp_path / "cut")[1] == max(end for end in ends if end <= cut)


def test_journal_with_a_flipped_bit_ends_before_it(tmp_path):
    path = fill(tmp_path / "j")
    blob = bytearray(path.read_bytes())
    third = blob.index(b"\n", blob.index(b"\n", blob.index(b"\n") + 1) + 1) + 1
    blob[third + 60] ^= 1
    path.write_bytes(blob)
    journal, whole = Journal.read(path)
    assert (journal.count(), whole) == (1, third)


def test_resumed_journal_loses_its_broken_tail_and_goes_on(tmp_path):
    path = fill(tmp_path / "j")
    path.write_bytes(path.read_bytes()[:-20])
    journal = Journal.resume(PLAN, path)
    assert journal.missing("torch") == ["e"]
    journal.put("torch", result("e", "torch"))
    journal.close()
    assert Journal.read(path)[0].missing("torch") == []


@pytest.mark.parametrize(
    "change, words",
    [
        ({"suite": "1.1"}, "suite: 1.0, expected 1.1"),
        ({"golden": "abd"}, "golden: abc, expected abd"),
        ({"cases": ("a", "b")}, "cases"),
        ({"implementations": ("numpy",)}, "implementations"),
        ({"timeout": 5.0}, "timeout: 60.0, expected 5.0"),
        ({"known": ("ff",)}, "known"),
        ({"shard": (1, 2)}, "shard"),
    ],
)
def test_journal_of_another_run_is_refused(change, words, tmp_path):
    path = fill(tmp_path / "j")
    before = path.read_bytes()
    with pytest.raises(JournalError, match="of another run") as refused:
        Journal.resume(replace(PLAN, **change), path)
    assert words in str(refused.value) and path.read_bytes() == before


@pytest.mark.parametrize(
    "change, words",
    [
        ({"version": "2.1"}, "version 2.1, before 2.0"),
        ({"conventions": Conventions(running_ddof=0, ranks=(2, 3))}, "it declares other conventions"),
        ({"settings": {"threads": "2"}}, "other settings: threads"),
        ({"code": {"a.b": "12"}}, "other code: a.b"),
    ],
)
def test_another_state_of_an_implementation_is_judged_again(change, words, tmp_path):
    journal = Journal.resume(PLAN, fill(tmp_path / "j"))
    assert journal.put_hello("numpy", HELLO) is None and journal.missing("numpy") == []
    assert journal.put_hello("numpy", replace(HELLO, **change)) == words
    assert journal.missing("numpy") == list(PLAN.cases) and journal.missing("torch") == []
    journal.close()
    again, _ = Journal.read(tmp_path / "j")
    assert again.missing("numpy") == list(PLAN.cases) and again.missing("torch") == []


def test_what_is_no_journal_is_refused(tmp_path):
    (tmp_path / "report.json").write_text('{"schema": "bnconform-report/1"}\n')
    with pytest.raises(JournalError, match="no journal of a run"):
        Journal.read(tmp_path / "report.json")


def test_journal_that_another_run_writes_is_refused(tmp_path):
    first = Journal.create(PLAN, tmp_path / "j")
    with pytest.raises(JournalError, match="another run is writing"):
        Journal.resume(PLAN, tmp_path / "j")
    first.close()


def test_full_disk_leaves_whole_lines_and_stops_every_writer(tmp_path, monkeypatch):
    path = tmp_path / "j"
    journal = Journal.create(PLAN, path)
    journal.put_hello("numpy", HELLO)
    journal.put("numpy", result("a"))
    write, calls = os.write, []

    def full(file, data):
        calls.append(file)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, bytes(data[:100]))

    monkeypatch.setattr(journals.os, "write", full)
    for case in ("b", "c"):
        with pytest.raises(JournalFull, match="No space left on device"):
            journal.put("numpy", result(case))
    assert journal.count() == 1
    journal.close()
    read, whole = Journal.read(path)
    assert read.count() == 1 and whole == path.stat().st_size


def shards(folder, of, plan=PLAN):
    return [fill(folder / f"{i}", replace(plan, shard=(i, of))) for i in range(1, of + 1)]


@pytest.mark.parametrize("of", [1, 2, 3, 5])
def test_merged_shards_hold_every_case_once_in_order(of, tmp_path):
    whole = merge(shards(tmp_path, of)[::-1])
    assert whole.plan == PLAN
    for name in PLAN.implementations:
        assert whole.missing(name) == [] and sorted(whole.results[name]) == list(PLAN.cases)


def test_merge_refuses_overlap(tmp_path):
    first, second = shards(tmp_path, 2)
    with pytest.raises(JournalError, match="are both shard 2/2"):
        merge([first, second, fill(tmp_path / "again", replace(PLAN, shard=(2, 2)))])


def test_merge_refuses_a_missing_shard(tmp_path):
    with pytest.raises(JournalError, match="shard 2 of 3 is missing"):
        merge([path for i, path in enumerate(shards(tmp_path, 3)) if i != 1])


def test_merge_refuses_an_unfinished_shard(tmp_path):
    first, second = shards(tmp_path, 2)
    second.write_bytes(second.read_bytes()[:-5])
    with pytest.raises(JournalError, match="1 cases of torch are missing; go on with --resume"):
        merge([first, second])


@pytest.mark.parametrize(
    "change", [{"suite": "1.1"}, {"golden": "abd"}, {"device": "gpu"}, {"cases": tuple("abcdf")}, {"memory": 1.0}]
)
def test_merge_refuses_parts_of_different_runs(change, tmp_path):
    first, _ = shards(tmp_path, 2)
    other = fill(tmp_path / "other", replace(PLAN, shard=(2, 2), **change))
    with pytest.raises(JournalError, match=f"does not belong to .*: {next(iter(change))}"):
        merge([first, other])


def test_merge_refuses_parts_of_different_numbers_of_shards(tmp_path):
    first = fill(tmp_path / "1", replace(PLAN, shard=(1, 2)))
    other = fill(tmp_path / "2", replace(PLAN, shard=(2, 3)))
    with pytest.raises(JournalError):
        merge([first, other])
    with pytest.raises(JournalError, match="shards"):
        merge([first, other, fill(tmp_path / "3", replace(PLAN, shard=(3, 3)))])
