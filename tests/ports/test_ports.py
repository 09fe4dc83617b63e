"""Ports without Python: a C program is judged from files, right and wrong, and hostile files harm nobody."""

import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bnconform.conformance.cli import main
from bnconform.conformance.golden.store import Golden
from bnconform.conformance.golden.tensors import encode
from bnconform.conformance.ports.folder import npy

PORT = Path(__file__).parent / "port"
SKELETONS = files("bnconform.conformance.ports") / "skeletons"  # where bn_files.h lies
CASE = "shapes/two"
DECLARED = {"name": "tiny", "version": "1", "running_ddof": 1}


def command(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def export(folder, *options):
    done = command("export", folder, *options)
    assert done.exit_code == 0, done.output
    return folder


def judge(folder, *options):
    """(exit status, output, rows of the report by (case, output))."""
    report = folder.parent / "report.json"
    done = command("judge", folder, "--json", report, *options)
    assert done.exit_code in (0, 1), done.output
    rows = json.loads(report.read_text())["results"]
    return done.exit_code, done.output, {(row["case"], row["output"]): row for row in rows}


def declare(folder, **more):
    (folder / "port.json").write_text(json.dumps(DECLARED | more))


@pytest.fixture(scope="session")
def expected():
    """The exact outputs of a case: what a perfect port writes."""
    golden = Golden()
    return lambda case: {name: rounded for name, (rounded, _) in golden.wanted(golden.cases[case], 1).items()}


def fill(folder, case, tensors):
    """Write the outputs of a case in the folder's own format."""
    if json.loads((folder / "export.json").read_text())["format"] == "npy":
        for name, array in tensors.items():
            (folder / "cases" / case / "outputs" / f"{name}.npy").write_bytes(npy(array))
    else:
        (folder / "cases" / case / "outputs.safetensors").write_bytes(encode(tensors))


@pytest.fixture(params=["safetensors", "npy"])
def filled(request, tmp_path, expected):
    """A folder of one case, filled in perfectly, in both formats."""
    folder = export(tmp_path / "port", "-k", CASE, *(["--npy"] if request.param == "npy" else []))
    declare(folder)
    fill(folder, CASE, expected(CASE))
    return folder


def statuses(rows):
    return {row["status"] for row in rows.values()}


# ---- the C program ----


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler on this machine: the C port is not judged")

    def built(mistake=0):
        program = tmp_path_factory.mktemp("bn") / "bn"
        subprocess.run(
            [
                compiler,
                "-std=c99",
                "-O2",
                f"-I{SKELETONS}",
                f"-DMISTAKE={mistake}",
                "-o",
                program,
                PORT / "bn.c",
                "-lm",
            ],
            check=True,
        )
        return program

    return built


def run_port(program, folder):
    shutil.copy(PORT / "port.json", folder / "port.json")
    subprocess.run([program, folder], check=True, capture_output=True, timeout=60)


FROZEN = [
    word
    for family in sorted({c.family for c in Golden().cases.values() if not c.large})
    for word in ("-k", f"{family}/*")
]


@pytest.mark.parametrize("options, least", [(FROZEN, 2000), (("--quick", "--npy"), 400)], ids=["safetensors", "npy"])
def test_c_port_conforms(build, tmp_path, options, least):
    folder = export(tmp_path / "all", *options)
    run_port(build(), folder)
    status, output, rows = judge(folder, "--known", PORT / "known.json")
    assert status == 0, output
    passed = sum(row["status"] == "pass" for row in rows.values())
    assert passed > least and statuses(rows) <= {"pass", "deviates", "unsupported"}


@pytest.mark.parametrize(
    "mistake, wrong, right",
    [
        (1, {"0.running_var", "1.y"}, {"0.y", "0.dx", "0.batch_var", "0.running_mean"}),
        (2, {"0.y", "0.dx", "0.dgamma"}, {"0.batch_var", "0.dbeta", "0.running_var"}),
        (3, {"0.dx"}, {"0.y", "0.dgamma", "0.dbeta", "1.dx", "0.running_var"}),
        (4, {"0.running_mean", "0.running_var", "1.y"}, {"0.y", "0.dx", "0.batch_mean"}),
    ],
    ids=["ddof", "eps-outside", "dx-term", "no-update"],
)
def test_c_port_with_a_mistake_fails_where_it_shows(build, tmp_path, mistake, wrong, right):
    folder = export(tmp_path / "wrong", "-k", "parameters/eps-half-dense")
    run_port(build(mistake), folder)
    status, _, rows = judge(folder)
    failed = {output for (_, output), row in rows.items() if row["status"] == "fail"}
    assert status == 1 and wrong <= failed and not failed & right


# ---- export ----


def test_export_is_the_same_every_time(tmp_path):
    folders = [export(tmp_path / name, "-k", CASE, "--with-golden") for name in ("a", "b")]
    files = [{p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in folders]
    assert files[0] == files[1] and Path("cases", CASE, "expected-ddof1.safetensors") in files[0]


@pytest.mark.parametrize("format", [(), ("--npy",)], ids=["safetensors", "npy"])
def test_index_places_are_where_the_tensors_are(tmp_path, format):
    folder, golden = export(tmp_path / "port", "-k", "dtypes/bfloat16-mixed-nchw", *format), Golden()
    inputs = golden.inputs(golden.cases["dtypes/bfloat16-mixed-nchw"])
    seen = set()
    for line in (folder / "index.txt").read_text().splitlines():
        word, *words = line.split(" ")
        if word == "input":
            name, *_, size, offset, path = words
            blob = (folder / path).read_bytes()[int(offset) : int(offset) + int(size)]
            assert blob == inputs[name].tobytes()
            seen.add(name)
    assert seen == set(inputs)


@pytest.mark.parametrize(
    "prepare, line",
    [
        (lambda f: f.mkdir() or (f / "mine").write_text("x"), "is there already"),
        (lambda f: f.write_text("x"), "is there already"),
        (lambda f: f.symlink_to("/tmp"), "is there already"),
    ],
    ids=["full", "file", "link"],
)
def test_export_overwrites_nothing(tmp_path, prepare, line):
    folder = tmp_path / "port"
    prepare(folder)
    done = command("export", folder, "-k", CASE)
    assert done.exit_code == 2 and line in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["port"]


def test_export_that_breaks_off_leaves_nothing(tmp_path, monkeypatch):
    def full(self, blob):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    done = command("export", tmp_path / "port", "-k", CASE)
    assert done.exit_code == 2 and "No space left on device" in done.stderr and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments, line",
    [
        (("-k", "zebra"), "no case matches zebra"),
        (("-k", "memory/"), "about the layout of arrays in memory"),
    ],
)
def test_export_of_no_case_is_wrong_use(tmp_path, arguments, line):
    done = command("export", tmp_path / "port", *arguments)
    assert done.exit_code == 2 and line in done.stderr


# ---- judging ----


def test_perfect_outputs_pass(filled):
    status, output, rows = judge(filled)
    assert status == 0 and statuses(rows) == {"pass"}, output
    assert all(row["score"] <= 0.5 for row in rows.values())


def test_bfloat16_travels_in_both_formats(tmp_path, expected):
    for format in ((), ("--npy",)):
        folder = export(tmp_path / f"port{len(format)}", "-k", "dtypes/bfloat16-dense", *format)
        declare(folder)
        fill(folder, "dtypes/bfloat16-dense", expected("dtypes/bfloat16-dense"))
        assert judge(folder)[0] == 0


def test_untouched_slots_are_missing_and_never_pass(tmp_path):
    folder = export(tmp_path / "port", "-k", "degenerate/", "-k", "errors/gamma-shape")
    declare(folder)
    status, output, rows = judge(folder)
    assert status == 1 and statuses(rows) == {"fail"}
    assert {row["kind"] for row in rows.values()} == {"missing"}


def test_error_file_answers_a_case_out_of_the_domain(tmp_path):
    folder = export(tmp_path / "port", "-k", "errors/gamma-shape", "-k", CASE)
    declare(folder)
    for case in ("errors/gamma-shape", CASE):
        (folder / "cases" / case / "error.txt").write_text("gamma has 6 values\x1b[2J")
    _, output, rows = judge(folder)
    assert rows["errors/gamma-shape", "error"]["status"] == "pass"
    assert rows[CASE, "0.y"]["status"] == "crashed" and "gamma has 6 values" in rows[CASE, "0.y"]["message"]
    assert "\x1b" not in output


def test_what_a_port_cannot_is_unsupported_even_if_it_wrote_something(filled):
    declare(filled, dtypes=["float64"])
    status, _, rows = judge(filled)
    assert status == 1 and statuses(rows) == {"unsupported"}  # nothing passed


def replace_output(folder, expected, change):
    tensors = expected(CASE)
    change(tensors)
    fill(folder, CASE, tensors)


@pytest.mark.parametrize(
    "change, output, status, kind",
    [
        (lambda t: t.update({"0.y": t["0.y"] + np.float32(1e-3)}), "0.y", "fail", "value"),
        (lambda t: t.update({"0.y": t["0.y"][:1]}), "0.y", "fail", "shape"),
        (lambda t: t.update({"0.y": t["0.y"].astype(np.float64)}), "0.y", "fail", "dtype:float64"),
        (lambda t: t.update({"0.y": t["0.y"].astype(np.int64)}), "0.y", "fail", "dtype:int64"),
        (lambda t: t.update({"0.why": t["0.y"]}), "files", "fail", "extra"),
    ],
    ids=["value", "misshapen", "mistyped", "integers", "extra"],
)
def test_wrong_tensor_costs_its_own_output(filled, expected, change, output, status, kind):
    replace_output(filled, expected, change)
    exit_status, _, rows = judge(filled)
    assert exit_status == 1 and (rows[CASE, output]["status"], rows[CASE, output]["kind"]) == (status, kind)
    assert {row["status"] for key, row in rows.items() if key != (CASE, output)} == {"pass"}


def test_inputs_written_over_are_named(filled):
    path = next((filled / "cases" / CASE).glob("inputs*"))
    path = next(path.iterdir()) if path.is_dir() else path
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    status, _, rows = judge(filled)
    assert status == 1 and rows[CASE, "inputs"]["kind"] == "changed" and path.name in rows[CASE, "inputs"]["message"]


def test_inputs_may_be_deleted(filled):
    path = next((filled / "cases" / CASE).glob("inputs*"))
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert judge(filled)[0] == 0


def test_unexpected_files_among_the_cases_are_named(filled):
    (filled / "cases" / "shapes" / "twoo").mkdir()
    status, output, _ = judge(filled)
    assert "cases/shapes/'twoo' belongs to no case that was exported" in output


def test_reports_are_those_of_a_run(filled):
    known = filled.parent / "known.json"
    known.write_text(
        json.dumps(
            [
                {
                    "reason": "on purpose",
                    "link": "https://example.org",
                    "differs": [{"kind": "value", "outputs": ["0.y"], "cases": [CASE]}],
                }
            ]
        )
    )
    status, output, rows = judge(filled, "--known", known, "--junit", filled.parent / "report.xml")
    assert status == 1 and rows[CASE, "0.y"]["kind"] == "stale"  # it passes, so the entry is stale
    report = json.loads((filled.parent / "report.json").read_text())
    assert report["schema"] == "bnconform-report/1" and report["implementations"][0]["conventions"]["running_ddof"] == 1
    assert (filled.parent / "report.xml").read_text().count("<testcase") == len(rows)
