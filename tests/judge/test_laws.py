"""Laws: right layers keep them at any size, and each is broken by a layer that is wrong in its way."""

from dataclasses import replace

import numpy as np
import pytest

from bnconform.backends.numpy_ import NumpyReference
from bnconform.conformance.cases.laws import folded, laws
from bnconform.conformance.golden.store import Golden
from bnconform.conformance.judge.compare import judge
from bnconform.conformance.judge.laws import preceding
from bnconform.conformance.run.observe import observe

DRAFTS = {draft.case.id: draft for family in (laws, folded) for draft in family()}


class Drawn:
    """Golden files of law cases: their inputs, and nothing else."""

    def inputs(self, case):
        return {name: array.copy() for name, array in DRAFTS[case.id].tensors.items()}


def verdicts(case_id, backend):
    case = DRAFTS[case_id].case
    observation = observe(case, backend, Drawn().inputs(case))
    assert observation.failure is None, observation.failure
    return {v.output: v for v in judge("layer", observation, case, Drawn(), backend.conventions)}


@pytest.mark.parametrize("case_id", DRAFTS)
def test_reference_keeps_the_law(case_id):
    found = verdicts(case_id, NumpyReference)
    assert tuple(found) == DRAFTS[case_id].case.outputs() and {v.status for v in found.values()} == {"pass"}


class HalfMean(NumpyReference):
    """Takes x in half precision: what a shift costs it, exact arithmetic does not pay."""

    def train(self, x, dy):
        return super().train(x.astype(np.float16).astype(x.dtype), dy)


class UnitsOfEps(NumpyReference):
    """Divides by std + eps."""

    def train(self, x, dy):
        self.common = {**self.common, "eps": 0.0}
        out = super().train(x, dy)
        std = np.sqrt(out["batch_var"])[:, *[None] * (x.ndim - 2)]
        return out | {"y": (out["y"] * std / (std + np.float32(self.config.eps))).astype(x.dtype)}


class FirstCounts(NumpyReference):
    """The first sample counts for the statistics, the last one does not."""

    def train(self, x, dy):
        return super().train(np.concatenate([x[:-1], x[:1]]), dy)


class Unbiased(NumpyReference):
    """Normalizes with ddof 1."""

    def train(self, x, dy):
        m = x.size // x.shape[1]
        out = super().train(x, dy)
        return out | {"batch_var": (out["batch_var"] * m / (m - 1)).astype(x.dtype)}


class Leaks(NumpyReference):
    """The last channel's mean enters the first one's y."""

    def train(self, x, dy):
        out = super().train(x, dy)
        return out | {"y": out["y"] + np.float32(1e-4) * out["batch_mean"][-1]}


class NoMeanTerm(NumpyReference):
    """dx without its first term."""

    def train(self, x, dy):
        out = super().train(x, dy)
        return out | {"dx": out["dx"] + np.float32(0.01)}


class OtherDdof(NumpyReference):
    """Declares one ddof and blends the other."""

    conventions = replace(NumpyReference.conventions, running_ddof=1)

    def train(self, x, dy):
        before, m = self.running, x.size // x.shape[1]
        out = super().train(x, dy)
        var = np.asarray(self.running.running_var) * (m - 1) / m
        self.running = (
            replace(self.running, running_var=var)
            if hasattr(before, "__dataclass_fields__")
            else before._replace(running_mean=self.running.running_mean, running_var=var)
        )
        return out


class EpsOutside(NumpyReference):
    """Inference divides by sqrt(var) + eps."""

    def infer(self, x, dy):
        inverse = 1 / (np.sqrt(self.statistics["running_var"]) + self.config.eps)
        wide = lambda v: np.reshape(v, [-1 if axis == 1 else 1 for axis in range(x.ndim)])
        y = (x - wide(self.statistics["running_mean"])) * wide(self.gamma * inverse) + wide(self.beta)
        return {"y": y.astype(x.dtype)}


class FoldsNoBias(NumpyReference):
    """Its folded layer forgets the bias of the layer before."""

    @classmethod
    def fold(cls, config, weight, bias, *state, **options):
        return super().fold(config, weight, None, *state, **options)


BROKEN = {
    "shift": HalfMean,
    "scale": UnitsOfEps,
    "permute": FirstCounts,
    "duplicate": Unbiased,
    "independent": Leaks,
    "sums": NoMeanTerm,
    "modes": OtherDdof,
}
FOLDED = [case_id for case_id in DRAFTS if "folding" in case_id]


@pytest.mark.parametrize("case_id", FOLDED)
def test_folding_is_broken_by_a_layer_that_infers_or_folds_otherwise(case_id):
    wrong = FoldsNoBias if "own" in case_id else EpsOutside
    assert verdicts(case_id, wrong)["1.y" if "own" in case_id else "0.y"].score > 5


@pytest.mark.parametrize("transposed, groups", [(False, 1), (False, 2), (True, 1), (True, 2)])
def test_layer_before_bn_is_the_one_that_torch_has(transposed, groups):
    functional = pytest.importorskip("torch.nn.functional")
    from torch import tensor

    rng = np.random.default_rng(1)
    x, weight = (
        rng.standard_normal((2, 4, 5, 6)),
        rng.standard_normal((4, 3, 3, 2) if transposed else (6, 4 // groups, 3, 2)),
    )
    layer = functional.conv_transpose2d if transposed else functional.conv2d
    expected = layer(tensor(x), tensor(weight), groups=groups).numpy()
    np.testing.assert_allclose(preceding(x, weight, int(transposed), groups), expected, rtol=1e-12)


@pytest.mark.parametrize("law", BROKEN)
@pytest.mark.parametrize("size", ["dense", "nchw"])
def test_law_is_broken_by_a_layer_that_is_wrong_in_its_way(law, size):
    found = verdicts(f"laws/{law}-{size}", BROKEN[law])
    failed = [v for v in found.values() if v.status == "fail"]
    assert failed and all(v.score > 5 and v.message.startswith("law broken: ") for v in failed)


def test_law_of_outputs_that_do_not_fit_together_fails():
    class Short(NumpyReference):
        def train(self, x, dy):
            out = super().train(x, dy)
            return out | {"y": out["y"][: len(x) // 2 + len(x) % 5]}

    assert verdicts("laws/duplicate-dense", Short)["1.y"].kind == "shape"


def test_output_of_another_type_fails():
    class Wide(NumpyReference):
        def train(self, x, dy):
            out = super().train(x, dy)
            return out | {"y": out["y"].astype(np.float64)}

    assert verdicts("laws/shift-dense", Wide)["1.y"].kind == "dtype:float64"


def test_output_that_is_not_a_number_breaks_the_law():
    class Lost(NumpyReference):
        def train(self, x, dy):
            return super().train(x, dy) | {"y": np.full_like(x, np.nan)}

    assert verdicts("laws/shift-dense", Lost)["1.y"].status == "fail"


def test_inputs_are_those_of_the_manifest():
    golden = Golden()
    bits = lambda tensors: {name: array.tobytes() for name, array in tensors.items()}
    other = [id for id, draft in DRAFTS.items() if bits(golden.inputs(golden.cases[id])) != bits(draft.tensors)]
    assert other == []
