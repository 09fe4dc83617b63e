"""Hostile folders: one clear line each, the right exit status, nothing lost, nothing followed, nothing executed."""

import io
import json
import os
import pickle
import shutil
import struct
import zipfile

import numpy as np
import pytest
from ports.test_ports import CASE, DECLARED, command, declare, export, fill, judge

from bnconform.conformance.golden.store import Golden
from bnconform.conformance.golden.tensors import encode
from bnconform.conformance.ports.folder import npy

OTHER = "shapes/dense"


@pytest.fixture
def folders(tmp_path, expected_of):
    """Folder by format: two cases, filled in perfectly."""

    def made(format):
        folder = export(tmp_path / "port", "-k", CASE, "-k", OTHER, *(["--npy"] if format == "npy" else []))
        declare(folder)
        for case in (CASE, OTHER):
            fill(folder, case, expected_of(case))
        return folder

    return made


@pytest.fixture(scope="session")
def expected_of():
    golden = Golden()
    return lambda case: {name: rounded for name, (rounded, _) in golden.wanted(golden.cases[case], 1).items()}


def raw(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


SAFETENSORS = {
    "empty": (b"", "is truncated: 0 bytes"),
    "header-2^60": (struct.pack("<Q", 1 << 60) + b"{}", "says that its header has 1,152,921,504,606,846,976 bytes"),
    "header-2^64-1": (b"\xff" * 8 + b"{}", "says that its header has 18,446,744,073,709,551,615 bytes"),
    "truncated-header": (raw(b"{}")[:9], "says that its header has 2 bytes; 1 follow"),
    "truncated-data": (raw({"0.y": tensor([2, 5], 0, 40)}, bytes(39)), "is truncated"),
    "no-json": (raw(b"not json"), "Expecting value"),
    "no-object": (raw(b"[1, 2]"), "is no safetensors file"),
    "not-utf8": (raw(b"{\xff\xfe}"), "decode"),
    "deep": (raw(b"[" * 100_000), "recursion"),
    "twice": (
        raw(
            b'{"0.y":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"0.y":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
            bytes(4),
        ),
        "'0.y' is given twice",
    ),
    "overlap": (raw({"0.y": tensor([2], 0, 8), "0.dx": tensor([2], 4, 12)}, bytes(12)), "is no safetensors file"),
    "outside": (raw({"0.y": tensor([2], 1 << 40, (1 << 40) + 8)}, bytes(8)), "is no safetensors file"),
    "backwards": (raw({"0.y": tensor([2], 8, 0)}, bytes(8)), "is no safetensors file"),
    "negative-shape": (raw({"0.y": tensor([-2], 0, 8)}, bytes(8)), "is no safetensors file"),
    "product-overflow": (raw({"0.y": tensor([1 << 33, 1 << 33], 0, 8)}, bytes(8)), "is no safetensors file"),
    "shape-lies": (raw({"0.y": tensor([1 << 30], 0, 8)}, bytes(8)), "is no safetensors file"),
    "huge-number": (
        raw(b'{"0.y":{"dtype":"F32","shape":[' + b"9" * 6000 + b'],"data_offsets":[0,4]}}', bytes(4)),
        "Exceeds the limit",
    ),
    "odd-type": (raw({"0.y": tensor([8], 0, 8, "F8_E4M3")}, bytes(8)), "has type F8_E4M3"),
    "many-axes": (raw({"0.y": tensor([1] * 100, 0, 4)}, bytes(4)), "maximum supported dimension"),
    "a-pickle": (pickle.dumps({"0.y": np.zeros(3)}), "says that its header has"),
}


@pytest.mark.parametrize("blob, line", SAFETENSORS.values(), ids=SAFETENSORS)
def test_hostile_safetensors_costs_its_case_only(folders, blob, line):
    folder = folders("safetensors")
    (folder / "cases" / CASE / "outputs.safetensors").write_bytes(blob)
    expect_crashed(folder, "outputs.safetensors", line)


def expect_crashed(folder, name, line, outputs=None):
    """The outputs of CASE are crashed with a line that names the file; everything else passes."""
    status, output, rows = judge(folder)
    hit = [row for (case, o), row in rows.items() if case == CASE and (outputs is None or o in outputs)]
    rest = [row for (case, o), row in rows.items() if case != CASE or (outputs is not None and o not in outputs)]
    assert status == 1 and {row["status"] for row in rest} == {"pass"}
    for row in hit:
        assert row["status"] == "crashed" and row["kind"] == "garbage:file"
        assert (
            name in row["message"]
            and line in row["message"]
            and "\n" not in row["message"]
            and len(row["message"]) < 500
        )
    assert "Traceback" not in output


class Dangerous:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("executed",)


def archive(name, blob):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, blob)
    return stream.getvalue()


