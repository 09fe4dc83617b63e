"""Every layer of a translation proved, on the frameworks that are installed."""

import os

from .convert import write_layer
from .core import MovingError
from .forms import FORMS
from .layers import HOMES
from .translation import HAIKU_STATE, Translation
from .values import Values
from .verdict import DEBIAS, prove_layer


def home_of(form: str):
    """The layer class of a form; for Keras on KERAS_BACKEND, else on the first backend that is installed.

    Errors: MovingError where its framework is not installed.
    """
    names = [form] if form in HOMES else []
    if form == "keras":
        chosen = os.environ.get("KERAS_BACKEND")
        names = [f"keras-{chosen}"] if chosen else [n for n in HOMES if n.startswith("keras-")]
    for name in names:
        if not HOMES[name].missing():
            return HOMES[name].load()
    missing = HOMES[names[0]].missing() if names else (form,)
    raise MovingError(
        f"--prove needs {', '.join(missing)}, which is not installed" if names else f"nothing runs {form} today"
    )


def own_arrays(form, arrays, layer: str) -> dict:
    """A layer's arrays by the names they have when the layer stands alone."""
    found = {form.path(f, ""): arrays[form.path(f, layer)] for f in form.paths if form.path(f, layer) in arrays}
    if form.name == "haiku":
        found |= {f"state{s}": arrays[f"state/{layer}{s}"] for s in HAIKU_STATE if f"state/{layer}{s}" in arrays}
    return found


def prove_files(values: Values, moved: Translation, there: Values | None, wanted: dict, ranks):
    """(layer's name, Proof) for every layer and rank. there: another converter's file, to prove in place of `moved`;
    wanted: the arguments its layers are built with, where the file does not say.

    Where the source's framework is not installed, the target alone is held to the definition. Errors: MovingError.
    """
    source, target = FORMS[values.form], FORMS[moved.values.form]
    homes = _source_home(source), home_of(target.name)
    out = []
    for path, goal in moved.names.items():
        layer = moved.layers[goal]
        if layer.debiased and not layer.settled and not target.zero_debiased:
            raise MovingError(f"{path}: cannot be proved: {DEBIAS}")
        arrays = own_arrays(source, values.arrays, path), own_arrays(target, (there or moved.values).arrays, goal)
        given = _built(source, layer) if homes[0] else {}, _built(target, layer, there, goal, wanted)
        for rank in ranks:
            if rank in homes[1].ranks:
                out.append((path or "the layer", prove_layer(*homes, layer, arrays, given, rank)))
    return out


def _source_home(form):
    try:
        return home_of(form.name)
    except MovingError:
        return None


def _built(form, layer, there=None, goal="", wanted=None):
    """Constructor arguments: those of the translation, or what another converter's file says, else the defaults."""
    arguments = write_layer(form, layer, "", [])[1]
    if there is None:
        return arguments
    said = dict(there.arguments.get(goal, {})) | wanted
    return {k: v for k, v in arguments.items() if k not in (form.eps, form.decay)} | {
        k: said[k] for k in (form.eps, form.decay) if k in said
    }
