"""Moving a model between frameworks: what differs, what is translated, and the proof that it goes on the same.

The names of this package are loaded when they are asked for: none needs a framework before it is used.
"""

from importlib import import_module

_HOMES = {
    "BatchNorm": "core", "MovingError": "core", "FORMS": "forms", "Values": "values", "read": "files",
    "write": "files", "translate": "translation", "Translation": "translation",
}  # fmt: skip

__all__ = list(_HOMES)


def __getattr__(name):
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
