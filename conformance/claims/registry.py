"""The claims by name, in the order of the page. A module is loaded when its claim is asked for."""

from importlib import import_module

from .record import Claim

MODULES = (
    "neuron_histogram",
    "sigmoid_mlp",
    "handwritten_layer",
    "keras_lines",
    "placement",
    "digitnn",
    "lenet",
    "redundant_bias",
    "conv_sharing",
    "inference_statistics",
    "batch_noise",
    "gamma_decay",
    "committee",
    "regularization_gap",
    "batch_size",
    "population_norm",
    "dropout",
    "variance_shift",
    "smoothness",
    "ablation",
)


def names() -> tuple[str, ...]:
    """All claims' names: the modules' with dashes.

    >>> names()[0]
    'neuron-histogram'
    """
    return tuple(module.replace("_", "-") for module in MODULES)


def load(name: str) -> Claim:
    """The claim of that name; KeyError where there is none."""
    if name not in names():
        raise KeyError(name)
    return import_module(f"{__package__}.{name.replace('-', '_')}").CLAIM
