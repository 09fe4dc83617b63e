"""`bnconform new`: the skeletons run, fail with instructions, and grow into ports that climb the levels."""

import shutil
import subprocess

import pytest
from click.testing import CliRunner

from bnconform.conformance.cli import main


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(*words):
    return CliRunner().invoke(main, list(words))


def climb(level):
    return command("run", "my_backend:MyBackend", "-k", "parameters/*", "-k", "mode/*", "--level", level)


INFER = """
        wide = [-1 if axis in self.config.channel_axes else 1 for axis in range(x.ndim)]
        mean, r = self.running_mean, 1 / np.sqrt(self.running_var + np.float32(self.config.eps))
        a = r if self.gamma is None else r * self.gamma
        b = 0 if self.beta is None else self.beta.reshape(wide)
        return {"y": (x - mean.reshape(wide)) * a.reshape(wide) + b}
"""


def test_python_skeleton_fails_with_instructions_and_climbs(here):
    assert command("new", "my_backend.py").exit_code == 0
    done = climb("inference")
    assert done.exit_code == 1
    assert "write infer first, and return {'y': ...} [BN-4.1]" in " ".join(done.output.split())
    path = here / "my_backend.py"
    todo = """        raise NotImplementedError("write infer first, and return {'y': ...} [BN-4.1]")"""
    assert todo in path.read_text()
    path.write_text(path.read_text().replace(todo, INFER.strip("\n")))
    done = climb("inference")
    assert done.exit_code == 0 and "conforms" in done.output
    done = climb("training")
    assert done.exit_code == 1 and "write train after infer" in " ".join(done.output.split())


def test_c_skeleton_builds_and_is_judged(here):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler on this machine")
    assert command("new", "bn.c", "--language", "c").exit_code == 0
    subprocess.run(["cc", "-std=c99", "-Wall", "-Werror", "-O1", "-o", "bn", "bn.c", "-lm"], check=True)
    assert command("export", "cases", "-k", "shapes/dense").exit_code == 0
    shutil.copy("port.json", "cases/port.json")
    subprocess.run(["./bn", "cases"], check=True, capture_output=True)
    done = command("judge", "cases")
    assert done.exit_code == 1 and "FAILS" in done.output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("there.py",), "there.py exists; nothing was written"),
        (("my-backend.py",), "expected a Python module"),
        (("absent/x.py",), "no folder"),
        (("bn.py", "--language", "c"), "expected a C file"),
    ],
)
def test_new_refuses_and_replaces_nothing(here, words, says):
    (here / "there.py").write_text("precious")
    done = command("new", *words)
    assert done.exit_code == 2 and says in done.output
    assert [path.name for path in here.iterdir()] == ["there.py"] and (here / "there.py").read_text() == "precious"
