"""One pair of layers proved: scores, what stays apart, and the name of what is wrong."""

from dataclasses import asdict, dataclass

import numpy as np

from .core import BatchNorm
from .forms import FORMS
from .prove import FIELDS, STEPS, Course, Run, apart, course, float32, for_layer, run, scores, starts_as
from .wrong import readings

DEBIAS = "zero-debiased statistics of a young layer: the source weighs its next batches more than a plain average does"


@dataclass(frozen=True)
class Proof:
    """scores: quantity -> error / allowance. says: in words what was found. wrong: names of the mistakes that predict
    what the target did. gap: how far running_var stays apart by the estimator, relative; 0 where both have the same."""

    source: str
    target: str
    rank: int
    steps: int
    scores: dict
    says: str
    wrong: tuple[str, ...] = ()
    gap: float = 0.0

    @property
    def worst(self) -> float:
        return max(self.scores.values(), default=np.inf)

    @property
    def holds(self) -> bool:
        return bool(self.scores) and self.worst <= 1

    def to_json(self) -> dict:
        return asdict(self)


def judge(source: str, target: str, layer: BatchNorm, rank, data, runs, variances, cache=None) -> Proof:
    """layer: the source's, in the core's words. runs: (Run of the source or None, Run of the target). variances: how
    each computes its variance. source, target: names of forms."""
    forms = FORMS[source], FORMS[target]
    ways = {}
    for side in (0, 1):
        key = (rank, forms[side].running_ddof, variances[side])
        ways[side] = cache[key] if cache is not None and key in cache else course(layer, data, key[1], key[2])
        if cache is not None:
            cache[key] = ways[side]
    found = _scores(runs, ways)
    gap = apart(*ways.values()) if forms[0].running_ddof != forms[1].running_ddof else 0.0
    wrong = ()
    if max(found.values()) > 1:
        way = lambda other: course(other, data, forms[1].running_ddof, variances[1])
        wrong = tuple(
            name
            for name, other in readings(layer, *forms)
            if starts_as(runs[1], other, data) and max(scores(runs[1], way(other)).values()) <= 1
        )
    return Proof(source, target, rank, len(data), found, _says(found, wrong, gap, forms), wrong, gap)


def _scores(runs: tuple[Run | None, Run], ways):
    """Each side against the definition, and both against one another where they should end in the same."""
    found = {f"target {name}": value for name, value in scores(runs[1], ways[1]).items()}
    if runs[0] is None:
        return found
    found |= {f"source {name}": value for name, value in scores(runs[0], ways[0]).items()}
    for name in FIELDS:
        if name in ways[0].end and name in runs[0].end and name in runs[1].end:
            found[f"both {name}"] = _between(runs, ways, name)
    return found


def _between(runs, ways: dict[int, Course], name):
    """|target - source - what the estimators differ by| / the sum of both allowances."""
    ends = [runs[side].end[name] for side in (0, 1)]
    near = [ways[side].end[name] for side in (0, 1)]
    off = np.abs((ends[1] - ends[0]) - (near[1].value - near[0].value))
    return float(np.max(off / (near[0].error + near[1].error), initial=0.0))


def _says(found, wrong, gap, forms):
    worst = max(found, key=found.get)
    if found[worst] > 1:
        names = f"; it is as if: {', or '.join(wrong)}" if wrong else "; no known mistake predicts it"
        return f"{worst} is {found[worst]:.3g} times the allowance off{names}"
    if gap:
        ddofs = f"ddof {forms[0].running_ddof} -> {forms[1].running_ddof}"
        return f"the same but for the estimator of running_var ({ddofs}), {gap:.1%} apart by then"
    return "the same"


def prove_layer(source_home, target_home, layer: BatchNorm, arrays, arguments, rank: int, steps: int = STEPS) -> Proof:
    """Train the user's layer on both sides. arrays, arguments: (source's, target's), by the forms' names for path "".

    source_home, target_home: layer classes; the source's may be None where its framework is not installed.
    """
    layer, data = float32(layer), for_layer(layer, rank, steps)
    runs, variances = [], []
    for cls, values, given in zip((source_home, target_home), arrays, arguments):
        if cls is None or rank not in cls.ranks:
            runs.append(None)
        else:
            made = cls(rank, layer.shape[0], **given)
            single = {
                n: v.astype(np.float32) if v.dtype.kind == "f" or v.dtype.name == "bfloat16" else v
                for n, v in values.items()
            }
            runs.append(run(made, single, data))
        variances.append(getattr(cls, "variance", "two-pass"))
    return judge(source_home.form if source_home else "core", target_home.form, layer, rank, data, runs, variances)
