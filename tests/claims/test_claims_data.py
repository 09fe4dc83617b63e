"""Readers of image files, on small files made here: whole, truncated and hostile."""

import gzip
import os
import struct

import numpy as np
import pytest

pytest.importorskip("sklearn")

from bnconform.conformance.claims.data import load
from bnconform.conformance.claims.readers import DataError, read_idx


def idx(array):
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def images(n, seed=0, shape=(28, 28)):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, *shape), dtype=np.uint8), rng.integers(0, 10, n, dtype=np.uint8)


def write_mnist(folder, zipped):
    for part, n in (("train", 40), ("t10k", 12)):
        x, y = images(n, n)
        for name, array in ((f"{part}-images-idx3-ubyte", x), (f"{part}-labels-idx1-ubyte", y)):
            data = idx(array)
            (folder / (name + ".gz" * zipped)).write_bytes(gzip.compress(data) if zipped else data)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
def test_mnist_files_are_read(tmp_path, name, zipped):
    write_mnist(tmp_path, zipped)
    data = load(name, tmp_path)
    assert (
        data.train_x.shape == (30, 1, 28, 28)
        and data.valid_x.shape == (10, 1, 28, 28)
        and data.test_x.shape == (12, 1, 28, 28)
    )
    x, y = images(40, 40)
    assert np.array_equal(data.train_y, y[:30]) and np.array_equal(data.valid_y, y[30:])
    scaled = (x[:30].astype(float) - x[:30].mean()) / x[:30].std()
    np.testing.assert_allclose(data.train_x[:, 0], scaled, atol=1e-5)


@pytest.mark.parametrize("shape", [(30, 8, 8), (30, 8, 8, 1), (30, 3, 8, 8), (30, 8, 8, 3)], ids=str)
def test_npz_is_read_in_any_usual_layout(tmp_path, shape):
    x, y = images(30, 1, shape[1:])
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x[:5], y_test=y[:5])
    data = load("cifar10", tmp_path / "a.npz")
    channels = 3 if 3 in shape else 1
    assert data.train_x.shape == (23, channels, 8, 8)
    if shape == (30, 8, 8, 3):
        np.testing.assert_allclose(
            np.diff(data.train_x[0, :, 2, 3]), np.diff(x[0, 2, 3].astype(float)) / x[:23].std(), rtol=1e-4
        )


def test_digits_are_bundled_disjoint_and_standardized():
    data = load()
    assert (len(data.train_x), len(data.valid_x), len(data.test_x)) == (1000, 297, 500)
    assert data.shape == (1, 8, 8)
    assert abs(data.train_x.mean()) < 1e-5 and abs(data.train_x.std() - 1) < 1e-5
    rows = {part.tobytes() for part in data.train_x} & {part.tobytes() for part in data.test_x}
    assert not rows


BAD_IDX = {
    "empty": b"",
    "text": b"hello world",
    "float values": b"\0\0\x0d\x01" + struct.pack(">I", 1) + b"\0\0\0\0",
    "no axes": b"\0\0\x08\0",
    "cut in the header": b"\0\0\x08\x03\0\0",
    "cut in the values": idx(np.zeros((3, 4, 4), np.uint8))[:-1],
    "too long": idx(np.zeros((3, 4, 4), np.uint8)) + b"x",
    "4 EiB promised": b"\0\0\x08\x03" + struct.pack(">III", 2**31, 2**31, 1),
    "cut gzip": gzip.compress(idx(np.zeros((3, 40, 40), np.uint8)))[:-12],
    "broken gzip": b"\x1f\x8b" + b"\xff" * 40,
}


@pytest.mark.parametrize("content", BAD_IDX.values(), ids=BAD_IDX)
def test_bad_idx_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_idx(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_idx_gzip_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(idx(np.zeros((2, 2), np.uint8)) + b"\0" * 50_000_000))
    with pytest.raises(DataError, match="got more"):
        read_idx(path)


class Evil:
    def __reduce__(self):
        return os.system, ("echo owned > owned",)


def _npz(tmp_path, **change):
    x, y = images(30, 1, (8, 8))
    np.savez(tmp_path / "a.npz", **({"x_train": x, "y_train": y, "x_test": x, "y_test": y} | change))
    return tmp_path / "a.npz"


@pytest.mark.parametrize(
    "change, message",
    [
        ({"x_train": np.zeros((30, 8))}, "expected"),
        ({"x_train": np.full((30, 8, 8), np.nan)}, "not finite"),
        ({"x_train": np.zeros((30, 8, 8), np.uint8)}, "constant colour"),
        ({"y_train": np.zeros(29, int)}, "one an image"),
        ({"y_train": np.full(30, -1)}, "0 to 9"),
        ({"y_train": np.zeros(30)}, "integers"),
        ({"y_train": np.array([Evil] * 30, dtype=object)}, "cannot be read"),
    ],
    ids=["flat", "nan", "constant", "short", "negative", "float labels", "objects"],
)
def test_npz_of_wrong_content_is_refused(tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        load("mnist", _npz(tmp_path, **change))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip"], ids=["empty", "broken"])
def test_broken_npz_is_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as .npz"):
        load("mnist", tmp_path / "a.npz")


def test_npz_without_its_arrays_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", other=np.zeros(3))
    with pytest.raises(DataError, match="lacks x_train, y_train, x_test, y_test, has other"):
        load("mnist", tmp_path / "a.npz")


@pytest.mark.parametrize(
    "name, path, message",
    [
        ("imagenet", None, "unknown data set"),
        ("mnist", None, "say --data mnist=PATH"),
        ("mnist", "/nonexistent", "no such file"),
        ("mnist", ".", "has no train-images"),
        ("cifar10", None, "say --data cifar10=PATH with the .npz file"),
        ("cifar10", ".", "is a folder, expected the .npz file of cifar10"),
        ("digits", ".", "is a folder, expected the .npz file of digits"),
    ],
)
def test_missing_data_says_what_is_missing(tmp_path, monkeypatch, name, path, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=message):
        load(name, path)
