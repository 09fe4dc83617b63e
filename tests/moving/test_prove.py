"""Proof: right translations hold after training, and known wrong converters are caught and named."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from bnconform.conformance.cli import main
from bnconform.conformance.moving import FORMS, Values, translate, write
from bnconform.conformance.moving.convert import write_layer
from bnconform.conformance.moving.core import BatchNorm
from bnconform.conformance.moving.layers import HOMES
from bnconform.conformance.moving.verdict import prove_layer
from bnconform.conformance.moving.wrong import MISTAKES


def layer(**words):
    given = dict(
        gamma=np.array([1.2, 0.7, -0.5], "f"), beta=np.array([0.1, -0.3, 2.0], "f"),
        running_mean=np.array([0.5, 1.0, 3.0], "f"), running_var=np.array([0.4, 2.0, 5.0], "f"),
        eps=2e-2, decay=0.93, count=9,
    )  # fmt: skip
    return BatchNorm(**{**given, **words})


def proof(right, handed, source="core", target="core", rank=3):
    """`handed` is what the target was given, `right` what the source is."""
    homes = [HOMES[name] for name in (source, target)]
    if any(home.missing() for home in homes):
        pytest.skip(f"{homes[1].missing() or homes[0].missing()} is not installed")
    classes = [home.load() for home in homes]
    made = [write_layer(FORMS[cls.form], given, "", []) for cls, given in zip(classes, (right, handed))]
    return prove_layer(*classes, right, *zip(*made), rank)


@pytest.mark.parametrize("rank", [2, 3, 4, 5])
@pytest.mark.parametrize("target", ["core", "torch", "flax-linen"])
def test_right_translation_holds_after_training(target, rank):
    found = proof(layer(), layer(), target=target, rank=rank)
    assert found.holds and found.steps == 50, found
    assert (found.gap > 0) == (target == "flax-linen")


@pytest.mark.parametrize("name", MISTAKES)
def test_wrong_converter_is_caught_and_named(name):
    right = layer(decay=None) if name == "counter dropped" else layer()
    handed = MISTAKES[name](right, FORMS["keras"], FORMS["core"])
    found = proof(right, handed)
    assert not found.holds and name in found.wrong, found.says


def test_unknown_mistake_is_not_named():
    found = proof(layer(), layer(running_var=layer().running_var * np.float32(1.01)))
    assert not found.holds and found.wrong == () and "no known mistake" in found.says


def test_smallest_change_is_noticed():
    """One part in a hundred thousand of eps, of the weight of the old state and of the variance."""
    right = layer()
    for handed in (
        replace(right, eps=right.eps * (1 + 1e-3)),
        replace(right, decay=right.decay * (1 + 1e-5)),
        replace(right, running_var=right.running_var * np.float32(1 + 1e-5)),
    ):
        assert not proof(right, handed).holds


def invoke(*arguments):
    return CliRunner().invoke(main, ["translate", *map(str, arguments)])


def source_file(folder):
    arrays, arguments = write_layer(FORMS["torch"], layer(), "bn", [])
    write(folder / "a.safetensors", Values("torch", arrays, {"bn": arguments}))
    return folder / "a.safetensors"


needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")


@needs_torch
def test_command_proves_and_writes(tmp_path):
    done = invoke(source_file(tmp_path), tmp_path / "b.npz", "--prove", "--rank", 2, "--json", tmp_path / "proof.json")
    assert done.exit_code == 0 and "proved: bn, rank 2, 50 steps" in done.output, done.output
    assert (tmp_path / "b.npz").is_file() and '"holds"' not in (tmp_path / "proof.json").read_text()


@pytest.mark.parametrize(
    "name",
    [
        "momentum handed over raw",
        "eps and momentum swapped",
        "counter dropped",
        "variance taken for standard deviation",
    ],
)
@needs_torch
def test_check_names_what_another_converter_did(tmp_path, name):
    source = source_file(tmp_path)
    handed = MISTAKES[name](layer(), FORMS["torch"], FORMS["core"])
    arrays, arguments = write_layer(FORMS["core"], handed, "bn", [])
    write(tmp_path / "b.npz", Values("core", arrays, {"bn": arguments}))
    done = invoke(source, tmp_path / "b.npz", "--check", "--rank", 2)
    assert done.exit_code == 1 and name in done.output, done.output


@needs_torch
def test_failed_proof_writes_nothing(tmp_path, monkeypatch):
    from bnconform.conformance.moving import cli

    def wrongly(values, source, target, **words):
        moved = translate(values, source, target, **words)
        for arguments in moved.arguments.values():
            arguments["decay"] = 0.07
        return moved

    monkeypatch.setattr(cli, "translate", wrongly)
    monkeypatch.setattr(
        "bnconform.conformance.moving.proving._built",
        lambda form, layer, *rest: {"eps": layer.eps, ("momentum" if form.name == "torch" else "decay"): 0.07},
    )
    done = invoke(source_file(tmp_path), tmp_path / "b.npz", "--prove", "--rank", 2)
    assert done.exit_code == 1 and not (tmp_path / "b.npz").exists(), done.output
