"""Random mutations of everything that others write: bytes that are flipped, cut and doubled, and fields of JSON that
become something else, with the checksums put right again so that what reads them meets the fields themselves.

    python -m faults.mutations [COUNT] [SEED]

Each is read as a run reads it. What may come of it: what was there before (the change said nothing), or an error of
the kinds that a command answers in one line; never a traceback of another kind, a hang, or a silent change.
"""

import json
import random
import resource
import sys
import tempfile
import time
import zlib
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from bnconform.backends.contract import Conventions
from bnconform.conformance.golden.freeze import pin
from bnconform.conformance.golden.store import Golden
from bnconform.conformance.golden.tensors import GoldenError
from bnconform.conformance.judge import known
from bnconform.conformance.judge.compare import judge
from bnconform.conformance.ports.declaration import read_declaration, template
from bnconform.conformance.ports.export import export
from bnconform.conformance.ports.judging import Folder, judge_folder
from bnconform.conformance.records import STATUSES, Failure, Observation, Verdict
from bnconform.conformance.run.journal import Journal, JournalError, Result
from bnconform.conformance.run.plan import Options, Plan, UsageError
from bnconform.conformance.run.process import Hello
from bnconform.conformance.run.schedule import Listener
from bnconform.conformance.run.wire import (
    MAGIC,
    PREFIX,
    Question,
    WireError,
    lengths,
    pack_observation,
    read_fields,
    unpack,
    unpack_observation,
)

ODD = (
    None,
    True,
    -1,
    0,
    3,
    1 << 70,
    1.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    "\ud800",
    "\x1b[2J[/]",
    "9" * 5000,
    [],
    {},
    [[]],
    {"a": {"b": []}},
    ["*"],
)


def spoil_bytes(blob: bytes, rng: random.Random) -> bytes:
    """One to three changes: a bit, a piece cut out, doubled, or replaced."""
    data = bytearray(blob)
    for _ in range(rng.randint(1, 3)):
        at, size = rng.randrange(len(data) + 1), rng.choice((1, 1, 2, 8, 100))
        change = rng.randrange(5)
        if change == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif change == 1:
            del data[at : at + size]
        elif change == 2:
            data[at:at] = data[at : at + size]
        elif change == 3:
            data[at : at + size] = rng.randbytes(size)
        else:
            del data[at:]
    return bytes(data)


def spoil_json(data, rng: random.Random):
    """A copy in which one value, somewhere, is another, has gone, or has a neighbour that is not known."""
    data = json.loads(json.dumps(data))
    place, trail = data, []
    while isinstance(place, dict | list) and place and (not trail or rng.random() < 0.8):
        key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
        trail.append((place, key))
        place = place[key]
    if not trail:
        return rng.choice(ODD)
    owner, key = trail[-1]
    change = rng.randrange(4)
    if change == 0:
        del owner[key]
    elif change == 1 and isinstance(owner, dict):
        owner[f"{key}x"] = owner[key]
    else:
        owner[key] = rng.choice(ODD)
    return data


CASE = "shapes/dense"


@cache
def golden() -> Golden:
    return Golden()


@cache
def observation() -> Observation:
    wanted = golden().wanted(golden().cases[CASE], 1)
    return Observation(
        CASE, {name: value for name, (value, _) in wanted.items()}, ("0.x was changed",), None, 0.5, 0.25
    )


@cache
def journal_bytes() -> bytes:
    plan = Plan("1", "g", ("a", "b", CASE), ("numpy", "torch"), environment={"OMP_NUM_THREADS": "1"})
    verdict = Verdict("numpy", "a", "0.y", "fail", float("inf"), "inf", "so", 1, 3, (0, 1))
    failed = Observation("a", {}, failure=Failure("raised", "E", "t", 0))
    hello = Hello("2.0", Conventions(running_ddof=1), 0.5, settings={"threads": "1"}, code={"m": "00"})
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal.create(plan, Path(folder) / "j")
        for name in plan.implementations:
            journal.put_hello(name, hello)
            journal.put(name, Result("a", (verdict,), failed, (1, 2), {"run": 0.5}, ("0.y",)))
            journal.put(name, Result(CASE, (replace(verdict, case=CASE),), observation(), (0, 0), {"run": 0.5}))
        journal.close()
        return (Path(folder) / "j").read_bytes()