def objects():
    stream = io.BytesIO()
    np.save(stream, np.array([Dangerous()], object), allow_pickle=True)
    return stream.getvalue()


def head(text, data=b"", version=b"\x01\x00"):
    text = text.encode() if isinstance(text, str) else text
    return b"\x93NUMPY" + version + struct.pack("<H" if version[0] == 1 else "<I", len(text)) + text + data


def header(shape, kind="<f4"):
    return f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n"


NPY = {
    "empty": (b"", "is no .npy file"),
    "zip": (archive("0.y.npy", npy(np.zeros(3))), "is no .npy file"),
    "zip-bomb": (archive("0.y.npy", bytes(50_000_000)), "is no .npy file"),
    "pickle": (pickle.dumps(Dangerous()), "is no .npy file"),
    "objects": (objects(), "holds '|O', expected numbers"),
    "text": (npy(np.array(["a", "b"])), "expected numbers"),
    "records": (
        head("{'descr': [('a', '<f4'), ('b', '<f4')], 'fortran_order': False, 'shape': (1,), }\n", bytes(8)),
        "expected numbers",
    ),
    "truncated": (npy(np.zeros((2, 5), np.float32))[:-1], "has 39 bytes of data, expected 40"),
    "too-long": (npy(np.zeros((2, 5), np.float32)) + b"\0", "has 41 bytes of data, expected 40"),
    "enormous": (head(header("(1099511627776, 1099511627776)")), "expected more than 2^63"),
    "overflow-to-8": (head(header("(4611686018427387905, 2)"), bytes(8)), "expected more than 2^63"),
    "negative": (head(header("(-2, -5)"), bytes(40)), "expected sizes of at least 0"),
    "no-tuple": (head(header("'(2,5)'"), bytes(40)), "is no .npy file"),
    "true": (head(header("(True, 5)"), bytes(20)), "expected sizes of at least 0"),
    "code": (head("__import__('os').mkdir('executed')\n"), "is no .npy file"),
    "long-header": (head("[" * 60_000), "is no .npy file"),
    "deep-header": (head("[" * 9_000), "is no .npy file"),
    "header-2^32": (head(b"{", version=b"\x02\x00")[:8] + b"\xff" * 4 + b"{", "is no .npy file"),
    "version-9": (head(header("(2, 5)"), bytes(40), b"\x09\x00"), "is no .npy file"),
    "huge-number": (head(header("(" + "9" * 3000 + ",)"), bytes(4)), "expected more than 2^63"),
}


@pytest.mark.parametrize("blob, line", NPY.values(), ids=NPY)
def test_hostile_npy_costs_its_tensor_only(folders, monkeypatch, tmp_path, blob, line):
    monkeypatch.chdir(tmp_path)
    folder = folders("npy")
    (folder / "cases" / CASE / "outputs" / "0.y.npy").write_bytes(blob)
    expect_crashed(folder, "0.y.npy", line, {"0.y"})
    assert not (tmp_path / "executed").exists()


