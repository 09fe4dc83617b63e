"""All BN layers of a model, from one framework's convention to another's, and a report in which nothing is missing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .convert import read_layer, with_numbers, write_layer
from .core import BatchNorm, MovingError, checked
from .forms import Form, form_of
from .objects import from_object
from .values import Values

HAIKU_STATE = tuple(f"/~/{which}_ema/{name}" for which in ("mean", "var") for name in ("hidden", "counter", "average"))
CHANNELS = {
    "torch": "axis 1",
    "onnx": "axis 1",
    "tinygrad": "axis 1",
    "equinox": "axis 1",
    "caffe": "axis 1",
    "lasagne": "axis 1",
}


@dataclass(frozen=True)
class Note:
    """A line of the report. layer: path at the source. kind: one word. text: what happened, and why."""

    layer: str
    kind: str
    text: str

    def __str__(self):
        return f"{self.kind}: {self.layer + ': ' if self.layer else ''}{self.text}"


@dataclass
class Translation:
    """values: what to write. layers: target path -> the layer in the core's words. names: source path -> target path.
    notes: the report, line by line."""

    values: Values
    layers: dict[str, BatchNorm]
    names: dict[str, str]
    notes: list[Note] = field(default_factory=list)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        return self.values.arrays

    @property
    def arguments(self) -> Mapping:
        return self.values.arguments

    def report(self) -> str:
        """One line a note; equal notes of several layers are one line."""
        folded = {}
        for note in self.notes:
            folded.setdefault((note.kind, note.text), []).append(note.layer)
        line = lambda kind, text, layers: str(Note(_list(layers), kind, text))
        return "\n".join(line(kind, text, layers) for (kind, text), layers in folded.items())


def _list(names):
    names = [name for name in names if name]
    return ", ".join(names) if len(names) < 4 else f"{len(names)} layers"


def layers_of(values: Values) -> list[str]:
    """Paths of all BN layers. Errors: MovingError for a layer that has one statistic only, or a name nobody knows."""
    form = form_of(values.form)
    found = {}
    for path in values.arrays:
        for name in ("running_mean", "running_var"):
            layer = form.layer_of(name, path)
            if layer is not None:
                found.setdefault(layer, set()).add(name)
    for layer in found:
        _known_names(form, layer, values)
    return list(found)


def _known_names(form: Form, layer, values):
    """Every array below a layer is one that the form knows."""
    own = {form.path(name, layer) for name in form.paths}
    prefixes = {path[: path.index(layer) + len(layer)] + form.separator for path in own} if layer else {""}
    for path in values.arrays:
        start = next((p for p in prefixes if path.startswith(p)), None)
        if start is None or path in own or form.name == "haiku" and path.endswith(HAIKU_STATE):
            continue
        if layer or form.separator not in path:
            raise MovingError(f"{layer or form.name}: unknown name {path!r}, expected {', '.join(sorted(own))}")


def translate(
    thing, source: str, target: str, *, arguments=None, names=None, into=None, corrected=None, eps=None, decay=...,
    axis=None, rank: int = 4,
) -> Translation:  # fmt: skip
    """Translate the BN layers of `thing` from the form `source` to the form `target`.

    thing: the framework's own object (state_dict or module, layer or model, variables, State, ModelProto,
    (params, state)), a mapping of arrays, or `Values` of a file. arguments: what the source's layers were built with,
    in its own words: {"eps": 1e-3} for all, or {path: {...}} for some. names: {source path: target path}, or "order"
    to pair layers as they come; without it paths stay, with the target's separator. into: `Values` or object of the
    target to fill, whose other arrays stay. corrected: m, to change running_var to the target's estimator by m/(m-1).
    eps, decay: other numbers for the target (decay: weight of the OLD state). axis: channel axis for the target's
    arguments. rank: of x, for Haiku.

    Errors: MovingError; nothing is changed then. Nothing is lost in silence: see `Translation.report`.

    >>> import numpy as np
    >>> torch = {"bn.weight": np.ones(2, "f"), "bn.bias": np.zeros(2, "f"), "bn.running_mean": np.zeros(2, "f"),
    ...          "bn.running_var": np.ones(2, "f"), "bn.num_batches_tracked": np.array(7)}
    >>> moved = translate(torch, "torch", "keras", arguments={"eps": 1e-5, "momentum": 0.1})
    >>> list(moved.arrays), moved.arguments["bn"]["momentum"]
    (['bn/gamma', 'bn/beta', 'bn/moving_mean', 'bn/moving_variance'], 0.9)
    """
    values, forms = from_object(thing, source), (form_of(source), form_of(target))
    template = None if into is None else from_object(into, target)
    found = layers_of(values)
    if not found:
        raise MovingError(f"no BN layer in {source} values with names {', '.join(list(values.arrays)[:4]) or 'none'}")
    pairs, notes = _paired(found, forms, names, template)
    out, layers, taken = Values(target, {}), {}, set()
    for path, goal in pairs.items():
        said = []
        layer = read_layer(forms[0], values.arrays, path, _arguments(values, arguments, path, forms[0]), said)
        taken |= {forms[0].path(name, path) for name in forms[0].paths}
        layer = with_numbers(layer, eps=eps, decay=decay, notes=said)
        layer = _corrected(layer, corrected, forms[1], said)
        arrays, given = write_layer(forms[1], layer, goal, said, axis=axis, rank=rank)
        layers[goal] = checked(layer, path)
        out.arrays |= arrays if template is None else _like(template, arrays, path, said)
        out.arguments[goal] = given
        notes += [
            Note(path, *words) for words in [("matched", f"{path or 'the layer'} -> {goal or 'the layer'}"), *said]
        ]
    return Translation(out, layers, pairs, notes + _left(values, forms, pairs, taken, template))


def _paired(found, forms, names, template):
    """Source path -> target path, and notes on what has no partner."""
    goals = None if template is None else layers_of(template)
    if names == "order":
        if goals is None or len(goals) != len(found):
            have = "no target to fill" if goals is None else f"{len(goals)} in the target"
            raise MovingError(f"names='order' needs as many layers on both sides: {len(found)} in the source, {have}")
        return dict(zip(found, goals)), []
    for name in names or {}:
        if name not in found:
            raise MovingError(f"no BN layer {name!r} in the source, expected one of {', '.join(found)}")
    pairs, notes = {}, []
    for path in found:
        goal = (names or {}).get(path, path.replace(forms[0].separator, forms[1].separator))
        if goals is not None and goal not in goals:
            notes.append(Note(path, "unmatched", f"the target has no layer {goal!r}: not translated"))
        else:
            pairs[path] = goal
    if not pairs:
        raise MovingError(f"no layer has a partner: source {', '.join(found)}; target {', '.join(goals)}: say names")
    if len(set(pairs.values())) < len(pairs):
        raise MovingError(f"two layers go to one: {', '.join(f'{a} -> {b}' for a, b in pairs.items())}")
    return pairs, notes


def _arguments(values, given, path, form):
    """Arguments of a layer: those of the file, then what the user says."""
    found, given = dict(values.arguments.get(path, {})), given or {}
    mine = given.get(path, {}) if any(isinstance(v, Mapping) for v in given.values()) else given
    for name in mine:
        if name not in (form.eps, form.decay):
            raise MovingError(f"argument {name!r} of {form.name}, expected {form.eps} or {form.decay}")
    return found | dict(mine)


def _corrected(layer, m, form, said):
    if m is None:
        return layer
    said.append(
        (
            "changed",
            f"running_var times {'m/(m-1)' if form.running_ddof else '(m-1)/m'} with m = {m}, as asked [BN-3.3]",
        )
    )
    return layer.corrected(m, form.running_ddof)


def _like(template, arrays, path, said):
    """The arrays in the template's types. Errors: a name or shape that the template has not."""
    out = {}
    for name, array in arrays.items():
        if name not in template.arrays:
            if name.endswith(("num_batches_tracked", "counter", "count")):
                said.append(("dropped", f"{name}: the target has none"))
                continue
            raise MovingError(f"{path}: the target has no {name}: was it built without that parameter?")
        place = template.arrays[name]
        if place.shape != array.shape:
            raise MovingError(
                f"{path}: {name} has shape {array.shape}, expected {place.shape} as the target has [BN-1.5]"
            )
        out[name] = array.astype(place.dtype)
        if place.dtype != array.dtype:
            exact = "exactly" if (out[name].astype(np.float64) == array.astype(np.float64)).all() else "rounded"
            said.append(("converted", f"{name} from {array.dtype} to {place.dtype}, {exact}"))
    missing = [name for name in template.arrays if name.rpartition("/")[0] == path and name not in out]
    if missing:
        said.append(("kept", f"{', '.join(missing)} as the target had them: the source has none"))
    return out


