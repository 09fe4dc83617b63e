"""Readers of image files that may be truncated or hostile.

They read IDX, gzip or not, and `.npz`. No object of a file's choosing is ever built: IDX is parsed by hand, `.npz` is
read with `allow_pickle=False`. Sizes are checked against the header before memory is taken.
"""

import gzip
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

from ..text import line

MAX_BYTES = 1 << 30  # the largest of these data sets holds 180 MB

Parts = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


class DataError(ValueError):
    """A data file is missing, truncated, or not what its name says. The message is one line."""


def read_idx(path: str | Path) -> np.ndarray:
    """An IDX file of unsigned bytes, gzip or not, as a uint8 array of the header's shape.

    Format: two zero bytes, the type (0x08), the number of axes, each axis as a big-endian uint32, then the values.
    Errors: DataError where it is not an IDX file of unsigned bytes, or shorter or longer than its header says.
    """
    path = Path(path)
    try:
        with open(path, "rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
        with (gzip.open if zipped else open)(path, "rb") as stream:
            head = stream.read(4)
            if len(head) < 4 or head[:3] != b"\0\0\x08" or not 1 <= head[3] <= 4:
                raise DataError(f"{path}: not an IDX file of unsigned bytes (starts with {head.hex() or 'nothing'})")
            axes = stream.read(4 * head[3])
            if len(axes) < 4 * head[3]:
                raise DataError(f"{path}: truncated inside its header")
            shape = struct.unpack(f">{head[3]}I", axes)
            count = 1
            for size in shape:
                count *= size
            if count > MAX_BYTES:
                raise DataError(f"{path}: its header asks for {count} bytes, at most {MAX_BYTES} are read")
            body = stream.read(count + 1)  # one more than allowed: enough to see a file that is too long
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    if len(body) != count:
        got = "more" if len(body) > count else str(len(body))
        raise DataError(f"{path}: header says {'x'.join(map(str, shape))} = {count} bytes, got {got}")
    return np.frombuffer(body, dtype=np.uint8).reshape(shape)


def read_mnist(folder: str | Path) -> Parts:
    """MNIST or Fashion-MNIST from the four IDX files, with their usual names, in `folder`."""
    parts = []
    for part in ("train", "t10k"):
        x = read_idx(_one_of(folder, f"{part}-images-idx3-ubyte", f"{part}-images.idx3-ubyte"))
        y = read_idx(_one_of(folder, f"{part}-labels-idx1-ubyte", f"{part}-labels.idx1-ubyte"))
        parts += _checked(folder, x, y)
    return tuple(parts)


def read_npz(path: str | Path) -> Parts:
    """Images from an `.npz` with x_train, y_train, x_test, y_test (the names Keras gives them), values 0 to 255."""
    path, names = Path(path), ("x_train", "y_train", "x_test", "y_test")
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(member.file_size for member in archive.infolist())
        if total > MAX_BYTES:
            raise DataError(f"{path}: unpacks to {total} bytes, at most {MAX_BYTES} are read")
        with np.load(path, allow_pickle=False) as arrays:
            missing = [name for name in names if name not in arrays]
            if missing:
                raise DataError(f"{path}: lacks {', '.join(missing)}, has {', '.join(arrays) or 'nothing'}")
            x, y, test_x, test_y = (arrays[name] for name in names)
    except DataError:
        raise
    # NumPy raises whatever its header parser meets in a hostile file, so the net is wide here and nowhere else.
    except Exception as error:
        raise DataError(f"{path}: cannot be read as .npz ({type(error).__name__}: {line(error, 200)})") from None
    return *_checked(path, x, y), *_checked(path, test_x, test_y)


def _checked(where: object, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images as `[n, c, h, w]` with labels of the same number, or a DataError."""
    if x.ndim == 3:
        x = x[:, None]
    elif x.ndim == 4 and x.shape[1] not in (1, 3) and x.shape[3] in (1, 3):
        x = np.moveaxis(x, 3, 1)
    if x.ndim != 4 or x.shape[1] not in (1, 3) or x.dtype.kind not in "uif":
        raise DataError(f"{where}: images are {x.dtype}{list(x.shape)}, expected [n,h,w], [n,h,w,c] or [n,c,h,w]")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise DataError(f"{where}: images hold values that are not finite")
    if y.ndim == 2 and y.shape[1] == 1:  # CIFAR-10 as Keras saves it
        y = y[:, 0]
    if y.ndim != 1 or y.dtype.kind not in "ui" or len(y) != len(x):
        raise DataError(f"{where}: labels are {y.dtype}{list(y.shape)}, expected integers[{len(x)}], one an image")
    if len(y) and not (int(y.min()) >= 0 and int(y.max()) <= 9):
        raise DataError(f"{where}: labels run from {y.min()} to {y.max()}, expected 0 to 9")
    return x, y.astype(np.int64)


def _one_of(folder: str | Path, *names: str) -> Path:
    for name in names:
        for candidate in (Path(folder) / name, Path(folder) / f"{name}.gz"):
            if candidate.is_file():
                return candidate
    raise DataError(f"{folder}: has no {names[0]} (nor {names[0]}.gz)")
