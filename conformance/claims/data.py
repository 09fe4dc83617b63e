"""Images for the claims: the bundled digits, or files the user points to.

All data sets come out in one form, `Images`: float32 `[n, channels, height, width]`, shifted and scaled by the
training images' own mean and standard deviation, in three disjoint parts. Nothing is downloaded.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .readers import DataError, read_mnist, read_npz

DATASETS = ("digits", "mnist", "fashion-mnist", "cifar10")
IDX = ("mnist", "fashion-mnist")  # those that come as four IDX files
PATHS = {True: "the folder or .npz file", False: "the .npz file"}


@dataclass(frozen=True)
class Images:
    """Train, validation and test images `[n, c, h, w]` (float32) with labels `[n]` (int64, 0 to 9)."""

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
    """The named data set; `path` is an `.npz` file or a folder with the IDX files of MNIST or Fashion-MNIST, and not
    needed for the digits.

    At most 1,000 training, 297 validation and 500 test images are used in the quick setting (the digits have no more),
    10,000, 2,000 and 5,000 in the full one, so that it ends in time on two cores.
    Errors: DataError where the name is unknown, the files are not there, or they are not what they should be.
    """
    if name not in DATASETS:
        raise DataError(f"unknown data set {name!r}, expected one of {', '.join(DATASETS)}")
    if name == "digits" and path is None:
        x, y = _digits()
        return _assemble(name, x[:1297], y[:1297], x[1297:], y[1297:], (1000, 297, 500))
    if path is None:
        raise DataError(f"{name} is not bundled: say --data {name}=PATH with {PATHS[name in IDX]} that holds it")
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.is_dir() and name not in IDX:
        raise DataError(f"{path}: is a folder, expected {PATHS[False]} of {name} (x_train, y_train, x_test, y_test)")
    parts = read_npz(path) if path.is_file() else read_mnist(path)
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
