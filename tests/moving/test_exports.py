"""Export and folding by the frameworks' own functions, held to the definition."""

import numpy as np
import pytest

from bnconform.conformance.moving import exports


@pytest.mark.parametrize("name", exports.ASKED)
def test_export_or_fold_is_the_definition(name, tmp_path):
    if exports.missing(name):
        pytest.skip(f"{', '.join(exports.missing(name))} is not installed")
    found = exports.judge(name, tmp_path)
    assert found.score <= 1, found
    if "after a training step" in name:
        assert "folded again it holds" in found.says


def test_small_errors_of_an_export_are_noticed():
    y = np.random.default_rng(0).normal(size=(5, 4))
    assert exports._score(y * (1 + 1e-4), y, 27) > 1 > exports._score(y.astype(np.float32), y, 27)