def test_npy_of_other_byte_order_and_fortran_order_is_read(folders, expected_of):
    folder, y = folders("npy"), expected_of(CASE)["0.y"]
    for index, array in enumerate((y.astype(">f4"), np.asfortranarray(y))):
        np.save(folder / "cases" / CASE / "outputs" / "0.y.npy", array)
        assert judge(folder)[0] == 0, index


# ---- what lies where a file should ----


def swap(path, make):
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    make(path)


def enormous(path):
    with open(path, "wb") as file:
        file.truncate(1 << 40)  # sparse: no byte of it is on the disk


PLACES = {
    "link": (lambda path: path.symlink_to("/etc/hostname"), "is a symbolic link"),
    "link-to-nothing": (lambda path: path.symlink_to("nowhere"), "is a symbolic link"),
    "link-loop": (lambda path: path.symlink_to(path.name), "is a symbolic link"),
    "fifo": (lambda path: os.mkfifo(path), "is not a regular file"),
    "folder": (lambda path: path.mkdir(), "is not a regular file"),
    "enormous": (enormous, "has 1,099,511,627,776 bytes, expected at most"),
}


@pytest.mark.parametrize("make, line", PLACES.values(), ids=PLACES)
def test_what_is_no_file_costs_its_case_only(folders, make, line):
    folder = folders("safetensors")
    swap(folder / "cases" / CASE / "outputs.safetensors", make)
    expect_crashed(folder, "outputs.safetensors", line)


@pytest.mark.parametrize("make, line", PLACES.values(), ids=PLACES)
def test_error_file_that_is_none_costs_its_case_only(folders, make, line):
    folder = folders("safetensors")
    make(folder / "cases" / CASE / "error.txt")
    expect_crashed(folder, "error.txt", line)


def test_case_folder_that_is_a_link_is_not_followed(folders):
    folder = folders("safetensors")
    place = folder / "cases" / CASE
    place.rename(folder.parent / "elsewhere")
    place.symlink_to(folder.parent / "elsewhere")
    expect_crashed(folder, f"cases/{CASE}", "is a symbolic link")


def test_missing_file_and_missing_case_cost_themselves_only(folders):
    folder = folders("safetensors")
    (folder / "cases" / CASE / "outputs.safetensors").unlink()
    expect_crashed(folder, "outputs.safetensors", "is missing")
    shutil.rmtree(folder / "cases" / CASE)
    expect_crashed(folder, "outputs.safetensors", "is missing")


@pytest.mark.parametrize("name", ["../../../escaped", "/tmp/escaped", "0.y/../../x", "\x1b[2J\x00", "0.y" * 1000])
def test_tensor_names_are_names_and_never_paths(folders, expected_of, name):
    folder = folders("safetensors")
    tensors = expected_of(CASE)
    (folder / "cases" / CASE / "outputs.safetensors").write_bytes(encode(tensors | {name: tensors["0.y"]}))
    before = sorted(folder.parent.rglob("*"))
    status, output, rows = judge(folder)
    extra = rows[CASE, "files"]
    assert status == 1 and extra["kind"] == "extra" and len(extra["message"]) < 300 and "\x1b" not in output
    assert set(folder.parent.rglob("*")) - set(before) <= {folder.parent / "report.json"}


def test_countless_extra_files_are_counted(folders):
    folder = folders("safetensors")
    for index in range(300):
        (folder / "cases" / CASE / f"junk{index}").write_text("")
    status, _, rows = judge(folder)
    assert status == 1
    report = json.loads((folder.parent / "report.json").read_text())
    lines = [row["message"] for row in report["results"] if row["kind"] == "extra"]
    assert len(lines) == 11 and lines[-1] == "and 290 more like it"


# ---- a folder that cannot be judged at all ----


def edit(file, /, **changes):
    def change(folder):
        data = json.loads((folder / file).read_text()) | changes
        (folder / file).write_text(json.dumps(data))

    return change


def write(name, blob):
    return lambda folder: (folder / name).write_bytes(blob)


