"""Two implementations side by side: the rows in which they differ, and what to write when moving."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np

from .core import MovingError
from .forms import Form
from .layers import HOMES
from .probes import Row, form_named

M = (4, 100)  # counts for which distances are told


@dataclass(frozen=True)
class Difference:
    """One property: what A does, what B does, and what to write, or how far apart they stay; equal: folded away."""

    property: str
    a: str
    b: str
    write: str
    evidence: str
    equal: bool


def measured(name: str) -> dict:
    """{"version", "rows"} of one implementation, from a process of its own. Errors: MovingError."""
    if name not in HOMES:
        raise MovingError(f"no implementation {name!r} to compare, expected one of {', '.join(HOMES)}")
    if HOMES[name].missing():
        raise MovingError(f"{name}: {', '.join(HOMES[name].missing())} is not installed")
    command = [sys.executable, "-m", "bnconform.conformance.moving.probes", name]
    environment = os.environ | dict(HOMES[name].environment) | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise MovingError(f"{name}: the probes failed: {done.stderr.strip().splitlines()[-1]}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return {"version": found["version"], "rows": [Row(**row) for row in found["rows"]]}


def differences(a: str, b: str, rows_a, rows_b) -> list[Difference]:
    """Every property of both, in order; what both do alike has `equal`."""
    mine, theirs = ({row.property: row for row in rows} for rows in (rows_a, rows_b))
    forms = form_named(a), form_named(b)
    out = []
    for name in dict.fromkeys([*mine, *theirs]):
        one, other = (rows.get(name, Row(name, "not asked", None)) for rows in (mine, theirs))
        equal = one.key == other.key
        write = "" if equal else ADVICE.get(name, _nothing)(one, other, *forms)
        if name == "default momentum" and one.key is not None and one.finding != other.finding:
            equal, write = False, _momentum(one, other, *forms)
        evidence = "; ".join(f"{n}: {row.evidence}" for n, row in ((a, one), (b, other)) if row.evidence)
        out.append(Difference(name, one.finding, other.finding, write, evidence, equal))
    return out


def _eps(a, b, fa: Form, fb: Form):
    far = abs(np.sqrt((0.01 + b.key) / (0.01 + a.key)) - 1)
    return f"write `{fb.eps}={a.key:g}`: by default y of a channel of variance 0.01 is {far:.1%} off"


def _momentum(a, b, fa: Form, fb: Form):
    if a.key is None:
        return f"write `{fb.decay}=` what `{fa.decay}` is, as the weight of the old state"
    number = lambda form: f"`{form.decay}={form.users_number(a.key):g}`"
    return f"{number(fa)} -> {number(fb)}"


def _weighs(a, b, fa: Form, fb: Form):
    return f"`{fb.decay}` = 1 - `{fa.decay}`: 0.1 becomes 0.9"


def _estimator(a, b, fa: Form, fb: Form):
    far = ", ".join(f"{1 / (m - 1):.0%} at m = {m}" for m in M)
    once = "`--corrected m` changes it once, at the handover"
    return f"cannot be made equal: running_var stays apart by 1/(m - 1) ({far}); {once}"


def _cumulative(a, b, fa: Form, fb: Form):
    if a.key == "none":
        return "nothing: the exponential average is there"
    weight = "after n batches the cumulative average weighs the next by 1/(n + 1)"
    return f"cannot be made equal: give `{fb.decay}` a number; {weight}"


def _start(a, b, fa: Form, fb: Form):
    if "zero-debiased" in b.key:
        return "the translation sets the counter so high that debiasing divides by 1"
    return "cannot be made equal while young: its first batches weigh more; after some hundred steps they agree"


def _bare(a, b, fa: Form, fb: Form):
    say = {"training": "training", "inference": "inference", "must be said": "it"}[a.key]
    return f"say the mode at every call or on the model: a bare call at the source means {say}"


def _axis(a, b, fa: Form, fb: Form):
    say = {"keras": "`axis=1`", "flax-linen": "`axis=1`", "flax-nnx": "`axis=1`", "paddle": "`data_format=`"}
    return f"transpose x{', or write ' + say[fb.name] if fb.name in say else ''}"


def _freezing(a, b, fa: Form, fb: Form):
    """For what each setting of A does, the setting of B that does the same."""
    mine, theirs = (
        dict(reversed(part.split(": ", 1)) for part in row.finding.split("; ") if ": " in part) for row in (a, b)
    )
    out = []
    for effect, setting in mine.items():
        other = theirs.get(
            effect, "no setting; the optimizer leaves gamma and beta out" if "parameters kept" in effect else "none"
        )
        out.append(f"{setting} -> {other}")
    return "; ".join(out) or "it has no gradients to freeze"


def _mask(a, b, fa: Form, fb: Form):
    if b.key == "none":
        return "cannot be made equal: pick the marked values out first, x[mask]"
    return "nothing: without a mask it does the same"


def _types(a, b, fa: Form, fb: Form):
    return "cast x or y yourself: the type of y follows another rule"


def _precision(a, b, fa: Form, fb: Form):
    earlier = (b.key or np.inf) < (a.key or np.inf)
    words = "the target loses the digit earlier" if earlier else "the target is the more exact one"
    more = "; write `use_fast_variance=False`" if earlier and fb.name.startswith("flax") else ""
    return f"{words}: center x before the layer where mean/std is large{more}"


def _counts(a, b, fa: Form, fb: Form):
    return "nothing to do: what is counted differs, gamma, beta and both statistics are there"


def _counter(a, b, fa: Form, fb: Form):
    return "matters for a cumulative average alone, where it is the weight"


def _edge(a, b, fa: Form, fb: Form):
    return "cannot be set: keep such batches away from the layer"


def _nothing(a, b, fa: Form, fb: Form):
    return "cannot be set"


ADVICE = {
    "default eps": _eps,
    "default momentum": _momentum,
    "what the number weighs": _weighs,
    "running variance": _estimator,
    "cumulative average": _cumulative,
    "the average starts from": _start,
    "a call that says nothing of the mode": _bare,
    "channel axis as built": _axis,
    "freezing": _freezing,
    "mask": _mask,
    "one value a channel, in training": _edge,
    "empty batch, in training": _edge,
    "eps = 0": lambda a, b, fa, fb: "write a small eps, such as 1e-12",
    "a constant channel of 60,000, in training": _edge,
    "x of float16": _types,
    "x of bfloat16": _types,
    "x of float64": _types,
    "numbers of a layer of two channels": _counts,
    "batch counter": _counter,
    "y is wrong in the third digit (float32)": _precision,
}


def markdown(a: str, b: str, found: list[Difference]) -> str:
    """A table of the rows that differ, and a line with those that agree."""
    lines = [
        f"| moving from {a} to {b} | {a} | {b} | what to write, or how far apart | measured |",
        "|---|---|---|---|---|",
    ]
    cell = lambda text: text.replace("|", "\\|")
    lines += [
        f"| {d.property} | {cell(d.a)} | {cell(d.b)} | {cell(d.write)} | {cell(d.evidence)} |"
        for d in found
        if not d.equal
    ]
    alike = [d.property for d in found if d.equal]
    return "\n".join([*lines, "", f"Alike: {', '.join(alike) or 'nothing'}."]) + "\n"
