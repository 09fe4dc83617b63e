"""Mistakes that show in an attribute, or in where something fails: no value has to be predicted for them."""

from dataclasses import dataclass, field

import numpy as np

from .explanation import Explanation
from .precision import LARGEST
from .view import View

OWNERS = {  # clause of an error that is not raised -> the names of mistakes that make a layer blind to it
    "BN-2.4": ("EPS_", "FOLD_EPS"),
    "BN-3.1": ("DECAY_", "STATE_NOT_", "CUMULATIVE_", "FIRST_STEP"),
    "BN-1.1": ("WRONG_AXIS", "LAYOUT_"),
    "BN-6.1": ("MASK_",),
    "BN-6.4": ("RENORM_",),
    "BN-4.3": ("FOLD_", "ROOT_"),
    "BN-3.4": (
        "POPULATION_",
        "SPATIAL_NOT_SHARED",
        "NORMALIZER_DDOF",
        "STATS_NOT",
        "RUNNING_VAR_DDOF",
    ),
    "BN-1.5": ("STATE_NOT_LOADED", "PARAMETER_", "GAMMA_IGNORED", "BETA_IGNORED"),
}


def attributes(asked):
    """(explanations, questions whose values are still to be explained) for all that is no wrong value."""
    found = []
    for finder in (_memory, _dtypes, _shapes, _missing):
        found += finder(asked)
    left = []
    for question in asked:
        kinds = set(question.failed.values())
        if (
            question.case.raises is None
            and kinds
            and (question.values_failed or any(k.startswith("raised") for k in kinds))
        ):
            left.append(question)
    others = [q for q in asked if any(_other(q, kind) for kind in q.failed.values())]
    return found, left + [q for q in others if q not in left]


def _other(question, kind):
    """Kinds that nothing here explains: a died or hanging worker, an unreadable answer."""
    return question.case.raises is None and kind.split(":")[0] in ("died", "timed out")


def told(name, text, questions, outputs, detail=None) -> Explanation:
    return Explanation(name, text, detail or {}, tuple(sorted(outputs)), tuple(q.case.id for q in questions))


def _memory(asked):
    """What was lent was written to, or given back [BN-8.3]."""
    written, shared = {}, {}
    for question in asked:
        if "inputs" in question.failed:
            for change in question.observation.changed:
                place = shared if "shares memory" in change else written
                place.setdefault(change.split()[0].split(".")[-1], []).append(question)
    if written:
        tensors = ", ".join(sorted(written))
        questions = _unique(written)
        return [
            told(
                "INPUT_CHANGED",
                f"{tensors} that was lent is written to [BN-8.3]",
                questions,
                ("inputs",),
                {"tensors": sorted(written)},
            )
        ]
    if shared:
        tensors = ", ".join(sorted(shared))
        return [
            told(
                "OUTPUT_ALIASES",
                f"{tensors} shares memory with what was lent [BN-8.3]",
                _unique(shared),
                ("inputs",),
                {"outputs": sorted(shared)},
            )
        ]
    return []


def _unique(groups):
    seen = {id(q): q for questions in groups.values() for q in questions}
    return list(seen.values())


def _collect(asked, start):
    return [
        (q, [n for n, kind in q.failed.items() if kind.startswith(start)])
        for q in asked
        if any(k.startswith(start) for k in q.failed.values())
    ]


def _dtypes(asked):
    hit = _collect(asked, "dtype:")
    if not hit:
        return []
    types = {}
    for question, names in hit:
        for name in names:
            types.setdefault(name.split(".", 1)[-1], set()).add(
                f"{question.failed[name][6:]} for {question.wanted[name][0].dtype.name}"
            )
    words = "; ".join(f"{name} comes as {', '.join(sorted(kinds))}" for name, kinds in sorted(types.items()))
    return [
        told(
            "DTYPE_CHANGED",
            f"{words} [BN-8.2]",
            [q for q, _ in hit],
            types,
            {name: sorted(kinds) for name, kinds in types.items()},
        )
    ]


