"""Real files of the frameworks: read, filled, and read again by the frameworks; nothing is executed on the way."""

import json
import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from click.testing import CliRunner

from bnconform.conformance.cli import main
from bnconform.conformance.moving import MovingError, Values, read, translate, write


def invoke(*arguments):
    return CliRunner().invoke(main, ["translate", *map(str, arguments)])


def python(code, *arguments):
    environment = os.environ | {"KERAS_BACKEND": "torch", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors", "checkpoint.pt"])
def test_torch_files_are_read(real, name):
    moved = translate(read(real("torch") / name), "torch", "core", arguments={"1": {"eps": 1e-4, "momentum": 0.03}})
    assert list(moved.layers) == ["1", "2"] and moved.layers["1"].count == 3
    assert moved.layers["1"].eps == 1e-4 and moved.layers["2"].eps == 1e-5
    assert any(note.kind == "unknown" and "3.weight" in note.text for note in moved.notes)


def test_torch_file_with_a_whole_module_is_refused_unexecuted(real):
    with pytest.raises(MovingError, match="cannot be read as .pt"):
        read(real("torch") / "whole.pt")


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize(
    "name", ["bomb.pt", "bomb.npz", "bomb.safetensors", "bomb.msgpack", "bomb.weights.h5", "bomb.keras"]
)
def test_no_pickle_is_executed(tmp_path, name, real):
    real("keras"), real("flax")  # a reader that is not installed proves nothing
    exploded = tmp_path / "exploded"
    (tmp_path / name).write_bytes(pickle.dumps(Bomb(exploded), protocol=2))
    with pytest.raises(MovingError):
        read(tmp_path / name)
    assert not exploded.exists()


def test_keras_archive_is_read_with_its_numbers(real):
    moved = translate(read(real("keras") / "model.keras"), "keras", "core")
    first, inside, bare = moved.layers.values()
    assert (first.eps, first.decay) == (1e-4, 0.9) and (inside.eps, inside.decay) == (1e-3, 0.99)
    assert bare.gamma is None and bare.beta is not None


LOADED = """
import sys, keras
show = lambda weight: print(*keras.ops.convert_to_numpy(weight).tolist())
model = keras.models.load_model(sys.argv[1])
first = model.get_layer("first")
print(first.epsilon, first.momentum)
show(first.moving_mean)
plain = keras.models.load_model(sys.argv[2])
plain.load_weights(sys.argv[3])
show(plain.layers[2].moving_variance)

import bnconform
from bnconform.conformance.moving.objects import from_keras, into_keras
moved = bnconform.translate(from_keras(plain), "keras", "keras", arguments={"epsilon": 0.25})
into_keras(moved.values, plain)
print(plain.layers[2].epsilon)
show(plain.layers[2].moving_variance)
"""


def test_filled_keras_files_load_in_keras(real, tmp_path):
    template = real("keras") / "model.keras"
    source = read(template)
    for array in source.arrays.values():
        array += 0.25
    moved = translate(source, "keras", "keras", into=read(template))
    for arguments in moved.arguments.values():
        arguments |= {"epsilon": 0.5, "momentum": 0.25}
    write(tmp_path / "filled.keras", moved.values, read(template))
    arrays = two_layers(tmp_path / "two.safetensors")
    into = ["--into", real("keras") / "plain.weights.h5", "--names", "order", "--set", "eps=1e-3"]
    done = invoke(tmp_path / "two.safetensors", tmp_path / "out.weights.h5", *into)
    assert done.exit_code == 0, done.output
    out = python(LOADED, tmp_path / "filled.keras", real("keras") / "plain.keras", tmp_path / "out.weights.h5")
    numbers, mean, var, eps, again = (np.float32(line.split()) for line in out.splitlines())
    assert numbers.tolist() == [0.5, 0.25]
    np.testing.assert_array_equal(mean, source.arrays["layers/batch_normalization/moving_mean"])
    np.testing.assert_array_equal(var, arrays["n1.running_var"])
    assert eps.tolist() == [0.25] and again.tolist() == var.tolist()


def two_layers(path):
    """A torch file of two BN layers, of five and of two channels."""
    rng, names = np.random.default_rng(0), ("weight", "bias", "running_mean", "running_var")
    sizes = enumerate((5, 2))
    arrays = {f"n{i}.{name}": rng.uniform(1, 2, size).astype("f") for i, size in sizes for name in names}
    write(path, Values("torch", arrays))
    return arrays


@pytest.mark.parametrize(
    "name, form, layer", [("linen.msgpack", "flax-linen", "bn1"), ("nnx.msgpack", "flax-nnx", "bn")]
)
def test_flax_files_are_read(real, name, form, layer):
    values = read(real("flax") / name)
    assert values.form == form and list(translate(values, form, "torch").layers) == [layer]


@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".npz", ".weights.h5", ".msgpack"])
def test_written_file_reads_back_bit_by_bit(tmp_path, suffix, real):
    real("keras"), real("flax")
    form = {".npz": "core", ".weights.h5": "keras", ".msgpack": "flax-linen"}.get(suffix, "torch")
    first = translate(read(real("torch") / "model.pt"), "torch", form)
    paths = write(tmp_path / f"out{suffix}", first.values)
    again = read(paths[0])
    assert {k: (a.dtype, a.tobytes()) for k, a in again.arrays.items()} == {
        k: (a.dtype, a.tobytes()) for k, a in first.arrays.items()
    }
    assert again.arguments == json.loads(json.dumps(first.arguments)) and len(paths) == 2


def test_failed_translation_leaves_nothing(real, tmp_path):
    done = invoke(real("torch") / "model.pt", tmp_path / "out.keras")
    assert done.exit_code == 2 and "--into" in done.output and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name, words",
    [
        ("none.pt", "no such file"),
        ("a.pdparams", "a pickle can run any program"),
        ("a.txt", "expected a file that ends in"),
    ],
)
def test_unreadable_source_is_refused(tmp_path, name, words):
    done = invoke(tmp_path / name, tmp_path / "out.npz")
    assert done.exit_code == 2 and words in done.output


def test_damaged_archive_is_refused(tmp_path, real):
    real("keras")
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(MovingError, match="expected model.weights.h5"):
        read(tmp_path / "a.keras")
