"""Nothing that a backend says or does costs the others anything; who was judged is known."""

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from bnconform.conformance.cli import main
from bnconform.conformance.run.journal import Journal, JournalError
from bnconform.conformance.run.plan import Plan

HOSTILE = """
import os, sys
from dataclasses import replace
import numpy as np
from bnconform.backends.numpy_ import NumpyReference
from bnconform.conformance.run.wire import pack

class Nan(NumpyReference):
    conventions = replace(NumpyReference.conventions, default_eps=float("nan"))

class Forges(NumpyReference):
    def train(self, x, dy):
        os.write(int(sys.argv[3]), pack({"case": "shapes/dense", "changed": 3, "failure": [], "seconds": "x"}))

class Raises(NumpyReference):
    def train(self, x, dy):
        raise type("GoldenError", (Exception,), {})("[/] \\x1b[2J \\ud800")

class Wide(NumpyReference):
    def train(self, x, dy):
        return {name: np.zeros((40, 1 << 20), np.uint8) for name in super().train(x, dy)}

class Changes(NumpyReference):
    shift = 0.0
"""

HOSTILE_NAMES = (
    "pk.m:B",
    "loop:B",
    "hostile:Nan",
    "hostile:Forges",
    "hostile:Raises",
    "hostile:Missing",
    "hostile:Wide",
)
CASES = ("-k", "shapes/*", "-k", "dtypes/float16-dense")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "hostile.py").write_text(HOSTILE)
    (tmp_path / "pk").mkdir()
    (tmp_path / "pk" / "__init__.py").write_text("import os; os._exit(0)")
    (tmp_path / "loop.py").write_text("raise RuntimeError('[/no]')")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, ["run", *map(str, arguments)])


def rows_of(path, name):
    report = json.loads(path.read_text())
    (item,) = [each for each in report["implementations"] if each["name"] == name]
    rows = [row for row in report["results"] if row["implementation"] == name]
    return json.dumps([{k: v for k, v in item.items() if k != "seconds"}, rows])


def test_hostile_implementations_cost_the_others_not_a_byte(folder):
    assert run("numpy", "numpy-ddof0", *CASES, "--json", "alone.json").exit_code == 0
    done = run("numpy", *HOSTILE_NAMES, "numpy-ddof0", *CASES, "--json", "beside.json", "--html", "r.html")
    assert done.exit_code == 1 and "\x1b" not in done.output, done.output
    for name in ("numpy", "numpy-ddof0"):
        assert rows_of(folder / "alone.json", name) == rows_of(folder / "beside.json", name)
    report = json.loads((folder / "beside.json").read_text())
    assert [each["name"] for each in report["implementations"]] == ["numpy", *HOSTILE_NAMES, "numpy-ddof0"]


# ru_maxrss would begin with the size of the process that started this one
MEASURED = """
import re, sys
from bnconform.conformance.cli import main
try:
    main(sys.argv[1:])
finally:
    status = open("/proc/self/status").read()
    print(int(re.search("VmHWM:[^0-9]*([0-9]+)", status)[1]) >> 10, file=open("mib", "w"))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/status")
def test_outputs_of_absurd_size_stay_with_the_worker(folder):
    arguments = ("run", "hostile:Wide", "-k", "shapes/d*", "--json", "r.json", "--journal", "j")
    subprocess.run([sys.executable, "-c", MEASURED, *arguments], capture_output=True, timeout=300)
    assert int((folder / "mib").read_text()) < 1024 and (folder / "j").stat().st_size < 1 << 24
    report = json.loads((folder / "r.json").read_text())
    assert any(row["kind"] == "garbage:size" and "40 MiB" in row["message"] for row in report["results"])


CHANGED = HOSTILE.replace("shift = 0.0", "shift = 1.0")


@pytest.mark.parametrize("half", [False, True])
def test_resumed_run_judges_a_changed_backend_again_and_says_so(half, folder):
    arguments = ("hostile:Changes", "numpy", "-k", "shapes/*", "--json", "r.json", "--journal", "j")
    run(*arguments)
    if half:
        lines = (folder / "j").read_bytes().splitlines(keepends=True)
        (folder / "j").write_bytes(b"".join(lines[:12]))
    (folder / "hostile.py").write_text(CHANGED)
    done = run(*arguments, "--resume")
    assert done.exit_code == 0 and "hostile:Changes: it is not what it was (other code: hostile)" in done.output
    assert "numpy: it is not" not in done.output
    assert "it is not what it was" not in run(*arguments, "--resume").output


def test_parts_of_two_states_of_a_backend_are_not_merged(folder):
    for number in (1, 2):
        run("hostile:Changes", "-k", "shapes/*", "--shard", f"{number}/2", "--json", f"{number}.json")
        (folder / "hostile.py").write_text(CHANGED)
    done = CliRunner().invoke(main, ["merge", "1.json.journal", "2.json.journal"])
    assert done.exit_code == 2 and "hostile:Changes is not what it was there: other code: hostile" in done.stderr


def test_other_settings_are_another_run(folder, monkeypatch):
    run("numpy", "-k", "shapes/two", "--journal", "j")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    done = run("numpy", "-k", "shapes/two", "--journal", "j", "--resume")
    assert done.exit_code == 2 and "of another run: environment" in done.stderr


def test_finished_run_leaves_the_journal_of_another(tmp_path):
    plan, path = Plan("1", "g", ("a",), ("numpy",)), tmp_path / "j"
    first = Journal.create(plan, path)
    os.unlink(path)
    second = Journal.create(plan, path)
    first.remove()
    first.close()
    assert path.exists() and not first.on_disk and second.on_disk
    with pytest.raises(JournalError, match="another run is writing"):
        Journal.create(plan, path)
    second.remove()
    second.close()
    assert not path.exists()