UNUSABLE = {
    "no-export": (lambda f: (f / "export.json").unlink(), "export.json is missing"),
    "no-port": (lambda f: (f / "port.json").unlink(), "port.json is missing"),
    "port-link": (
        lambda f: swap(f / "port.json", lambda p: p.symlink_to("/etc/passwd")),
        "port.json: is a symbolic link",
    ),
    "port-fifo": (lambda f: swap(f / "port.json", os.mkfifo), "port.json: is not a regular file"),
    "port-enormous": (lambda f: enormous(f / "port.json"), "port.json: has 1,099,511,627,776 bytes"),
    "port-no-json": (write("port.json", b"{"), "port.json is not usable JSON"),
    "port-not-utf8": (write("port.json", b"\xff"), "port.json is not usable JSON"),
    "port-deep": (write("port.json", b"[" * 200_000), "port.json is not usable JSON"),
    "port-list": (write("port.json", b"[]"), "port.json holds a list, expected an object"),
    "port-twice": (write("port.json", b'{"name": "a", "name": "b"}'), "'name' is given twice"),
    "port-unknown": (edit("port.json", momentum=0.9), "port.json has 'momentum', expected name, version"),
    "port-name": (
        edit("port.json", name="[red]x[/]\n"),
        'name in port.json is "[red]x[/]\\n", expected 1 to 80 letters',
    ),
    "port-no-ddof": (
        edit("port.json", running_ddof=None),
        "running_ddof in port.json is null, expected 0 or 1 [BN-3.3]",
    ),
    "port-ddof-2": (edit("port.json", running_ddof=2), "running_ddof is 2, expected one of 0, 1"),
    "port-ddof-true": (edit("port.json", running_ddof=True), "running_ddof in port.json is true"),
    "port-variance": (edit("port.json", variance="none"), "variance is 'none', expected one of 'two-pass'"),
    "port-exposes": (edit("port.json", exposes=["z"]), "exposes in port.json is"),
    "port-dtypes": (edit("port.json", dtypes="float32"), "dtypes in port.json is"),
    "port-compute": (edit("port.json", compute={"float32": "float8"}), "compute in port.json is"),
    "port-cannot": (edit("port.json", cannot={"jvp": ""}), "cannot in port.json is"),
    "port-ranks": (edit("port.json", ranks=[[]]), "ranks in port.json is"),
    "schema": (edit("export.json", schema="other/1"), "export.json has schema 'other/1'"),
    "golden": (edit("export.json", golden="0" * 64), "export again with this version"),
    "format": (
        edit("export.json", format="pickle"),
        "export.json has format 'pickle', expected one of safetensors, npy",
    ),
    "cases-none": (edit("export.json", cases=[]), "zero cases prove nothing"),
    "cases-twice": (edit("export.json", cases=[CASE, CASE]), "no list of different cases"),
    "cases-path": (
        edit("export.json", cases=["../../etc"]),
        "has case '../../etc', which these golden vectors do not have",
    ),
    "cases-numbers": (edit("export.json", cases=[1]), "no list of different cases"),
}


@pytest.mark.parametrize("spoil, line", UNUSABLE.values(), ids=UNUSABLE)
def test_unusable_folder_is_one_line_and_exit_two(folders, spoil, line):
    folder = folders("safetensors")
    spoil(folder)
    done = command("judge", folder, "--json", folder.parent / "report.json")
    assert done.exit_code == 2 and line in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.output and not (folder.parent / "report.json").exists()


@pytest.mark.parametrize(
    "make", [lambda p: None, lambda p: p.write_text("x"), os.mkfifo], ids=["missing", "file", "fifo"]
)
def test_no_folder_is_one_line_and_exit_two(tmp_path, make):
    make(tmp_path / "port")
    done = command("judge", tmp_path / "port")
    assert done.exit_code == 2 and "expected a folder that `bnconform export` made" in done.stderr


def test_declaration_in_the_template_is_complete(tmp_path):
    template = json.loads((export(tmp_path / "port", "-k", CASE) / "port.json").read_text())
    assert set(DECLARED) < set(template) and template["running_ddof"] is None
