"""Mistakes in the choice of statistics, and at the edges of their domain [BN-4, BN-7]."""

from .record import Hypothesis, modes, stateful


def hypotheses(running_ddof):
    yield from _mode()
    yield from _edges()


def _mode():
    for choice, text in (
        ("running", "the running statistics"),
        ("mean running", "the running mean"),
        ("var running", "the running variance"),
    ):
        for gradient in ("train", "infer"):
            yield Hypothesis(
                "WRONG_STATS_FOR_MODE",
                f"training normalizes by {text}, expected those of the batch [BN-2.3]",
                {"train_stats": choice, "train_gradient": gradient},
                {"mode": "train", "got": choice, "expected": "batch"},
                stateful,
            )
        yield Hypothesis(
            "WRONG_STATS_FOR_MODE",
            f"training normalizes by {text} and keeps the gradient of the batch's [BN-2.3]",
            {"train_stats": choice, "gradient_stats": {"train": "batch"}},
            {"mode": "train", "got": choice, "expected": "batch"},
            stateful,
        )
    yield Hypothesis(
        "WRONG_STATS_FOR_MODE",
        "training is run as inference: running statistics, no update [BN-2.3, BN-3.6]",
        {"train_stats": "running", "train_gradient": "infer", "updates": 0},
        {"mode": "train", "got": "running", "expected": "batch"},
        stateful,
    )
    for choice, text in (
        ("batch", "the statistics of the batch"),
        ("mean batch", "the batch mean"),
        ("var batch", "the batch variance"),
    ):
        for gradient in ("infer", "train"):
            yield Hypothesis(
                "WRONG_STATS_FOR_MODE",
                f"inference normalizes by {text}, expected the running statistics [BN-4.1]",
                {"infer_stats": choice, "infer_gradient": gradient},
                {"mode": "infer", "got": choice, "expected": "running"},
                modes("infer", "frozen"),
            )
        yield Hypothesis(
            "WRONG_STATS_FOR_MODE",
            f"inference normalizes by {text} and keeps the gradient of the running ones [BN-4.1]",
            {"infer_stats": choice, "gradient_stats": {"infer": "running"}},
            {"mode": "infer", "got": choice, "expected": "running"},
            modes("infer", "frozen"),
        )
    yield Hypothesis(
        "WRONG_STATS_FOR_MODE",
        "inference is run as training: batch statistics, and the state moves [BN-4.1, BN-4.4]",
        {"infer_stats": "batch", "infer_gradient": "train", "update_in": ("infer", "frozen")},
        {"mode": "infer", "got": "batch", "expected": "running"},
        modes("infer", "frozen"),
    )
    for gradient in ("train", "infer"):
        yield Hypothesis(
            "BLENDED_STATS",
            "training normalizes by the running statistics after their update, expected those of the batch [BN-3.6]",
            {"train_stats": "blended", "train_gradient": gradient},
            {"mode": "train"},
            stateful,
        )
    yield Hypothesis(
        "BLENDED_STATS",
        "training normalizes by the running statistics after their update, with the gradient of the batch's [BN-3.6]",
        {"train_stats": "blended", "gradient_stats": {"train": "batch"}},
        {"mode": "train"},
        stateful,
    )
    yield Hypothesis(
        "WRONG_STATS_FOR_MODE",
        "a training batch with m = 1 is normalized by the running statistics [BN-7.3]",
        {"one_uses_running": True},
        {"mode": "train", "m": 1},
        stateful,
    )
    for moves in ((), ("sticky",)):
        yield Hypothesis(
            "MODE_STICKY",
            "once in training, inference stays in training [BN-4.1]",
            {"sticky": True, "update_in": moves},
            {},
            stateful,
        )
    yield Hypothesis(
        "MODE_BY_GRADIENT", "the mode follows from whether a gradient is asked for [BN-4.4]", {"by_gradient": True}, {}
    )
    yield Hypothesis(
        "FROZEN_IGNORED",
        "frozen statistics are treated as training: batch statistics, and the state moves [BN-4.4]",
        {"frozen_trains": True, "update_in": ("frozen",)},
        {},
        modes("frozen"),
    )
    yield Hypothesis(
        "FROZEN_IGNORED",
        "frozen statistics are treated as training, without the update [BN-4.4]",
        {"frozen_trains": True},
        {},
        modes("frozen"),
    )


def small(case):
    """Cases with a step whose statistics may not exist."""
    return case.has_state and case.family in ("degenerate", "mode", "shapes", "running", "masks")


def _edges():
    for how, text in (
        ("poison", "a variance divided by m - 1 = 0 enters running_var"),
        ("ddof 0", "the variance 0 of a single value enters running_var"),
        ("zero", "0 enters running_var at m = 1"),
        ("one", "1 enters running_var at m = 1"),
    ):
        for empty, more in (
            ("skip", ""),
            ("poison", ", and so does that of an empty batch"),
            ("zero", ", and 0 at m = 0"),
        ):
            yield Hypothesis(
                "DEGENERATE_POISONS_STATE",
                f"{text}{more}; a statistic that does not exist leaves the state alone [BN-3.5]",
                {"exists": how, "empty": empty},
                {"m": 1, "got": how, "empty": empty},
                small,
            )
    yield Hypothesis(
        "DEGENERATE_SKIPPED",
        "a channel of variance 0 leaves its running values as they were [BN-7.4]",
        {"constant_updates": False},
        {"channel": "constant"},
        stateful,
    )
    for empty, text in (("poison", "NaN"), ("zero", "0")):
        yield Hypothesis(
            "DEGENERATE_POISONS_STATE",
            f"an empty batch blends {text} into the state; it has no statistics [BN-3.5, BN-7.2]",
            {"empty": empty},
            {"m": 0, "got": empty},
            small,
        )
    yield Hypothesis(
        "DEGENERATE_SKIPPED",
        "a step with m = 1 does not update running_mean, which exists there [BN-3.5]",
        {"exists": "skip both"},
        {"m": 1},
        small,
    )
    for changes, words, m in (
        ({"exists": "raise"}, "one value", 1),
        ({"empty": "raise"}, "no value", 0),
        ({"exists": "raise", "empty": "raise"}, "one value or none", 1),
    ):
        yield Hypothesis(
            "DEGENERATE_RAISES",
            f"a batch of {words} a channel raises; it is in the domain [BN-7.2, BN-7.3]",
            changes,
            {"m": m},
            small,
        )
