"""What a file or an object of a framework holds, by path, and what its layers were built with."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Values:
    """form: name of the framework's form. arrays: path -> array, in the file's order, all of them.

    arguments: layer path -> constructor arguments in the framework's words, as far as the file has them.
    home: path -> where the array lies in the file, where that is another name. raw: what a writer needs of a template.
    """

    form: str
    arrays: dict[str, np.ndarray]
    arguments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    home: Mapping[str, str] = field(default_factory=dict)
    raw: Any = None


def natural(path: str) -> list:
    """A key that puts layer_2 before layer_10, for files that do not keep the order of a model."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path)]
