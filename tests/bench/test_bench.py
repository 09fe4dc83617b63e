"""The benchmark: what it counts, what it reports, and how it refuses. Nothing here depends on how long anything
takes."""

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from bnconform.backends.numpy_ import NumpyReference
from bnconform.backends.registry import BUILTIN, entry
from bnconform.conformance.bench.cli import bench
from bnconform.conformance.bench.engine import OWN, Engine, FusedEngine
from bnconform.conformance.bench.measure import Process, Refused, complete, installed
from bnconform.conformance.bench.problems import OPERATIONS, SETS, Problem, problems
from bnconform.conformance.bench.timing import build, calls_of

TINY = "4x3x5:first,4x3x5:last,6x3"


def run(*arguments):
    return CliRunner().invoke(bench, list(arguments))


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    pytest.importorskip("matplotlib")
    paths = folder / "report.json", folder / "picture.png", folder / "page.md"
    paths[2].write_text("# Page\n<!-- run -->\nold\n<!-- end of run -->\nthe rest\n")
    result = run(
        "--implementations",
        "numpy,numpy-engine",
        "--shapes",
        TINY,
        "--repeats",
        "2",
        "--threads",
        "1",
        "--json",
        str(paths[0]),
        "--plot",
        str(paths[1]),
        "--page",
        str(paths[2]),
    )
    assert result.exit_code == 0, result.output
    return json.loads(paths[0].read_text()), paths[1].read_bytes(), result.output, paths[2].read_text()


def test_bench_report_has_every_implementation_shape_and_operation(report):
    found, _, output, _ = report
    seen = {(row["implementation"], row["problem"], row["operation"]) for row in found["results"]}
    wanted = {(n, p.id, o) for n in ("numpy", "numpy-engine") for p in problems(TINY) for o in OPERATIONS}
    assert seen == wanted
    assert all(name in output for name in ("numpy-engine", "forward", "step", "inference", "peak"))


def test_bench_report_describes_the_machine(report):
    machine = report[0]["machine"]
    assert machine["threads"] == 1 and machine["cpu"] and machine["copy_bytes_per_second"] > 0
    assert {"numpy", "bnconform"} <= set(machine["versions"])
    assert machine["engine"] in ("kernels.c", "NumPy")


def test_bench_draws_a_picture(report):
    assert report[1].startswith(b"\x89PNG")


def test_bench_page_keeps_what_stands_around_its_marks(report):
    page = report[3]
    assert (
        page.startswith("# Page\n<!-- run -->\n")
        and page.endswith("<!-- end of run -->\nthe rest\n")
        and "old" not in page
    )
    assert all(f"**{problem.id}**" in page for problem in problems(TINY))


