"""What a case needs, and who refuses it why: data against data."""

from dataclasses import replace

import pytest

from bnconform.backends.contract import OFFERED, Conventions
from bnconform.backends.needs import needs, refusal
from bnconform.backends.numpy_ import NumpyReference
from bnconform.conformance.golden.store import Golden
from bnconform.conformance.judge.compare import judge
from bnconform.conformance.run.observe import observe

GOLDEN = Golden()
CASES = GOLDEN.cases


@pytest.mark.parametrize(
    "case, expected",
    [
        ("shapes/rank6", {"rank:6", "dtype:float32", "params:float32", "memory:contiguous"}),
        ("shapes/per-activation", {"axis:several"}),
        ("shapes/per-activation-swapped", {"axis:several", "axis:unsorted"}),
        ("running/cumulative-dense", {"decay:cumulative"}),
        ("parameters/no-beta-nchw", {"gamma-without-beta"}),
        ("parameters/no-gamma-nchw", {"beta-without-gamma"}),
        ("dtypes/bfloat16-mixed-nchw", {"dtype:bfloat16", "params:float32", "params:mixed"}),
        ("memory/sliced-nchw", {"memory:sliced"}),
        ("memory/apart-nchw", {"memory:channels-last", "memory:contiguous"}),
        ("mixtures/float32-bfloat16-float32", {"params:narrow", "state:float32", "state:mixed"}),
        ("built/own-values", {"as-built"}),
        ("built/one-gamma-running_var", {"one-object"}),
        ("built/stateless-nchw", {"stateless"}),
        ("built/stateless-inference", {"stateless-inference"}),
        ("history/slow-decay", {"repeat", "training"}),
        ("parameters/eps-zero", {"eps:zero"}),
        ("dtypes/float64-params-float32", {"types:float64/float32/float32"}),
        ("masks/dense", {"mask"}),
        ("gradients/jvp-dense", {"jvp"}),
        ("gradients/second-order-dense", {"second-order"}),
        ("synchronized/unequal", {"synchronized"}),
        ("renorm/open", {"renorm"}),
        ("folding/conv", {"folding"}),
        ("population/dense", {"population"}),
    ],
)
def test_needs_name_what_a_case_asks_for(case, expected):
    assert expected <= set(needs(CASES[case]))


def test_needs_of_an_ordinary_case_are_ordinary():
    found = {name.split(":")[0] for name in needs(CASES["shapes/dense"])}
    assert found == {"rank", "dtype", "params", "state", "types", "memory", "training"}


PLAIN = Conventions(running_ddof=0)


@pytest.mark.parametrize(
    "changes, case, reason",
    [
        ({"cannot": {"mask": "no mask here"}}, "masks/dense", "no mask here"),
        ({"dtypes": ("float32",)}, "dtypes/float16-dense", "it takes float32, not float16 x"),
        ({"dtypes": ("float32",)}, "mixtures/float32-bfloat16-float32", "not bfloat16 parameters"),
        ({}, "built/own-values", "it does not say that it can be built with the initial values of its own"),
        ({"ranks": (2, 3)}, "shapes/nchw", "it takes ranks 2, 3, not 4"),
        (
            {"channel_axes": "first"},
            "shapes/nhwc",
            "axis 1 as the channel axis only; here x of rank 4 has its channels on axis 3",
        ),
        ({"channel_axes": "last"}, "shapes/nchw", "the last axis as the channel axis only"),
        ({"channel_axes": "one"}, "shapes/per-activation", "one channel axis only"),
        ({"channel_axes": "ends"}, "shapes/middle", "axis 1 or the last axis as the channel axis only"),
        ({"cannot": {"training": "it only infers"}}, "shapes/dense", "it only infers"),
        ({"cannot": {"eps:zero": "eps > 0"}}, "parameters/eps-zero", "eps > 0"),
        ({"cannot": {"types:float64/float32/float32": "no"}}, "dtypes/float64-params-float32", "no"),
    ],
)
def test_refusal_says_why(changes, case, reason):
    assert reason in refusal(replace(PLAIN, **changes), CASES[case], "cpu")


