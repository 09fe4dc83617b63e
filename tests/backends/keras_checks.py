"""Run as a program under one KERAS_BACKEND: every check on that engine, and what came of each as JSON on the last
line."""

import json
import sys
import traceback

import adapter_checks as checks
import numpy as np

GENERAL = (
    checks.training_step_gives_the_hand_derived_numbers,
    checks.inference_gives_the_hand_derived_numbers_and_keeps_the_state,
    checks.state_comes_back_as_it_was_given,
    checks.a_step_without_gradients_moves_the_state_all_the_same,
    checks.derivatives_of_higher_order_leave_the_state_alone,
    checks.memory_is_shared_with_nobody,
    checks.version_begins_with_a_number,
)


def half_types_are_kept(name):
    for kind in ("float16", "bfloat16", "float64"):
        checks.types_are_kept(name, kind)


def half_input_with_float32_parameters_stays_half(name):
    for kind in ("float16", "bfloat16"):
        checks.half_input_with_float32_parameters_gives_the_declared_type(name, kind)


def layer_called_the_ordinary_way_does_the_same(name):
    """`layer(x, training=True)`, with nothing of the adapter around it."""
    import keras

    layer = keras.layers.BatchNormalization(axis=1, momentum=0.75, epsilon=3.0)
    layer.build((2, 1))
    layer.set_weights(checks.given())
    y = layer(np.array(checks.X, np.float32), training=True)
    checks.check({"y": keras.ops.convert_to_numpy(y)}, {"y": checks.TRAIN["y"]})
    checks.check({"mean": keras.ops.convert_to_numpy(layer.moving_mean)}, {"mean": checks.NEW_MEAN})
    layer.set_weights(checks.given())
    layer.trainable = False  # Keras: a layer that is not trainable runs in inference mode, whatever `training` says
    y = layer(np.array(checks.X, np.float32), training=True)
    checks.check({"y": keras.ops.convert_to_numpy(y)}, {"y": checks.INFER["y"]})
    checks.check({"mean": keras.ops.convert_to_numpy(layer.moving_mean)}, {"mean": checks.MEAN})


def renormalization_within_its_limits_gives_inference(name):
    """r' and d' that nothing clips undo the batch statistics: y is that of inference, and the mean still moves."""
    backend = checks.layer(name)
    found = backend.train_renorm(checks.arrays()[0], None, 64.0, 64.0)
    checks.check(found, {"y": checks.INFER["y"]})
    checks.check(backend.state(), {"running_mean": checks.NEW_MEAN})


CHECKS = GENERAL + (
    half_types_are_kept,
    half_input_with_float32_parameters_stays_half,
    layer_called_the_ordinary_way_does_the_same,
    renormalization_within_its_limits_gives_inference,
)


def outcome(check, name):
    try:
        check(name)
    except BaseException:  # a skip of pytest's is none here: the caller looked for the frameworks
        return traceback.format_exc()
    return ""


if __name__ == "__main__":
    print()
    print(json.dumps({check.__name__: outcome(check, sys.argv[1]) for check in CHECKS}))
