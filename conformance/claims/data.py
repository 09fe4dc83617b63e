"""Images for the claims: the bundled digits, or files the user points to.

All data sets come out in one form, :class:`Images`: float32 ``[n, channels, height, width]``, shifted and scaled by the
training images' own mean and standard deviation, in three disjoint parts. Nothing is downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .readers import DataError, read_cifar10, read_mnist, read_npz

DATASETS = ("digits", "mnist", "fashion-mnist", "cifar10")


@dataclass(frozen=True)
class Images:
    """Train, validation and test images ``[n, c, h, w]`` (float32) with labels ``[n]`` (int64, 0 to 9)."""

    name: str
    train_x: np.ndarray
    train_y: np.ndarray
    valid_x: np.ndarray
    valid_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return tuple(self.train_x.shape[1:])

    @property
    def inputs(self) -> int:
        """Values an image."""
        return int(np.prod(self.shape))


def load(name: str = "digits", path: str | Path | None = None, *, quick: bool = True) -> Images:
    """The named data set; ``path`` is a folder with its files or an ``.npz``, and not needed for the digits.

    At most 1,000 training, 297 validation and 500 test images are used in the quick setting (the digits have no more),
    10,000, 2,000 and 5,000 in the full one, so that it ends in time on two cores.

    Raises
    ------
    DataError
        The name is unknown, the files are not there, or they are not what they should be.
    """
    if name not in DATASETS:
        raise DataError(f"unknown data set {name!r}, expected one of {', '.join(DATASETS)}")
    if name == "digits" and path is None:
        x, y = _digits()
        return _assemble(name, x[:1297], y[:1297], x[1297:], y[1297:], (1000, 297, 500))
    if path is None:
        raise DataError(f"{name} is not bundled: say --data {name}=PATH with the folder or .npz file that holds it")
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.is_file():
        parts = read_npz(path)
    elif name == "cifar10":
        parts = read_cifar10(path)
    elif name == "digits":
        raise DataError(f"{path}: the digits are bundled; another copy is read from an .npz file only")
    else:
        parts = read_mnist(path)
    return _assemble(name, *parts, (1000, 297, 500) if quick else (10_000, 2_000, 5_000))


def _digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's 1,797 handwritten digits, 8x8 with values 0 to 16, in one fixed shuffled order."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    order = np.random.Generator(np.random.PCG64(1797)).permutation(len(bunch.target))  # writers come in blocks
    return bunch.images[order][:, None].astype(np.float32), bunch.target[order].astype(np.int64)


def _assemble(
    name: str, x: np.ndarray, y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray, sizes: tuple[int, int, int]
) -> Images:
    """Validation images are the last of the training files; too few images keep their proportions."""
    if len(x) < 10 or len(test_x) < 1:
        raise DataError(f"{name}: {len(x)} training and {len(test_x)} test images, expected at least 10 and 1")
    valid = min(sizes[1], max(1, len(x) // 4))
    train = min(sizes[0], len(x) - valid)
    train_x = x[:train].astype(np.float32)
    mean, scale = float(train_x.mean(dtype=np.float64)), float(train_x.std(dtype=np.float64))
    if not scale > 0:
        raise DataError(f"{name}: all training images are of one constant colour")

    def standard(part: np.ndarray) -> np.ndarray:
        return ((part.astype(np.float32) - mean) / scale).astype(np.float32)

    return Images(
        name,
        standard(train_x),
        y[:train],
        standard(x[len(x) - valid :]),
        y[len(x) - valid :],
        standard(test_x[: sizes[2]]),
        test_y[: sizes[2]],
    )