def _left(values, forms, pairs, taken, template):
    """Notes on every array that was not translated, on layers of the target not filled, and on the channel axis."""
    notes = []
    others = [path for path in values.arrays if path not in taken and not path.endswith(HAIKU_STATE)]
    flat = [p for p in others if values.arrays[p].ndim == 1]
    if others:
        words = f"{len(others)} arrays of other layers ({', '.join(others[:3])}{', …' if len(others) > 3 else ''})"
        notes.append(Note("", "left", f"{words}: not batch normalization, not in the output"))
    lone = [p for p in flat if p.endswith("weight") and values.form == "torch"]
    if lone:
        words = "one axis and no statistics: LayerNorm, or BatchNorm with track_running_stats=False"
        notes.append(Note("", "unknown", f"{', '.join(lone[:3])}: {words}; a state_dict does not say which"))
    if template is not None:
        empty = [goal for goal in layers_of(template) if goal not in pairs.values()]
        notes += [Note("", "unfilled", f"{goal} of the target: no layer of the source goes there") for goal in empty]
    sides = [CHANNELS.get(form.name, "the last axis") for form in forms]
    if sides[0] != sides[1] and "core" not in (forms[0].name, forms[1].name):
        words = f"{forms[0].name} has its channels on {sides[0]}, {forms[1].name} by default on {sides[1]}"
        notes.append(Note("", "layout", f"{words}: transpose x, or say the axis"))
    return notes
