"""Random mutations of what others write: a few of each kind; `python -m faults.mutations` does thousands."""

import pytest
from faults.mutations import KINDS, mutate, mutate_manifest, mutate_port

SEED = 20


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_mutation_is_held_or_is_a_clear_error(kind, tmp_path):
    few = 15 if kind in (mutate_manifest, mutate_port) else 60
    found = [mutate(kind, number, SEED, tmp_path) for number in range(few)]
    assert len(set(found)) > 1  # the spoiling spoils, and what says the same is read
