"""Implementations by name: the built-in ones, installed packages' (entry points), and `package.module:Name`."""

import importlib
import importlib.util
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from importlib.machinery import ModuleSpec, PathFinder

ENTRY_POINTS = "bnconform.backends"


class UnknownImplementation(Exception):
    """No implementation has that name; the text says what there is."""


class NotInstalled(Exception):
    """The implementation's framework is not installed; the text names it."""


@dataclass(frozen=True)
class Entry:
    """Where an implementation's class is, and what its process needs before anything is imported.

    target: "package.module:Class". needs: modules that must be installed. environment: variables to set.
    required: judged by a plain `bnconform run`.
    """

    name: str
    target: str
    needs: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    required: bool = True

    def missing(self) -> tuple[str, ...]:
        """The needed modules that are not installed (nothing is imported to find out)."""
        return tuple(name for name in self.needs if importlib.util.find_spec(name) is None)

    def load(self) -> type:
        """The backend's class, once its framework is there. Errors: NotInstalled, UnknownImplementation."""
        if self.missing():
            raise NotInstalled(f"{', '.join(self.missing())} is not installed")
        os.environ.update(self.environment)
        return resolve(self.target)


def spec_of(module: str) -> ModuleSpec | None:
    """Where a module lies, None where there is none. Nothing is imported to find out, the packages above it neither.

    The current folder is looked through last, as in a worker. A package that says only when imported where its modules
    lie is not seen through.
    """
    importlib.invalidate_caches()
    spec, path, name = None, None, ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        finders = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]
        spec = next(filter(None, (finder.find_spec(name, path) for finder in finders)), None)
        if spec is None and path is None:
            spec = PathFinder.find_spec(name, [os.getcwd()])
        if spec is None or (name != module and spec.submodule_search_locations is None):
            return None
        path = spec.submodule_search_locations
    return spec


def resolve(target: str) -> type:
    """The class that "package.module:Name" names."""
    module, _, name = target.partition(":")
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and module.split(".")[0] == error.name.split(".")[0]:
            raise UnknownImplementation(f"no module named {error.name!r} (for {target!r})") from None
        raise
    try:
        return getattr(loaded, name)
    except AttributeError:
        raise UnknownImplementation(f"module {module!r} has no {name!r} (for {target!r})") from None


def _builtin(
    name: str, module: str, cls: str, needs: tuple[str, ...] = (), engine: str | None = None, required: bool = True
) -> Entry:
    environment = {"KERAS_BACKEND": engine} if engine else {}
    return Entry(name, f"bnconform.backends.{module}:{cls}", needs, environment, required)


def _keras(engine: str, module: str) -> Entry:
    return _builtin(f"keras-{engine}", "keras_", "KerasLayer", ("keras", module), engine)


def _optional(name: str, module: str, cls: str, *needs: str) -> Entry:
    return _builtin(name, module, cls, needs, required=False)


BUILTIN = (
    _builtin("numpy", "numpy_", "NumpyReference"),
    _builtin("numpy-ddof0", "numpy_", "NumpyReferenceDdof0", required=False),
    _builtin("torch", "torch_", "TorchModule", ("torch",)),
    _builtin("torch-functional", "torch_", "TorchFunctional", ("torch",)),
    _keras("tensorflow", "tensorflow"),
    _keras("jax", "jax"),
    _keras("torch", "torch"),
    _builtin("flax-linen", "flax_linen", "LinenLayer", ("flax", "jax")),
    _builtin("flax-linen-two-pass", "flax_linen", "LinenTwoPass", ("flax", "jax")),
    _builtin("flax-nnx", "flax_nnx", "NnxLayer", ("flax", "jax")),
    _builtin("flax-nnx-two-pass", "flax_nnx", "NnxTwoPass", ("flax", "jax")),
    _optional("torch-channels-last", "torch_more", "TorchChannelsLast", "torch"),
    _optional("torch-autocast", "torch_more", "TorchAutocast", "torch"),
    _optional("torch-native", "torch_more", "TorchNative", "torch"),
    _optional("tensorflow-nn", "tensorflow_", "TensorFlowNn", "tensorflow"),
    _optional("tensorflow-fused", "tensorflow_", "TensorFlowFused", "tensorflow"),
)


def entries() -> dict[str, Entry]:
    """All named implementations: built in, then installed packages'."""
    found = {entry.name: entry for entry in BUILTIN}
    for point in metadata.entry_points(group=ENTRY_POINTS):
        if point.name not in found:
            found[point.name] = Entry(point.name, point.value, required=False)
    return found


def entry(name: str) -> Entry:
    """The implementation called `name`, or at "package.module:Class". Errors: UnknownImplementation."""
    if ":" in name:
        return Entry(name, name, required=False)
    known = entries()
    if name not in known:
        raise UnknownImplementation(
            f"no implementation {name!r}; there are {', '.join(known)}, and package.module:Class"
        )
    return known[name]