def test_bench_refuses_a_page_without_marks_before_it_measures(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n")
    result = run("--shapes", "4x3", "--page", str(page))
    assert result.exit_code == 2 and "has no lines" in result.output and page.read_text() == "# Page\n"


def test_bench_refuses_a_report_that_cannot_be_written_before_it_measures(tmp_path):
    result = run("--shapes", "4x3", "--json", str(tmp_path / "nowhere" / "report.json"))
    assert result.exit_code == 2 and "its folder does not exist" in result.output


def test_bench_ratios_follow_from_times_and_bytes():
    common = {"problem": "p", "operation": "forward", "bytes": 600}
    rows = [{"implementation": "torch", "seconds": 2.0, "turns": [1.0, 2.0, 4.0]} | common]
    rows += [{"implementation": "mine", "seconds": 3.0, "turns": [2.0, 3.0, 2.0]} | common, {"error": "no"} | common]
    torch, mine, _ = complete(rows, 1000.0)
    assert (torch["to_fastest"], mine["to_fastest"]) == (1.0, 1.5)
    assert mine["to_torch"] == 1.5  # the median of 2, 1.5 and 0.5
    assert (torch["bandwidth_share"], mine["bandwidth_share"]) == (0.3, 0.2)


@pytest.mark.parametrize("operation, arrays", [("forward", 2), ("backward", 3), ("step", 4), ("inference", 2)])
def test_bench_counts_each_array_once(operation, arrays):
    assert Problem("p", (2, 3, 5), dtype="float16").bytes(operation) == arrays * 30 * 2


@pytest.mark.parametrize("name", SETS)
def test_bench_sets_are_named_shapes(name):
    assert problems(name) and all(len(problem.shape) >= 2 for problem in problems(name))


@pytest.mark.parametrize("text", ["huge", "4x", "4", "4x3:middle", "4x3:last:int8", "4x3:first:float32:more"])
def test_bench_refuses_shapes_it_cannot_read(text):
    result = run("--shapes", text)
    assert result.exit_code == 2 and "expected one of" in result.output


def test_bench_refuses_an_unknown_implementation():
    result = run("--implementations", "no-such", "--shapes", "4x3")
    assert result.exit_code == 2 and "no implementation 'no-such'" in result.output


@pytest.mark.parametrize("name", ["numpy", "torch", "flax-linen", "keras-torch", "keras-jax", "keras-tensorflow"])
def test_bench_says_where_there_is_no_gpu(name):
    if name in OWN or not entry(name).missing():
        if name == "torch" and __import__("torch").cuda.is_available():
            pytest.skip("there is a GPU here")
        result = run("--implementations", name, "--shapes", "4x3", "--device", "gpu")
        assert result.exit_code == 2 and "no GPU here" in result.output
    else:
        pytest.skip(f"{entry(name).missing()} is not installed")


@pytest.mark.parametrize("name", [*OWN, *(found.name for found in BUILTIN if found.required)])
def test_bench_asks_each_implementation_in_its_process(name):
    if name not in OWN and entry(name).missing():
        pytest.skip(f"{', '.join(entry(name).missing())} is not installed")
    process = Process(name, "cpu", 1)
    try:
        for problem in (Problem("p", (4, 3, 5, 5)), Problem("p", (4, 3, 5, 5), "last", "bfloat16")):
            process.ask("prepare", copies=2, **vars(problem))
            for operation in OPERATIONS:
                assert len(process.ask("time", operation=operation, calls=3)["seconds"]) == 3
        assert "bytes" in process.ask("memory", operation="step")
    finally:
        process.close()


def test_bench_tells_an_error_and_goes_on():
    process = Process("numpy", "cpu", 1)
    try:
        process.ask("prepare", copies=1, **vars(Problem("p", (4, 3))))
        with pytest.raises(Refused, match="numpy: .*no_such_operation"):
            process.ask("time", operation="no_such_operation", calls=1)
        process.ask("time", operation="forward", calls=1)
    finally:
        process.close()


def test_bench_names_a_process_that_dies():
    process = Process("numpy", "cpu", 1)
    process.worker.process.kill()
    try:
        with pytest.raises(Refused, match="numpy: killed by SIGKILL"):
            process.ask("time", operation="forward", calls=1)
    finally:
        process.close()


class Bare:
    """An adapter without the method for `bench`."""

    conventions = NumpyReference.conventions

    def __init__(self, *given):
        self.layer = NumpyReference(*given)

    def train(self, x, dy):
        return self.layer.train(x, dy)

    def infer(self, x, dy):
        return self.layer.infer(x, dy)


@pytest.mark.parametrize("operation, outputs", [("forward", {"y"}), ("step", {"y", "dx"}), ("inference", {"y"})])
def test_bench_times_an_adapter_through_train_and_infer(operation, outputs):
    layer, draw = build(Bare, Problem("p", (4, 3, 5)), "cpu")
    given = calls_of(layer, operation, *draw())()
    assert outputs <= given.keys() and ("dx" in given) == ("dx" in outputs)


def test_bench_refuses_a_backward_that_an_adapter_does_not_have():
    layer, draw = build(Bare, Problem("p", (4, 3, 5)), "cpu")
    with pytest.raises(ValueError, match="has no backward of its own"):
        calls_of(layer, "backward", *draw())


def test_bench_times_reference_and_engine_first():
    assert installed()[: len(OWN) + 1] == ["numpy", *OWN]


def test_bench_module_runs_from_the_shell():
    result = subprocess.run(
        [sys.executable, "-m", "bnconform.conformance.bench", "--help"], capture_output=True, text=True, check=True
    )
    assert "--implementations" in result.stdout


@pytest.mark.parametrize("cls", [NumpyReference, Engine])
@pytest.mark.parametrize("layout", ["first", "last"])
def test_bench_backward_alone_is_the_second_half_of_a_step(cls, layout):
    layer, draw = build(cls, Problem("p", (4, 3, 5), layout), "cpu")
    x, dy = draw()
    whole, half = (calls_of(layer, operation, x, dy)() for operation in ("step", "backward"))
    for one, two in zip(whole[1], half):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("layout", ["first", "last"])
@pytest.mark.parametrize("name", [found.name for found in BUILTIN if found.name in ("torch", "torch-functional")])
def test_bench_times_what_the_adapter_answers(name, layout):
    """The calls give what the judged methods give, from the same arrays."""
    pytest.importorskip("torch")
    layer, draw = build(entry(name).load(), Problem("p", (4, 3, 5, 5), layout), "cpu")
    x, dy = draw()
    timed = calls_of(layer, "step", x, dy)()
    for output, judged in layer.train(x, dy).items():
        np.testing.assert_array_equal(timed[output].detach().numpy(), judged)


def test_bench_engines_are_fused_or_not():
    layers = [build(cls, Problem("p", (4, 3, 5)), "cpu") for cls in (Engine, FusedEngine)]
    (x, dy), _ = (draw() for _, draw in layers)
    apart, fused = (calls_of(layer, "step", x, dy)() for layer, _ in layers)
    np.testing.assert_allclose(apart[1].dx, fused[1].dx, rtol=1e-5, atol=1e-6)


def test_bench_of_the_reference_compares_every_column():
    pytest.importorskip("torch")
    from bnconform.conformance.bench.reference import COLUMNS, compared

    found, copy = compared(Problem("p", (4, 3, 5, 5)), 1, 2)
    assert found.keys() == COLUMNS.keys() and copy > 0 and all(ratio > 0 for row in found.values() for ratio in row)
