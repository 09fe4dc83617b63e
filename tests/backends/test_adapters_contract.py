"""Adapters that may share a process, against numbers done by hand."""

import adapter_checks as checks
import pytest

NAMES = (
    "numpy-ddof0",
    "torch",
    "torch-functional",
    "flax-linen",
    "flax-linen-two-pass",
    "flax-nnx",
    "flax-nnx-two-pass",
)
FRAMEWORKS = NAMES[1:]
KINDS = ("float64", "float32", "float16", "bfloat16")


@pytest.mark.parametrize("name", NAMES)
def test_training_step_gives_the_hand_derived_numbers(name):
    checks.training_step_gives_the_hand_derived_numbers(name)


@pytest.mark.parametrize("name", NAMES)
def test_inference_gives_the_hand_derived_numbers_and_keeps_the_state(name):
    checks.inference_gives_the_hand_derived_numbers_and_keeps_the_state(name)


@pytest.mark.parametrize("name", NAMES)
def test_state_comes_back_as_it_was_given(name):
    checks.state_comes_back_as_it_was_given(name)


@pytest.mark.parametrize("name", NAMES)
def test_step_without_gradients_moves_the_state(name):
    checks.a_step_without_gradients_moves_the_state_all_the_same(name)


@pytest.mark.parametrize("name", NAMES)
def test_higher_derivatives_leave_the_state_alone(name):
    checks.derivatives_of_higher_order_leave_the_state_alone(name)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_types_are_kept(name, kind):
    checks.types_are_kept(name, kind)


@pytest.mark.parametrize("kind", ("float16", "bfloat16"))
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_half_input_with_float32_parameters_gives_the_declared_type(name, kind):
    checks.half_input_with_float32_parameters_gives_the_declared_type(name, kind)


@pytest.mark.parametrize("name", NAMES)
def test_memory_is_shared_with_nobody(name):
    checks.memory_is_shared_with_nobody(name)


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_gpu_that_is_not_there_is_named(name):
    checks.gpu_that_is_not_there_is_named(name)


@pytest.mark.parametrize("name", NAMES)
def test_version_begins_with_a_number(name):
    checks.version_begins_with_a_number(name)