def mutate_journal(rng, folder):
    """Bytes, or a field of a record whose checksum is right again; read, and everything in it looked at."""
    lines = journal_bytes().splitlines(keepends=True)
    if rng.random() < 0.5:
        blob = spoil_bytes(journal_bytes(), rng)
    else:
        index = rng.randrange(len(lines))
        text = json.dumps(spoil_json(json.loads(lines[index])["record"], rng))
        lines[index] = f'{{"crc": {zlib.crc32(text.encode())}, "record": {text}}}\n'.encode()
        blob = b"".join(lines)
    path = folder / "j"
    path.write_bytes(blob)
    journal, whole = Journal.read(path)
    assert whole <= len(blob)
    for name, results in journal.results.items():
        for result in results.values():
            assert all(verdict.status in STATUSES for verdict in result.verdicts), name
            json.dumps(result.to_json(), allow_nan=False)
        journal.seconds(name)
        assert set(journal.missing(name)) <= set(journal.plan.cases)


def mutate_frame(rng, folder):
    """An answer of a worker: bytes, or its header with a right checksum; what comes through is judged."""
    question = Question(golden().cases[CASE], golden().inputs(golden().cases[CASE]))
    frame = pack_observation(observation())
    if rng.random() < 0.5:
        frame = spoil_bytes(frame, rng)
    else:
        _, _, size, _ = PREFIX.unpack(frame[: PREFIX.size])
        header = json.loads(frame[PREFIX.size : PREFIX.size + size])
        text, data = json.dumps(spoil_json(header, rng)).encode(), frame[PREFIX.size + size :]
        frame = PREFIX.pack(MAGIC, zlib.crc32(text + data), len(text), len(data)) + text + data
    if len(frame) < PREFIX.size or lengths(frame[: PREFIX.size], question.most) != len(frame) - PREFIX.size:
        raise WireError("a worker that says less is waited for until its time is up")
    fields, arrays = unpack(frame[: PREFIX.size], frame[PREFIX.size :])
    found = unpack_observation(fields, arrays, question.outputs)
    verdicts = judge("x", found, question.case, golden(), Conventions(running_ddof=1))
    same = found.outputs.keys() == observation().outputs.keys() and all(
        np.array_equal(found.outputs[name], value) for name, value in observation().outputs.items()
    )
    assert same or any(verdict.status != "pass" for verdict in verdicts), "a changed answer passes"
    json.dumps([verdict.to_json() for verdict in verdicts], allow_nan=False)


def mutate_declaration(rng, folder):
    """What a worker says of itself, and what a port's file declares."""
    conventions = json.loads(json.dumps(vars(Conventions(running_ddof=1))))
    hello = {"version": "1", "conventions": conventions, "seconds": 0.5, "settings": {"a": "b"}, "code": {"m": "0"}}
    if rng.random() < 0.5:
        found = read_fields(Hello, spoil_json(hello, rng), "what it says of itself")
        json.dumps([found.version, found.text, found.seconds, dict(found.settings)], allow_nan=False)
        json.dumps(found.conventions and {**vars(found.conventions)}, allow_nan=False)
    else:
        data = template() | {"running_ddof": 1}
        text = json.dumps(spoil_json(data, rng)).encode()
        read_declaration(spoil_bytes(text, rng) if rng.random() < 0.3 else text)


@cache
def known_text() -> str:
    row = {"kind": "value", "outputs": ["*.y"], "cases": ["shapes/dense"]}
    group = {"reason": "r", "link": "l", "versions": ">=1", "devices": ["cpu"], "differs": [row, row]}
    return json.dumps([group, group | {"script": ["a", "b"]}])


def mutate_known(rng, folder):
    """A file of known differences; what comes through must not excuse a pass, nor much of the suite."""
    text = json.dumps(spoil_json(json.loads(known_text()), rng)).encode()
    (folder / "known.json").write_bytes(spoil_bytes(text, rng) if rng.random() < 0.5 else text)
    entries = known.read(folder / "known.json")
    known.check_ids(entries, {case.id: case.outputs() for case in golden().cases.values()})
    right = [Verdict("x", CASE, output, "pass", 0.5) for output in golden().cases[CASE].outputs()]
    assert not any(verdict.status == "deviates" for verdict in known.apply(right, entries, "1.0", "cpu"))


