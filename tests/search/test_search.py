"""The search judges soundly, repeats itself, and raises no alarm where nothing is wrong."""

from dataclasses import replace

import numpy as np
import pytest

from bnconform.backends.numpy_ import NumpyReference
from bnconform.conformance.run.observe import observe
from bnconform.conformance.search import alarms, draw, expect, screen, verdicts
from bnconform.conformance.search.enclosure import enclosure
from bnconform.conformance.search.hunt import Asker, Search

DECLARED = {
    "float64": NumpyReference.conventions,
    "float32": replace(
        NumpyReference.conventions,
        compute=dict.fromkeys(("float64",), "float64") | dict.fromkeys(("float32", "float16", "bfloat16"), "float32"),
    ),
}


def small(seed, conventions, count):
    """Problems of a size that the oracle answers quickly."""
    drafts = (draw(seed, index, conventions) for index in range(10 * count))
    return [d for d in drafts if sum(v.size for v in d.tensors.values()) < 1500 and len(d.case.steps) < 7][:count]


@pytest.mark.parametrize("compute", DECLARED)
def test_enclosure_holds_the_exact_value(compute):
    for draft in small(7, DECLARED[compute], 25):
        values, radii, _ = enclosure(draft, DECLARED[compute])
        for name, (_, exact) in expect(draft, DECLARED[compute]).wanted.items():
            with np.errstate(invalid="ignore"):
                off = np.abs(values[name] - exact)
            rounding = 2.0**-53 * np.abs(exact) + 2.0**-1074
            assert np.all((off <= radii[name] + rounding) | ~np.isfinite(values[name])), (draft.case.id, name)


def test_what_the_screen_clears_passes_and_what_it_alarms_fails():
    class Wrong(NumpyReference):
        """Every 5th value of y off by a share that lies around what is allowed."""

        def train(self, x, dy):
            out = super().train(x, dy)
            y = out["y"].reshape(-1)
            y[::5] = (y[::5].astype(np.float64) * (1 + 2.0**-23 * self.config.eps)).astype(y.dtype)
            return out

    conventions, seen_open = NumpyReference.conventions, 0
    for draft in small(3, conventions, 25):
        observation = observe(draft.case, Wrong, {n: v.copy() for n, v in draft.tensors.items()})
        seen = screen(observation, draft, conventions)
        failed = [v for v in verdicts("wrong", observation, draft, conventions) if v.status == "fail"]
        assert not (seen.clear and failed)
        assert bool(alarms("wrong", observation, draft, conventions, seen)) == bool(failed)
        seen_open += not seen.clear
    assert seen_open


def test_problems_depend_on_seed_and_number_alone():
    first, again, other = (draw(seed, 5, NumpyReference.conventions) for seed in (1, 1, 2))
    assert first.case == again.case and first.case != other.case
    assert all(first.tensors[name].tobytes() == again.tensors[name].tobytes() for name in first.tensors)


@pytest.mark.parametrize("name", ["numpy"])
def test_search_raises_no_alarm_on_the_reference_and_goes_on_where_it_was(name, tmp_path):
    asker = Asker(name)
    try:
        search = Search(asker, seed=11)
        for _ in range(24):
            search.step()
        assert not search.finds and search.problems > 100
        search.save(tmp_path / "state.json")
        later = Search(asker, seed=11)
        later.resume(tmp_path / "state.json")
        assert (later.round, later.problems, later.worst) == (search.round, search.problems, search.worst)
        with pytest.raises(ValueError, match="seed 11"):
            Search(asker, seed=12).resume(tmp_path / "state.json")
    finally:
        asker.close()


def test_search_finds_what_torch_does_with_x_and_dy_in_other_orders():
    torch = pytest.importorskip("torch")
    if not torch.__version__.startswith("2.13"):
        pytest.skip("seen in torch 2.13")
    asker = Asker("torch")
    try:
        search = Search(asker, seed=0)
        search.round = 13
        search.step()
        assert ("dx", "value", "float32") in search.known
    finally:
        asker.close()
