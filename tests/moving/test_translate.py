"""Translation: every convention to every other and back, what the report says, and what is refused."""

import doctest
import importlib
import json

import numpy as np
import pytest

import bnconform
from bnconform.conformance.moving import FORMS, MovingError, translate
from bnconform.conformance.moving.convert import write_layer
from bnconform.conformance.moving.core import BatchNorm, complement
from bnconform.conformance.moving.values import Values
from bnconform.dtypes import dtype

WRITTEN = [name for name, form in FORMS.items() if not form.reads_only]
FIELDS = ("gamma", "beta", "running_mean", "running_var")


def layer(kind="float32", **words):
    rng = np.random.default_rng(3)
    given = {name: rng.normal(size=3).astype(dtype(kind)) for name in ("gamma", "beta", "running_mean")}
    given["running_var"] = rng.uniform(0.1, 4, 3).astype(dtype(kind))
    return BatchNorm(**{**given, "eps": 2e-3, "decay": 0.93, "count": 7, **words})


def values(form, path="block/bn", **words):
    path = path.replace("/", FORMS[form].separator)
    arrays, arguments = write_layer(FORMS[form], layer(**words), path, [])
    return Values(form, arrays, {path: arguments})


@pytest.mark.parametrize("kind", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("target", WRITTEN)
@pytest.mark.parametrize("source", WRITTEN)
def test_round_trip_is_exact_to_the_bit(source, target, kind):
    first = values(source, kind=kind)
    there = translate(first, source, target)
    back = translate(there.values, target, source)
    for name in FIELDS:
        path = FORMS[source].path(name, next(iter(back.layers)))
        assert back.arrays[path].tobytes() == first.arrays[path].tobytes()
        assert back.arrays[path].dtype == first.arrays[path].dtype
    (got,), (want,) = back.arguments.values(), first.arguments.values()
    assert {k: got[k] for k in want} == want


@pytest.mark.parametrize("number", [0.1, 0.9, 0.01, 0.99, 0.003, 1 / 3, 0.0, 1.0])
def test_complement_comes_back(number):
    assert complement(complement(number)) == number


def test_public_name_is_the_function():
    assert bnconform.translate is translate


@pytest.mark.parametrize(
    "target, number", [("keras", 0.9), ("flax-linen", 0.9), ("paddle", 0.9), ("onnx", 0.9), ("mlx", 0.1)]
)
def test_momentum_is_complemented_where_it_must_be(target, number):
    moved = translate(values("torch", decay=0.9), "torch", target)
    assert next(iter(moved.arguments.values()))["momentum"] == number


def kinds(moved):
    return {note.kind: note.text for note in moved.notes}


@pytest.mark.parametrize(
    "source, target, kind, words",
    [
        ("torch", "keras", "dropped", "the batch counter, 7"),
        ("torch", "keras", "kept", "running_var as it is, unbiased"),
        ("keras", "torch", "added", "num_batches_tracked = 0"),
        ("torch", "haiku", "added", "counter = "),
        ("torch", "keras", "layout", "channels on axis 1"),
    ],
)
def test_report_says_what_is_lost_and_added(source, target, kind, words):
    assert words in kinds(translate(values(source), source, target))[kind]


def test_numbers_that_the_file_has_not_are_said_to_be_assumed():
    bare = Values("torch", values("torch").arrays)
    texts = [note.text for note in translate(bare, "torch", "keras").notes if note.kind == "assumed"]
    assert len(texts) == 2 and texts[0].startswith("eps=1e-05, torch's default")


def test_running_variance_is_corrected_on_request_only():
    plain, asked = (translate(values("torch"), "torch", "keras", corrected=m) for m in (None, 10))
    ratio = asked.arrays["block/bn/moving_variance"] / plain.arrays["block/bn/moving_variance"]
    np.testing.assert_allclose(ratio, 0.9, rtol=1e-6)
    assert "(m-1)/m with m = 10" in kinds(asked)["changed"]


def test_missing_gamma_is_filled_where_both_come_together():
    moved = translate(values("keras", gamma=None), "keras", "torch")
    assert (moved.arrays["block.bn.weight"] == 1).all() and any("gamma of 1" in n.text for n in moved.notes)


def test_cumulative_average_keeps_its_counter():
    moved = translate(values("torch", decay=None), "torch", "core")
    (out,) = moved.layers.values()
    assert (out.decay, out.count) == (None, 7)


def test_caffe_blobs_are_divided_by_the_scale_factor():
    blobs = {"bn.0": np.array([2, 4], "f"), "bn.1": np.array([8, 6], "f"), "bn.2": np.array([2], "f")}
    moved = translate(blobs, "caffe", "torch")
    assert moved.arrays["bn.running_mean"].tolist() == [1, 2] and moved.arrays["bn.running_var"].tolist() == [4, 3]


def test_lasagne_inverse_deviation_is_a_variance_again():
    var, eps = np.array([0.5, 2.0]), 1e-4
    given = {"bn.mean": np.zeros(2, "f"), "bn.inv_std": (1 / np.sqrt(var + eps)).astype("f")}
    moved = translate(given, "lasagne", "torch", arguments={"alpha": 0.2})
    np.testing.assert_allclose(moved.arrays["bn.running_var"], var, rtol=1e-5)
    assert moved.arguments["bn"]["momentum"] == 0.2


def broken(change):
    found = values("torch")
    change(found.arrays)
    return found


def put(name, value):
    return lambda arrays: arrays.__setitem__(f"block.bn.{name}", value)


@pytest.mark.parametrize(
    "change, words",
    [
        (put("weight", np.ones(4, "f")), r"gamma has shape \(4,\), expected \(3,\)"),
        (put("running_var", np.array([1, -2, 1], "f")), "running_var is -2, expected no negative"),
        (put("running_mean", np.array([1, np.nan, 1], "f")), "running_mean is nan at channel 1"),
        (put("running_var", np.ones(3)), "running_mean float32 and running_var float64, expected one type"),
        (put("weight", np.ones(3, int)), "gamma has dtype int64"),
        (put("running_std", np.ones(3, "f")), "unknown name 'block.bn.running_std'"),
        (lambda arrays: arrays.pop("block.bn.running_var"), "block.bn.running_var is missing"),
        (lambda arrays: arrays.clear(), "no BN layer in torch values"),
    ],
)
def test_bad_values_are_refused(change, words):
    with pytest.raises(MovingError, match=words):
        translate(broken(change), "torch", "keras")


@pytest.mark.parametrize(
    "words, message",
    [
        ({"names": {"nobody": "x"}}, "no BN layer 'nobody'"),
        ({"names": "order"}, "no target to fill"),
        ({"arguments": {"epsilon": 1e-3}}, "argument 'epsilon' of torch, expected eps or momentum"),
        ({"arguments": {"eps": -1.0}}, "eps is -1.0"),
        ({"corrected": 1}, "m is 1"),
    ],
)
def test_wrong_use_is_refused(words, message):
    with pytest.raises(MovingError, match=message):
        translate(values("torch"), "torch", "keras", **words)


def test_cumulative_average_has_no_counterpart_elsewhere():
    with pytest.raises(MovingError, match="has only the exponential one: say which with momentum=NUMBER"):
        translate(values("torch", decay=None), "torch", "keras")
    assert translate(values("torch", decay=None), "torch", "keras", decay=0.5).arguments["block/bn"]["momentum"] == 0.5


def test_filling_a_target_matches_by_name_and_reports_the_rest():
    target = values("keras", path="first")
    target.arrays |= values("keras", path="second").arrays
    moved = translate(values("torch"), "torch", "keras", names={"block.bn": "first"}, into=target)
    assert list(moved.names.items()) == [("block.bn", "first")]
    assert "second of the target" in kinds(moved)["unfilled"]
    with pytest.raises(MovingError, match="no layer has a partner"):
        translate(values("torch"), "torch", "keras", into=target)


def test_filling_a_target_of_another_type_is_said():
    moved = translate(values("torch", path="bn"), "torch", "keras", into=values("keras", path="bn", kind="float16"))
    assert moved.arrays["bn/gamma"].dtype == np.float16 and "rounded" in kinds(moved)["converted"]


def test_young_debiased_average_is_said_to_differ():
    young = values("haiku", debiased=True, count=3, decay=0.9)
    (text,) = [note.text for note in translate(young, "haiku", "torch").notes if note.kind == "differs"]
    assert "after 3 steps" in text


def test_values_are_json_for_the_sidecar():
    json.dumps(translate(values("torch"), "torch", "keras").arguments)


@pytest.mark.parametrize("name", ["core", "translation"])
def test_docstring_examples_hold(name):
    module = importlib.import_module(f"bnconform.conformance.moving.{name}")
    found = doctest.testmod(module)
    assert found.attempted and not found.failed