@cache
def small_golden() -> tuple[dict, dict[str, bytes]]:
    """A manifest of two cases and their file."""
    manifest = json.loads((golden().folder / "manifest.json").read_text())
    cases = [case for case in manifest["cases"] if case["id"] in (CASE, "shapes/two")]
    files = {"shapes.safetensors": manifest["files"]["shapes.safetensors"]}
    return manifest | {"cases": cases, "files": files, "large": {}}, {
        name: (golden().folder / name).read_bytes() for name in files
    }


def mutate_manifest(rng, folder):
    """A manifest with its old hash, which must say so; or with a new one, where what is asked must make sense."""
    manifest, files = small_golden()
    for name, blob in files.items():
        if not (folder / name).exists():
            (folder / name).write_bytes(blob)
    path = folder / "manifest.json"
    text = json.dumps(manifest)
    path.write_text(text)
    pin(folder)
    if rng.random() < 0.5:
        path.write_bytes(spoil_bytes(text.encode(), rng))
        same = json.loads(text)
        found = Golden(folder)
        assert found.cases and json.loads(path.read_bytes()) == same, "a changed question is asked"
        return
    path.write_text(json.dumps(spoil_json(manifest, rng)))
    pin(folder)
    found = Golden(folder)
    for case in found.cases.values():
        case.outputs()
        found.inputs(case)
        found.wanted(case, 1)


@cache
def port_folder() -> dict[str, bytes]:
    """A filled port folder: path -> bytes."""
    with tempfile.TemporaryDirectory() as parent:
        root = Path(parent) / "port"
        export(root, golden(), [golden().cases[CASE]], "npy", False)
        declared = json.loads((root / "port.json").read_text()) | {"running_ddof": 1}
        (root / "port.json").write_text(json.dumps(declared))
        for name, array in observation().outputs.items():
            np.save(root / "cases" / CASE / "outputs" / f"{name}.npy", array)
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def mutate_port(rng, folder):
    """One file of a port folder spoiled, by bytes or by a field; the folder is judged."""
    files = port_folder()
    words = [name for name in files if name.endswith(".json")]
    name = rng.choice(words if rng.random() < 0.5 else list(files))  # most files are arrays, that cost themselves only
    blob = files[name]
    if name.endswith(".json") and rng.random() < 0.5:
        spoiled = json.dumps(spoil_json(json.loads(blob), rng)).encode()
    else:
        spoiled = spoil_bytes(blob, rng)
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(spoiled if path == name else content)
    filled = Folder(folder, golden())
    try:
        judged = judge_folder(filled, Options(), Listener())
    finally:
        filled.close()
    assert len(judged.verdicts) >= len(golden().cases[CASE].outputs())
    json.dumps([verdict.to_json() for verdict in judged.verdicts], allow_nan=False)


KINDS = (mutate_journal, mutate_frame, mutate_declaration, mutate_known, mutate_manifest, mutate_port)
CLEAR = (JournalError, WireError, UsageError, known.KnownError, GoldenError)  # each is one line for whoever asked
LONGEST = 5.0  # seconds that one may take


def mutate(kind, number: int, seed: int, folder: Path) -> str:
    """One mutation; "held" or the name of the clear error. Errors: whatever else it led to."""
    rng = random.Random(f"{seed} {kind.__name__} {number}")
    began = time.monotonic()
    try:
        kind(rng, folder)
        found = "held"
    except CLEAR as error:
        assert len(str(error)) < 4000
        found = type(error).__name__
    assert time.monotonic() - began < LONGEST, "it takes too long"
    return found


def main() -> None:
    count, seed = (int(word) for word in [*sys.argv[1:], "10000", "0"][:2])
    found = Counter()
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            for number in range(count // len(KINDS)):
                try:
                    found[kind.__name__, mutate(kind, number, seed, Path(folder))] += 1
                except Exception as error:
                    found[kind.__name__, f"WRONG {type(error).__name__}"] += 1
                    print(f"{kind.__name__} {number} {seed}: {type(error).__name__}: {error}"[:300])
    for (name, outcome), times in sorted(found.items()):
        print(f"{name:20} {outcome:20} {times:6}")
    print(f"at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")


if __name__ == "__main__":
    main()