@pytest.mark.parametrize(
    "changes, case",
    [
        ({}, "shapes/per-activation"),
        ({"channel_axes": "first"}, "shapes/nchw"),
        ({"channel_axes": "last"}, "shapes/dense"),
        ({"channel_axes": "last", "ranks": (4,)}, "folding/conv-transposed"),
    ],
)
def test_refusal_is_none_where_nothing_is_missing(changes, case):
    assert refusal(replace(PLAIN, **changes), CASES[case], "cpu") is None


def test_device_that_is_not_declared_is_refused():
    assert refusal(PLAIN, CASES["shapes/dense"], "gpu") == "it runs on cpu, not on gpu"


@pytest.mark.parametrize(
    "changes, case",
    [
        ({"channel_axes": "ends"}, "shapes/nchw"),
        ({"channel_axes": "ends"}, "shapes/nhwc"),
        ({"cannot": {"training": "it only infers"}}, "inference/volume"),
        ({"cannot": {"types:float64/float32/float32": "no"}}, "dtypes/float64-dense"),
    ],
)
def test_refusal_is_of_nothing_else(changes, case):
    assert refusal(replace(PLAIN, **changes), CASES[case], "cpu") is None


def test_every_need_of_every_case_can_be_named():
    for feature in {name for case in CASES.values() for name in needs(case)} - set(OFFERED):
        Conventions(running_ddof=0, cannot={feature: "a reason"})


@pytest.mark.parametrize(
    "changes, text",
    [
        ({"exposes": ("y", "runing_mean")}, "exposes is 'runing_mean' \\(did you mean 'running_mean'\\?\\)"),
        ({"exposes": "y"}, "exposes is the text 'y', expected a tuple"),
        ({"dtypes": ("float33",)}, "dtypes is 'float33' \\(did you mean 'float32'\\?\\)"),
        ({"dtypes": ("fp32",)}, "dtypes is 'fp32'.*, expected one of 'float64', 'float32'"),
        ({"compute": {"float32": "single"}}, "compute"),
        ({"devices": ("cuda",)}, "devices is 'cuda', expected one of 'cpu', 'gpu'"),
        ({"cannot": {"masks": "none"}}, "cannot is 'masks' \\(did you mean 'mask'\\?\\)"),
        ({"cannot": {"dtype:fp16": "none"}}, "cannot is 'dtype:fp16'"),
        ({"channel_axes": "frist"}, "did you mean 'first'"),
    ],
)
def test_a_word_that_means_nothing_is_refused_with_the_nearest(changes, text):
    with pytest.raises(ValueError, match=text):
        Conventions(running_ddof=0, **changes)


class InferenceEngine:
    """The whole adapter of an engine that cannot train."""

    conventions = Conventions(
        running_ddof=0,
        cannot={"training": "it only infers", "inference-gradients": "it has no gradients", "folding": "none"},
        channel_axes="ends",
    )

    def __init__(self, config, gamma, beta, running_mean, running_var):
        self.layer = NumpyReference(config, gamma, beta, running_mean, running_var)

    def infer(self, x, dy):
        return {"y": self.layer.infer(x, None)["y"]}

    def state(self):
        return self.layer.state()


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("inference/")])
def test_inference_engine_is_judged_without_a_training_step(case):
    found = judged(InferenceEngine, CASES[case])
    assert set(found.values()) <= {"pass", "unsupported"}
    if refusal(InferenceEngine.conventions, CASES[case], "cpu") is None:
        assert {found[output] for output in found if output.endswith(".y")} == {"pass"}


class WithoutGradients(InferenceEngine):
    conventions = Conventions(running_ddof=0, exposes=("y", "running_mean", "running_var"))

    def train(self, x, dy):
        return {"y": self.layer.train(x, None)["y"]}


def judged(backend, case):
    """Output -> status."""
    if refusal(backend.conventions, case, "cpu"):
        return dict.fromkeys(case.outputs(), "unsupported")
    observation = observe(case, backend, GOLDEN.inputs(case))
    return {verdict.output: verdict.status for verdict in judge("it", observation, case, GOLDEN, backend.conventions)}


@pytest.mark.parametrize("exposes, status", [((), "unsupported"), (("dx",), "fail")])
def test_only_who_gives_gradients_must_look_at_dy(exposes, status):
    class Giving(WithoutGradients):
        conventions = replace(WithoutGradients.conventions, exposes=WithoutGradients.conventions.exposes + exposes)

    assert judged(Giving, CASES["errors/dy-shape"]) == {"error": status}
