"""Which axes may keep the statistics, and what types go in and come out [BN-1.1, BN-8.2]."""

from .finding import Finding, against
from .probe import CLOSE, RIGHT, distance, probe, step

PLACES = [
    ("first", (5, 4), 1), ("last", (5, 4), 1), ("first", (5, 4, 3), 1), ("last", (5, 3, 4), 2),
    ("first", (3, 4, 3, 2), 1), ("last", (3, 3, 2, 4), 3), ("middle", (3, 3, 4, 2), 2), ("batch", (4, 6), 0),
    ("several", (6, 3, 4), (1, 2)),
]  # fmt: skip


def layouts(box, conventions):
    """Channel axes that work, by place."""
    works, refused = {}, {}
    for place, shape, axes in PLACES:
        asked = probe(f"axis-{place}-{len(shape)}", shape=shape, axes=axes, steps=[step(dy=None)])
        error = distance(box, asked, RIGHT, ["0.y"])
        (works if error <= CLOSE else refused).setdefault(place, []).append((len(shape), error))
    right = {place for place in works if place not in refused}
    words = _words(right)
    shown = "right: " + ", ".join(f"{p} (rank {'/'.join(str(r) for r, _ in works[p])})" for p in works)
    if refused:
        shown += "; refused or wrong: " + ", ".join(
            f"{p} (rank {'/'.join(str(r) for r, _ in refused[p])})" for p in refused
        )
    yield against("channel axis", words, shown, conventions.channel_axes)


def _words(right):
    """The word of the contract for the places that work; in rank 2 axis 1 is both first and last."""
    if {"first", "last", "middle", "several"} <= right:
        return "any"
    if {"first", "last", "middle"} <= right:
        return "one"
    if "first" in right and "last" not in right:
        return "first"
    if "last" in right and "first" not in right:
        return "last"
    return " and ".join(sorted(right)) or "none"


def types(box, conventions):
    """Types of x that work, and the type of y beside wider parameters."""
    good = []
    for kind in ("float64", "float32", "float16", "bfloat16"):
        asked = probe(f"type-{kind}", x=kind, shape=(5, 4), steps=[step(dy=None)])
        y = box.ask(asked).outputs.get("0.y")
        if y is not None and y.dtype.name == kind and distance(box, asked, RIGHT, ["0.y"]) < 0.05:
            good.append(kind)
    declared = [kind for kind in ("float64", "float32", "float16", "bfloat16") if kind in conventions.dtypes]
    yield against("types", ", ".join(good), "y of that type within 5 %", ", ".join(declared))
    asked = probe("mixed", x="float16", params="float32", shape=(5, 4), steps=[step(dy=None)])
    seen = box.ask(asked).outputs
    if "0.y" not in seen:
        yield Finding("y beside wider parameters", "refused", str(box.ask(asked).failure)[:120])
        return
    kind, state = seen["0.y"].dtype.name, seen["0.running_var"].dtype.name
    found = {"float16": "x", "float32": "promoted"}.get(kind, kind)
    yield against(
        "type of y beside wider parameters", found, f"float16 x, float32 gamma: y is {kind}", conventions.y_dtype
    )
    value = seen["0.running_mean"]
    exact = (value.astype("float16").astype(value.dtype) == value).all()
    words = "float16" if exact and state == "float32" else state
    yield against(
        "state type",
        words,
        f"float16 x, float32 state: {state}" + (", every value a float16" if exact else ", values beyond float16"),
        "float32",
        "the state's own",
    )
