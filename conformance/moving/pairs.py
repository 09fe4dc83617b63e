"""Every ordered pair of frameworks proved: each one's layer, trained by itself, goes on in every other.

A framework has a process of its own, asked twice: to make its source (a layer as built, trained for some steps, its
arrays, and where 50 further steps lead), and to go on from everybody's sources, translated.
"""

import datetime
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ..rows import rows
from .convert import read_layer, write_layer
from .forms import FORMS
from .layers import HOMES
from .prove import RATE, STEPS, Run, batches, run
from .verdict import judge

PAIRS = Path(__file__).parent / "pairs.json"
RANKS, CHANNELS, EPS, DECAY = (2, 3, 4, 5), 3, 2e-3, 0.95
WARM = 5
SETTLED = 360  # steps until 1 - DECAY**n is 1 in float32, for those that debias
STATE_ONLY = {
    "onnx": "onnxruntime has no gradients: it moves the state, the parameters follow the definition's gradients"
}


def arguments_of(form) -> dict:
    """What a user writes for EPS and DECAY."""
    return {form.eps: EPS, form.decay: form.users_number(DECAY)}


def make_sources(name: str, folder: Path):
    """The framework's own layers of every rank, after some steps, and where 50 more lead."""
    cls = HOMES[name].load()
    form = FORMS[cls.form]
    for rank in cls.ranks:
        made = cls(rank, CHANNELS, **arguments_of(form))
        turn = (lambda a: a) if made.first else (lambda a: np.ascontiguousarray(np.moveaxis(a, 1, -1)))
        for x, target in batches(rank, CHANNELS, SETTLED if form.zero_debiased else WARM, seed=1):
            made.step(turn(x), turn(target), RATE)
        arrays = made.arrays()
        _save(folder / f"source {name} {rank}.npz", run(made, arrays, batches(rank, CHANNELS)), arrays)
    (folder / f"{name}.json").write_text(
        json.dumps({"version": cls.version(), "variance": cls.variance, "ranks": cls.ranks})
    )


def make_targets(name: str, folder: Path):
    """The framework's layers, built from everybody's sources."""
    cls, made = HOMES[name].load(), {}
    form = FORMS[cls.form]
    for path in sorted(folder.glob("source *.npz")):
        _, source, rank = path.stem.split()
        if int(rank) not in cls.ranks:
            continue
        arrays, arguments = write_layer(form, source_layer(source, path), "", [], rank=int(rank))
        key = (int(rank), json.dumps(arguments))
        if key not in made:
            made[key] = cls(int(rank), CHANNELS, **arguments)
        _save(folder / f"target {source} {name} {rank}.npz", run(made[key], arrays, batches(int(rank), CHANNELS)), {})


def source_layer(name: str, path: Path):
    """A source in the core's words."""
    form = FORMS[name if name in FORMS else "keras"]
    with np.load(path) as file:
        arrays = {key[2:]: file[key] for key in file.files if key.startswith("a|")}
    return read_layer(form, arrays, "", arguments_of(form), [])


def _save(path, got: Run, arrays):
    end = {f"e|{name}": value for name, value in got.end.items()}
    np.savez(path, before=got.y_before, after=got.y_after, **end, **{f"a|{name}": a for name, a in arrays.items()})


def _load(path) -> Run:
    with np.load(path) as file:
        return Run(file["before"], file["after"], {key[2:]: file[key] for key in file.files if key.startswith("e|")})


def measure(names, tell=print) -> dict:
    """{"versions", "cells": {source: {target: {rank: proof or why not}}}} of the frameworks named."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for phase in ("sources", "targets"):
            for name in names:
                tell(f"{phase} of {name}")
                command = [sys.executable, "-m", __name__, phase, name, str(folder)]
                done = subprocess.run(
                    command, capture_output=True, text=True, env=os.environ | dict(HOMES[name].environment)
                )
                if done.returncode:
                    raise RuntimeError(f"{phase} of {name}: {done.stderr[-2000:]}")
        told = {name: json.loads((folder / f"{name}.json").read_text()) for name in names}
        cells = {a: {b: _cells(a, b, told, folder, cache) for b in names} for a in names if (cache := {}) is not None}
    return {
        "date": str(datetime.date.today()),
        "steps": STEPS,
        "versions": {n: told[n]["version"] for n in names},
        "cells": cells,
    }


def _cells(source, target, told, folder, cache):
    """Proofs of a pair by rank."""
    out = {}
    for rank in RANKS:
        lacking = [name for name in (source, target) if rank not in told[name]["ranks"]]
        if lacking:
            out[rank] = {"why": f"{lacking[0]} takes ranks {', '.join(map(str, told[lacking[0]]['ranks']))}"}
            continue
        path = folder / f"source {source} {rank}.npz"
        runs = _load(path), _load(folder / f"target {source} {target} {rank}.npz")
        forms = [name if name in FORMS else "keras" for name in (source, target)]
        variances = [told[name]["variance"] for name in (source, target)]
        found = judge(*forms, source_layer(source, path), rank, batches(rank, CHANNELS), runs, variances, cache)
        out[rank] = {"worst": float(f"{found.worst:.3g}"), "gap": float(f"{found.gap:.3g}")}
        out[rank] |= {} if found.holds else {"says": found.says}
    return out


def write(found: dict) -> None:
    """pairs.json, a line a pair."""
    PAIRS.write_text(rows(found, 3))


def table(found: dict) -> list[str]:
    """Markdown: sources down, targets across; the worst score of all ranks, and how far running_var stays apart."""
    names = list(found["cells"])
    lines = ["| from \\ to | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for source, row in found["cells"].items():
        lines.append(f"| **{source}** | " + " | ".join(_cell(row[target]) for target in names) + " |")
    return lines


def _cell(ranks):
    proved = {rank: cell for rank, cell in ranks.items() if "worst" in cell}
    worst, gap = (max(cell[key] for cell in proved.values()) for key in ("worst", "gap"))
    wrong = [] if worst <= 1 else ["**WRONG**"]
    notes = [f"ddof {gap:.0%}"] if gap else []
    missing = [f"not rank {rank}" for rank, cell in ranks.items() if "why" in cell]
    return ", ".join([*wrong, f"{worst:.2f}", *notes, *missing])


if __name__ == "__main__":
    {"sources": make_sources, "targets": make_targets}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