def _shapes(asked):
    hit = _collect(asked, "shape")
    if not hit:
        return []
    outputs = {name.split(".", 1)[-1] for _, names in hit for name in names}
    question, names = hit[0]
    got, want = question.observation.outputs[names[0]].shape, question.exact[names[0]].shape
    text = f"{', '.join(sorted(outputs))} has another shape than its own: {got}, expected {want} in {question.case.id} [BN-1.5]"
    return [told("OUTPUT_SHAPE", text, [q for q, _ in hit], outputs, {"got": list(got), "expected": list(want)})]


def _missing(asked):
    hit = _collect(asked, "missing") + _collect(asked, "garbage")
    if not hit:
        return []
    outputs = {name.split(".", 1)[-1] for _, names in hit for name in names}
    return [told("OUTPUT_MISSING", f"{', '.join(sorted(outputs))} is not given [BN-5.1]", [q for q, _ in hit], outputs)]


def silent_errors(asked, named):
    """Errors that were due and did not come [BN-8.1], but for those that a mistake already named makes invisible."""
    hit = [q for q in asked if q.case.raises and "silent" in q.failed.values()]
    left = [
        q
        for q in hit
        if not any(part.startswith(OWNERS.get(q.case.raises, ())) for e in named for part in e.name.split(" + "))
    ]
    if not left:
        return []
    what = ", ".join(q.case.says for q in left)
    return [
        told(
            "ERROR_NOT_RAISED",
            f"accepted without an error: {what} [BN-8.1]",
            left,
            ("error",),
            {"clauses": sorted({q.case.raises for q in left})},
        )
    ]


def without_consequences(found):
    """No OUTPUT_MISSING beside a mistake that it follows from: a mode that was not run, gamma in the place of beta."""
    names = {e.name for e in found} - {"OUTPUT_MISSING", "unexplained"}
    follows = {"batch_mean", "batch_var"} if names else set()
    if "GAMMA_BETA_SWAPPED" in names:
        follows |= {"dgamma", "dbeta"}
    return [e for e in found if not (e.name == "OUTPUT_MISSING" and set(e.outputs) <= follows)]


