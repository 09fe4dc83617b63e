"""The frameworks' own objects as `Values`, and back: a state_dict, a tree of variables, a State, layers of a model."""

from collections.abc import Mapping

import numpy as np

from bnconform.dtypes import dtype

from .core import MovingError
from .values import Values


def array(value) -> np.ndarray:
    """A copy of whatever the framework's array is, bfloat16 included."""
    if type(value).__module__.split(".")[0] == "torch":
        from bnconform.backends.torch_arrays import array as of_tensor

        return of_tensor(value)
    if type(value).__module__.startswith("paddle") and "BF16" in str(value.dtype).upper():
        return np.array(value.numpy()).view(dtype("bfloat16"))
    if type(value).__module__.startswith("mlx") and "bfloat16" in str(value.dtype):
        import mlx.core as mx

        return np.array(value.view(mx.uint16)).view(dtype("bfloat16"))
    if hasattr(value, "numpy") and not isinstance(value, np.ndarray):
        return np.array(value.numpy())
    return np.array(value)


def flat(tree, before="") -> dict:
    """A tree of dicts and lists as paths with "/"."""
    items = tree.items() if isinstance(tree, Mapping) else enumerate(tree)
    found = {}
    for key, value in items:
        path = f"{before}/{key}" if before else str(key)
        if isinstance(value, (Mapping, list, tuple)):
            found |= flat(value, path)
        elif value is not None:
            found[path] = array(value)
    return found


def nested(arrays, separator="/") -> dict:
    """Paths as a tree of dicts."""
    tree = {}
    for path, value in arrays.items():
        *folders, name = path.split(separator)
        node = tree
        for folder in folders:
            node = node.setdefault(folder, {})
        node[name] = value
    return tree


def from_torch(state_dict) -> Values:
    """A torch state_dict."""
    return Values("torch", {name: array(value) for name, value in state_dict.items() if hasattr(value, "dtype")})


def to_torch(values) -> dict:
    """Tensors by name."""
    from bnconform.backends.torch_arrays import tensor

    return {name: tensor(np.array(value)) for name, value in values.arrays.items()}


def from_torch_module(module) -> Values:
    """A `torch.nn.Module`: its state_dict, and what its BN layers were built with."""
    import torch

    values = from_torch(module.state_dict())
    for name, layer in module.named_modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            values.arguments[name] = {
                name: getattr(layer, name) for name in ("num_features", "eps", "momentum", "affine")
            }
    return values


def from_linen(variables) -> Values:
    """Flax linen's variables: {"params": ..., "batch_stats": ...}."""
    return Values("flax-linen", flat(variables))


def from_nnx(state) -> Values:
    """Flax nnx's State, or a module."""
    from flax import nnx

    state = state if isinstance(state, nnx.State) else nnx.state(state)
    return Values("flax-nnx", flat(nnx.to_pure_dict(state)))


def into_nnx(values, module) -> None:
    """Put the arrays into a module's own variables."""
    from flax import nnx

    state = nnx.to_pure_dict(nnx.state(module))
    for path, value in values.arrays.items():
        *folders, name = path.split("/")
        node = state
        for folder in folders:
            node = node[folder if folder in node else int(folder)]
        node[name] = value
    nnx.update(module, state)


def from_keras(model) -> Values:
    """A Keras layer or model: all its weights by `layer.path`, and the arguments of its BN layers."""
    import keras

    values = Values("keras", {})
    for layer in model._flatten_layers():
        own = [*layer._trainable_variables, *layer._non_trainable_variables]
        normal = isinstance(layer, keras.layers.BatchNormalization)
        for variable in layer.weights if normal else own:
            values.arrays[f"{layer.path}/{variable.name}"] = np.array(keras.ops.convert_to_numpy(variable.value))
        if normal:
            config = layer.get_config()
            values.arguments[layer.path] = {
                key: config[key] for key in ("axis", "momentum", "epsilon", "center", "scale")
            }
    return values


def into_keras(values, model) -> None:
    """Assign the arrays to a model's BN layers, and set their epsilon and momentum."""
    import keras

    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization) and layer.path in values.arguments:
            for variable in layer.weights:
                variable.assign(values.arrays[f"{layer.path}/{variable.name}"])
            layer.epsilon = values.arguments[layer.path]["epsilon"]
            layer.momentum = values.arguments[layer.path]["momentum"]


def from_equinox(model, state) -> Values:
    """Equinox' model and its State; `mode="batch"` has a counter, `mode="ema"` a plain average."""
    import equinox as eqx
    import jax

    values, leaf = Values("equinox", {}), lambda node: isinstance(node, eqx.nn.BatchNorm)
    for keys, node in jax.tree_util.tree_leaves_with_path(model, is_leaf=leaf):
        if not leaf(node):
            continue
        path = ".".join(str(getattr(k, "name", getattr(k, "idx", getattr(k, "key", "")))) for k in keys)
        batch = node.batch_state_index is not None
        mean, var = state.get(node.batch_state_index if batch else node.ema_state_index)
        found = {"weight": node.weight, "bias": node.bias, "mean": mean, "var": var}
        found |= {"counter": state.get(node.batch_counter)} if batch else {}
        values.arrays |= {".".join(filter(None, (path, k))): array(v) for k, v in found.items() if v is not None}
        values.arguments[path] = {
            "input_size": node.input_size,
            "eps": node.eps,
            "momentum": node.momentum,
            "mode": node.mode,
        }
    return values


def from_haiku(params, state) -> Values:
    """Haiku's parameters and state; its layer paths have "/" in them."""
    return Values("haiku", flat({"params": params, "state": state}))


def from_object(thing, form: str) -> Values:
    """Values of an object of the framework that `form` names; `Values` are themselves."""
    if isinstance(thing, Values):
        return thing
    modules = {"keras": from_keras, "flax-nnx": from_nnx, "flax-linen": from_linen}
    if form in modules:
        return modules[form](thing)
    if form == "torch" and hasattr(thing, "named_modules"):
        return from_torch_module(thing)
    if form == "onnx":
        from .graph import from_model

        return from_model(thing)
    if form in ("haiku", "equinox") and isinstance(thing, tuple) and len(thing) == 2:
        return {"haiku": from_haiku, "equinox": from_equinox}[form](*thing)
    if isinstance(thing, Mapping):
        return Values(form, {name: array(value) for name, value in thing.items() if hasattr(value, "shape")})
    raise MovingError(f"a {type(thing).__name__} is no {form} object that can be read")
