"""Keras' files: `.weights.h5`, and `.keras`, a zip of config.json and model.weights.h5.

Keras numbers a layer's variables: gamma, beta, moving_mean, moving_variance, as many as there are. Which are there says
config.json; without one, four of one shape are a BN layer, and a group named after the class is one.
"""

import io
import json
import re
import zipfile

import h5py
import numpy as np

from bnconform.dtypes import dtype

from .core import MovingError
from .values import Values, natural

NAMES = ("gamma", "beta", "moving_mean", "moving_variance")
CLASS = re.compile(r"(^|/)batch_normalization(_\d+)?$")
ARGUMENTS = ("axis", "momentum", "epsilon", "center", "scale")
WEIGHTS, CONFIG = "model.weights.h5", "config.json"


def read_weights(path):
    """Arrays of a `.weights.h5` by layer path; variables of BN layers by name."""
    return _read(path.read_bytes(), {}, path.name)


def read_archive(path):
    """The same of a `.keras`, with the arguments of its BN layers from the configuration."""
    with zipfile.ZipFile(path) as archive:
        if not {WEIGHTS, CONFIG} <= set(archive.namelist()):
            raise MovingError(f"{path.name}: holds {archive.namelist()}, expected {WEIGHTS} and {CONFIG}")
        parts = {name: archive.read(name) for name in archive.namelist()}
    configured = dict(_configured(json.loads(parts[CONFIG])))
    values = _read(parts[WEIGHTS], configured, path.name)
    values.raw = parts
    return values


def _configured(node):
    """(layer name, arguments) of every BatchNormalization in a configuration, however deep."""
    if isinstance(node, dict):
        if node.get("class_name") == "BatchNormalization":
            config = node["config"]
            yield config["name"], {key: config[key] for key in ARGUMENTS}
        for inner in node.values():
            yield from _configured(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _configured(inner)


def _read(blob, configured, name):
    arrays, arguments, home = {}, {}, {}
    with h5py.File(io.BytesIO(blob)) as file:
        groups = []
        file.visititems(lambda at, node: groups.append(at) if at.split("/")[-1] == "vars" else None)
        order = list(configured)
        # HDF5 keeps names in order of the alphabet; the model's own is in the configuration, else in the numbers
        place = lambda group: order.index(n) if (n := file[group].attrs.get("name")) in order else len(order)
        for group in sorted(groups, key=lambda group: (place(group), natural(group))):
            layer, called = group.rpartition("/")[0], file[group].attrs.get("name")
            stored = {int(i): _array(file[group][i]) for i in file[group] if i.isdigit()}
            names = _names(layer, stored, configured.get(called))
            for index, array in sorted(stored.items()):
                path = f"{layer}/{names[index]}" if names else f"{group}/{index}"
                arrays[path], home[path] = array, f"{group}/{index}"
            if names and called in configured:
                arguments[layer] = configured[called]
    return Values("keras", arrays, arguments, home, {WEIGHTS: blob})


def _names(layer, stored, config):
    """Names of a BN layer's variables in order, or None for another layer."""
    shapes = {array.shape for array in stored.values()}
    if config is not None:
        there = (config["scale"], config["center"], True, True)
        names = [name for name, has in zip(NAMES, there) if has]
        if len(names) != len(stored):
            raise MovingError(f"{layer}: {len(stored)} variables, expected {', '.join(names)} as config.json says")
        return names
    if len(stored) == 4 and len(shapes) == 1 and len(next(iter(shapes))) == 1:
        return NAMES
    if CLASS.search(layer) and len(stored) == 2:
        return NAMES[2:]
    if CLASS.search(layer) and len(stored) == 3:
        raise MovingError(
            f"{layer}: 3 variables: gamma or beta is absent, and .weights.h5 does not say which; save .keras"
        )
    return None


def _array(dataset):
    """Keras keeps bfloat16 as two bytes with a word beside them."""
    array = np.array(dataset)
    return array.view(dtype("bfloat16")) if dataset.attrs.get("dtype") == "bfloat16" else array


def write_weights(values, template):
    """HDF5 bytes: the template's with the layers' arrays in their places; without one, the layers alone."""
    if template is not None:
        return _filled(template, values)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for layer in dict.fromkeys(path.rpartition("/")[0] for path in values.arrays):
            there = [name for name in NAMES if f"{layer}/{name}" in values.arrays]
            group = file.create_group(f"{layer}/vars")
            group.attrs["name"] = layer.split("/")[-1]
            for index, name in enumerate(there):
                _store(group, str(index), values.arrays[f"{layer}/{name}"])
    return buffer.getvalue()


def _filled(template, values):
    buffer = io.BytesIO(template.raw[WEIGHTS])
    with h5py.File(buffer, "r+") as file:
        for path, array in values.arrays.items():
            place = template.home[path]
            group, _, index = place.rpartition("/")
            del file[place]
            _store(file[group], index, array)
    return buffer.getvalue()


def _store(group, index, array):
    wide = array.dtype.name == "bfloat16"
    group.create_dataset(index, data=array.view("V2") if wide else array)
    if wide:
        group[index].attrs["dtype"] = "bfloat16"


def write_archive(values, template):
    """A `.keras` with the template's architecture; the layers' arrays, eps and momentum are put into it."""
    if template is None or CONFIG not in (template.raw or {}):
        raise MovingError("a .keras file holds an architecture: say --into with a .keras file of the model to fill")
    names = _called(template)
    config = json.loads(template.raw[CONFIG])
    changed = {names[layer]: arguments for layer, arguments in values.arguments.items() if layer in names}
    _configure(config, changed)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, blob in template.raw.items():
            new = {CONFIG: lambda: json.dumps(config).encode(), WEIGHTS: lambda: _filled(template, values)}
            archive.writestr(name, new[name]() if name in new else blob)
    return buffer.getvalue()


def _called(template):
    """Layer path -> the name it has in the configuration."""
    with h5py.File(io.BytesIO(template.raw[WEIGHTS])) as file:
        return {layer: file[f"{layer}/vars"].attrs["name"] for layer in template.arguments}


def _configure(node, changed):
    """eps and momentum of the layers by name, put in their places."""
    if isinstance(node, dict):
        if node.get("class_name") == "BatchNormalization" and node["config"]["name"] in changed:
            new = changed[node["config"]["name"]]
            node["config"] |= {key: new[key] for key in ("momentum", "epsilon")}
        for inner in node.values():
            _configure(inner, changed)
    elif isinstance(node, list):
        for inner in node:
            _configure(inner, changed)