# --- where something fails -------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """A mistake that is told by where it shows: `holds(question)` says whether all that fails there lies in its
    place."""

    name: str
    text: str
    holds: object
    detail: dict = field(default_factory=dict)
    parts: tuple = ()
    complexity: tuple = (1, 9)

    def score(self, questions):
        return None


def places():
    yield Place(
        "DEGENERATE_RAISES",
        "a batch of one value a channel raises; it is in the domain [BN-7.3]",
        _raises(lambda q, m: m == 1),
        {"m": 1},
    )
    yield Place(
        "DEGENERATE_RAISES",
        "an empty batch raises; it is in the domain [BN-7.2]",
        _raises(lambda q, m: m == 0),
        {"m": 0},
    )
    yield Place(
        "DEGENERATE_RAISES",
        "a batch of one value a channel or none raises; it is in the domain [BN-7.2, BN-7.3]",
        _raises(lambda q, m: m <= 1),
        {"m": "0, 1"},
    )
    yield Place(
        "DEGENERATE_RAISES",
        "eps = 0 raises; it is in the domain [BN-2.4, BN-7.4]",
        _raises(lambda q, m: q.case.eps == 0),
        {"eps": 0},
    )
    yield Place(
        "DEGENERATE_RAISES",
        "decay = 0 raises; it is in the domain [BN-3.1]",
        _raises(lambda q, m: q.case.decay == 0),
        {"decay": 0},
    )
    yield Place(
        "DEGENERATE_OUTPUT",
        "the outputs of a constant channel are wrong, all others are right [BN-7.4]",
        _constant,
        {"channel": "constant"},
    )
    yield Place(
        "NONFINITE_HIDDEN", "NaN or infinity leaves no trace where one is due [BN-7.1, BN-7.4]", _odd(hidden=True)
    )
    yield Place(
        "NONFINITE_LEAKS", "NaN or infinity in x reaches values that it must not reach [BN-7.1]", _odd(hidden=False)
    )
    for m, words in ((1, "m = 1"), (0, "m = 0")):
        yield Place(
            "DEGENERATE_OUTPUT",
            f"the outputs of a step with {words} are wrong, all others are right [BN-7.2, BN-7.3]",
            _small(m),
            {"m": m},
        )


def _m(question, index):
    case = question.case
    shape = question.inputs[f"{index}.x"].shape
    return int(np.prod([n for axis, n in enumerate(shape) if axis not in case.channel_axes]))


def _raises(condition):
    def holds(question):
        failure = question.observation.failure
        if not question.raised:
            return False
        if failure.step is None or f"{failure.step}.x" not in question.inputs:  # it was not even built
            return condition(question, np.inf)
        return condition(question, _m(question, failure.step))

    return holds


def _wrong(question, name):
    """Elements of a failed output that are not within twice the allowance."""
    got, want, allowed = question.got[name], question.exact[name], question.allowed[name]
    with np.errstate(all="ignore"):
        stored = want.astype(question.wanted[name][0].dtype).astype(np.float64)
        same = (got == stored) | np.isnan(got) & np.isnan(want) | (np.abs(got - want) <= allowed)
    return ~same


def _overflows(question):
    """Whether sums of squares of this case leave the range of the arithmetic: infinity arises inside."""
    largest = LARGEST[question.conventions.compute[question.case.x_dtype]]
    return any(
        np.sum(np.asarray(a, np.float64) ** 2) > largest for name, a in question.inputs.items() if name.endswith(".x")
    )


def _enters(question):
    """Whether some x holds NaN or infinity."""
    steps = [np.asarray(a, np.float64) for name, a in question.inputs.items() if name.endswith(".x")]
    return not all(np.all(np.isfinite(x)) for x in steps)


def _odd(hidden):
    def holds(question):
        if not question.raised and _overflows(question):
            return True
        due = hidden and any(
            not np.all(np.isfinite(question.exact[name])) for name in question.failed if name in question.got
        )
        if question.raised or not (due or _enters(question)):
            return False
        odd = []
        for name in question.failed:
            if name not in question.got:
                return False
            wrong = _wrong(question, name)
            got, want = np.isfinite(question.got[name][wrong]), np.isfinite(question.exact[name][wrong])
            if np.any(~got & want if hidden else got & ~want):  # the opposite of what is claimed
                return False
            odd += list(~want if hidden else ~got)
        return not odd or any(odd)

    return holds


def _small(m):
    def holds(question):
        if question.raised or question.case.steps[0].mode in ("fold", "population"):
            return False
        steps = {int(name.split(".")[0]) for name in question.failed if name in question.got}
        state = any(name.split(".", 1)[-1].startswith("running") for name in question.failed)
        return bool(steps) and not state and all(_m(question, index) == m for index in steps)

    return holds


def _spreadless(flat, question):
    """Channels whose squared deviations are 0 in the type of the arithmetic."""
    spread = np.ptp(flat, axis=0).astype(question.conventions.compute[question.case.x_dtype])
    return spread * spread == 0


def _constant(question):
    """Everything wrong lies in channels without spread, and in none of the running statistics."""
    if question.raised or question.case.steps[0].mode in ("fold", "population"):
        return False
    for name in question.failed:
        index, _, output = name.partition(".")
        if name not in question.got or output.startswith("running"):
            return False
        x = question.inputs[f"{index}.x"]
        view = View(x.shape, question.case.channel_axes)
        flat = view.rows(x)
        constant = _spreadless(flat, question) if len(flat) else np.zeros(view.count, bool)
        wrong = _wrong(question, name)
        channels = view.rows(wrong).astype(bool).any(axis=0) if wrong.shape == x.shape else wrong.reshape(-1)
        if np.any(channels & ~constant):
            return False
    return True
