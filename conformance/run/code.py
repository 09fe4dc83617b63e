"""Who was judged: the backend's own code as hashes of its module files, and what of the environment changes numbers."""

import hashlib
import os
import sys
import sysconfig
from pathlib import Path

from bnconform.backends.registry import spec_of

MOST = 1 << 26  # bytes of a file that is hashed
MODULES = 2000

# variables of the environment that frameworks and their libraries read, by the beginning of their names
NUMERIC = (
    "OMP_",
    "MKL_",
    "OPENBLAS_",
    "NVIDIA_TF32",
    "CUBLAS_",
    "CUDNN_",
    "TF_",
    "XLA_",
    "JAX_",
    "TORCH_",
    "KERAS_",
    "PYTORCH_",
)
QUIET = ("_LOG_LEVEL", "_CACHE", "_DIR", "_HOME")  # of these, what changes no number


def code_of(backend: type) -> dict[str, str]:
    """Module name -> SHA-256 of its file, of the modules that a backend consists of and that are loaded by now.

    They are: those that define its class and its bases, the other modules of its package, and what came from the
    current folder. A framework is told by its version.
    """
    own = {cls.__module__ for cls in backend.__mro__}
    package = backend.__module__.partition(".")[0]
    here, installed = os.getcwd() + os.sep, _installed()
    found = {}
    for name, module in list(sys.modules.items())[: 100 * MODULES]:
        path = getattr(module, "__file__", None)
        if not isinstance(path, str) or name == "__main__":
            continue
        local = path.startswith(here) and not path.startswith(installed)
        if name in own or name.partition(".")[0] == package or local:
            found[name] = _hash(path)
    return dict(sorted(found.items())[:MODULES])


def changed(code: dict[str, str]) -> list[str]:
    """Names of the modules whose files are no longer what they were; nothing is imported to find out."""
    found = {name: spec_of(name) for name in code}
    return [name for name, spec in found.items() if spec is None or _hash(spec.origin or "") != code[name]]


def environment() -> dict[str, str]:
    """Variables of the environment that may change numbers: part of a run's plan."""
    numeric = {k: v for k, v in os.environ.items() if k.startswith(NUMERIC) and not any(q in k for q in QUIET)}
    return dict(sorted(numeric.items()))


def _installed():
    """Where installed packages lie, also where that is below the current folder (a virtual environment)."""
    paths = sysconfig.get_paths()
    return tuple({paths[key] + os.sep for key in ("stdlib", "platstdlib", "purelib", "platlib")})


def _hash(path):
    """SHA-256 of a regular file of ordinary size; else a word that says there is none."""
    try:
        file = Path(path)
        if not file.is_file() or file.stat().st_size > MOST:
            return "no file"
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return "no file"
