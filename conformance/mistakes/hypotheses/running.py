"""Mistakes in the running statistics [BN-3]."""

from .record import Hypothesis, cumulative, modes, stateful


def hypotheses(running_ddof):
    yield from _estimator(running_ddof)
    yield from _decay()
    yield from _state()
    yield from _kinds()


def _estimator(declared):
    other = 1 - declared
    factor = "m/(m-1)" if declared else "(m-1)/m"
    for edge in ({}, {"exists_ddof": declared}, {"exists_ddof": 0}, {"exists": "ddof 0"}, {"exists": "poison"}):
        yield Hypothesis(
            "RUNNING_VAR_DDOF",
            f"running_var uses ddof {other}, expected {declared} (factor {factor}) [BN-3.3]",
            {"running_ddof": other, **edge},
            {"got": other, "expected": declared, "factor": factor},
            stateful,
        )
    yield Hypothesis(
        "RUNNING_VAR_DDOF",
        "running_var uses m/(m-2), expected m/(m-1) [BN-3.3]",
        {"running_ddof": 2},
        {"got": 2, "expected": declared},
        stateful,
    )
    yield Hypothesis(
        "RUNNING_VAR_DDOF",
        "running_var uses (m-1)/m where m/(m-1) is meant [BN-3.3]",
        {"ddof_count": "inverse"},
        {"got": -1, "expected": declared},
        stateful,
    )
    yield Hypothesis(
        "RUNNING_MEAN_DDOF",
        "the running mean is multiplied by m/(m-1); the mean is never rescaled [BN-3.3]",
        {"mean_factor": True},
        {"term": "running_mean"},
        stateful,
    )
    if not declared:
        yield Hypothesis(
            "RUNNING_MEAN_DDOF",
            "the running mean is multiplied by m/(m-1) [BN-3.3]",
            {"mean_factor": True, "running_ddof": 1},
            {"term": "running_mean"},
            stateful,
        )
    for count, words in (
        ("batch", "N/(N-1)"),
        ("axis 0", "N/(N-1), N the size of axis 0"),
        ("spatial", "S/(S-1)"),
        ("total", "size/(size-1)"),
    ):
        yield Hypothesis(
            "DDOF_OVER_BATCH_ONLY",
            f"running_var is multiplied by {words}; m counts all values that share the statistic [BN-3.3, BN-1.2]",
            {"ddof_count": count, "running_ddof": 1},
            {"got": words, "expected": "m/(m-1)"},
            stateful,
        )


def _decay():
    yield Hypothesis(
        "DECAY_COMPLEMENT",
        "decay and 1 - decay are exchanged: decay weighs the OLD state [BN-3.1]",
        {"decay": lambda d, t, c: 1 - d},
        {"got": "1 - decay", "expected": "decay"},
        stateful,
    )
    for value in (0.0, 0.5, 0.9, 0.99, 0.999, 0.1, 0.01, 1.0):
        yield Hypothesis(
            "DECAY_DIFFERS",
            f"the state decays by {value:g} whatever decay says [BN-3.1]",
            {"decay": lambda d, t, c, v=value: v},
            {"got": value, "expected": "decay"},
            stateful,
        )
    for _name, text, rule in (
        ("root", "sqrt(decay)", lambda d, t, c: d**0.5),
        ("half", "(1 + decay)/2", lambda d, t, c: (1 + d) / 2),
        ("double", "2 decay - 1", lambda d, t, c: 2 * d - 1),
    ):
        yield Hypothesis(
            "DECAY_DIFFERS",
            f"the state decays by {text}, expected decay [BN-3.1]",
            {"decay": rule},
            {"got": text, "expected": "decay"},
            stateful,
        )
    for text, rule in (
        ("decay**step", lambda d, t, c: d**t),
        ("min(decay, (1+t)/(10+t))", lambda d, t, c: min(d, (1 + t) / (10 + t))),
        ("min(decay, t/(10+t))", lambda d, t, c: min(d, t / (10 + t))),
        ("min(decay, (t-1)/t)", lambda d, t, c: min(d, (t - 1) / t)),
        ("min(decay, t/(t+1))", lambda d, t, c: min(d, t / (t + 1))),
        ("1 - (1 - decay)/t", lambda d, t, c: 1 - (1 - d) / t),
        ("the cumulative average", lambda d, t, c: (t - 1) / t),
        ("the cumulative average with the initial state", lambda d, t, c: t / (t + 1)),
        ("a debiased weight (1-decay)/(1-decay**t)", lambda d, t, c: 1 - (1 - d) / (1 - d**t) if d < 1 else 1.0),
    ):
        yield Hypothesis(
            "DECAY_SHRINKS",
            f"the weight of a new batch changes from step to step: the old state keeps {text} [BN-3.1]",
            {"decay": rule},
            {"got": text, "expected": "decay"},
            stateful,
        )
    yield Hypothesis(
        "FIRST_STEP_REPLACES",
        "the first training step replaces the state instead of blending into it [BN-3.1]",
        {"decay": lambda d, t, c: 0.0 if t == 1 else d},
        {},
        stateful,
    )
    yield Hypothesis(
        "STATE_RESCALED",
        "the old state is multiplied by this batch's size over the last one's [BN-3.1]",
        {"by_count": "rescaled"},
        {},
        stateful,
    )
    yield Hypothesis(
        "CUMULATIVE_IGNORED",
        "the cumulative average weighs each step by the size of its batch [BN-3.2]",
        {"by_count": "weighted"},
        {"got": "weighted by m", "expected": "1/t"},
        cumulative,
    )
    for part in ("mean", "var"):
        yield Hypothesis(
            "DECAY_COMPLEMENT",
            f"decay and 1 - decay are exchanged for running_{part} [BN-3.1]",
            {"decay": lambda d, t, c: 1 - d, "decay_part": part},
            {"got": "1 - decay", "part": f"running_{part}"},
            stateful,
        )
    yield Hypothesis(
        "DECAY_DIFFERS",
        "the batch is added without its weight: running = decay old + new [BN-3.1]",
        {"mix": "sum"},
        {"got": "new weight 1"},
        stateful,
    )
    yield Hypothesis(
        "DECAY_DIFFERS",
        "the old state keeps its whole weight: running = old + (1 - decay) new [BN-3.1]",
        {"mix": "unweighted old"},
        {"got": "old weight 1"},
        stateful,
    )
    yield Hypothesis(
        "INITIAL_STATE_COUNTED",
        "the cumulative average counts the initial state as a step [BN-3.2]",
        {"cumulative": lambda t: 1 / (t + 1)},
        {"got": "1/(t+1)", "expected": "1/t"},
        cumulative,
    )
    for text, rule in (
        ("1 (the last batch alone)", lambda t: 1.0),
        ("0 (no update)", lambda t: 0.0),
        ("0.1", lambda t: 0.1),
        ("0.01", lambda t: 0.01),
        ("0.5", lambda t: 0.5),
        ("0.001", lambda t: 0.001),
        ("0.9", lambda t: 0.9),
        ("0.99", lambda t: 0.99),
    ):
        yield Hypothesis(
            "CUMULATIVE_IGNORED",
            f"decay = None gives each batch the weight {text}, expected 1/t in step t [BN-3.2]",
            {"cumulative": rule},
            {"got": text, "expected": "1/t"},
            cumulative,
        )
    yield Hypothesis(
        "DEGENERATE_SKIPPED",
        "an empty step counts in the cumulative average [BN-3.5]",
        {"empty_counts": True},
        {"m": 0},
        cumulative,
    )


def _state():
    yield Hypothesis(
        "STATE_NOT_UPDATED",
        "a training step leaves the state as it was [BN-3.6]",
        {"updates": 0},
        {"part": "both"},
        stateful,
    )
    yield Hypothesis(
        "STATE_NOT_UPDATED",
        "a training step leaves running_mean as it was [BN-3.6]",
        {"update_mean": False},
        {"part": "running_mean"},
        stateful,
    )
    yield Hypothesis(
        "STATE_NOT_UPDATED",
        "a training step leaves running_var as it was [BN-3.6]",
        {"update_var": False},
        {"part": "running_var"},
        stateful,
    )
    yield Hypothesis(
        "STATE_NOT_UPDATED",
        "a training step updates the state only if a gradient is asked for [BN-3.6]",
        {"needs_gradient": True},
        {"part": "without dy"},
        stateful,
    )
    yield Hypothesis(
        "STATE_NOT_UPDATED",
        "only the first training step moves the state [BN-3.6]",
        {"only_steps": lambda t: t == 1},
        {"part": "after the first step"},
        stateful,
    )
    yield Hypothesis(
        "STATE_UPDATED_TWICE",
        "a training step blends its statistics in twice [BN-3.6]",
        {"updates": 2},
        {"got": 2, "expected": 1},
        stateful,
    )
    yield Hypothesis(
        "STATE_UPDATED_TWICE",
        "a training step with a gradient blends its statistics in twice [BN-3.6]",
        {"again_with_gradient": True},
        {"got": 2, "expected": 1},
        stateful,
    )
    for where, words in (
        (("infer", "frozen"), "inference and frozen training"),
        (("infer",), "inference"),
        (("frozen",), "frozen training"),
    ):
        yield Hypothesis(
            "STATE_UPDATED_IN_INFERENCE",
            f"{words} changes the state; only training may [BN-4.4]",
            {"update_in": where},
            {"modes": list(where)},
            modes(*where),
        )
    yield Hypothesis(
        "STATE_BEFORE_STEP",
        "the state given out is the one from before the step [BN-3.6]",
        {"state_given": "before"},
        {},
        stateful,
    )
    yield Hypothesis(
        "STATE_BEFORE_STEP",
        "the state given out is the one from before the last training step [BN-3.6]",
        {"state_given": "lagging"},
        {},
        stateful,
    )
    yield Hypothesis(
        "STATE_BEFORE_STEP",
        "the state is updated one step late: inference sees the state before the last step too [BN-3.6]",
        {"state_given": "late"},
        {},
        stateful,
    )
    for where in (("out",), ("set",), ("set", "out"), ("inference",), ("update",)):
        yield Hypothesis(
            "STATE_SWAPPED",
            f"running_mean and running_var are exchanged ({', '.join(where)}) [BN-3.1]",
            {"swapped_state": where},
            {"where": list(where)},
            stateful,
        )
    for parts in (("mean", "var"), ("mean",), ("var",)):
        words = " and ".join(f"running_{part}" for part in parts)
        yield Hypothesis(
            "STATE_NOT_LOADED",
            f"the layer starts from its own {words}, not from the state given [BN-4.1]",
            {"state_not_loaded": parts},
            {"part": words},
            stateful,
        )
    yield Hypothesis(
        "STATE_DEBIASED",
        "the average starts from zero and is divided by 1 - decay^t [BN-3.1]",
        {"debiased": ("from zero", "out", "inference")},
        {"where": "from zero"},
        stateful,
    )
    for where in (("out",), ("inference",), ("out", "inference")):
        yield Hypothesis(
            "STATE_DEBIASED",
            f"the state is divided by 1 - decay^t ({', '.join(where)}) [BN-3.1]",
            {"debiased": where},
            {"where": list(where)},
            stateful,
        )


def _kinds():
    words = {
        "std": "STATE_KIND_STD",
        "std with eps": "STATE_KIND_STD",
        "inverse std": "STATE_KIND_INVERSE_STD",
        "inverse std without eps": "STATE_KIND_INVERSE_STD",
    }
    for kind, name in words.items():
        noun = "a standard deviation" if "INVERSE" not in name else "an inverse standard deviation"
        for at_set, used in ((False, False), (True, True), (False, True), (True, False)):
            yield Hypothesis(
                name,
                f"running_var holds {noun}, expected a variance [BN-3.1]",
                {"state_kind": kind, "state_kind_set": at_set, "state_kind_used": used},
                {"got": kind, "expected": "variance"},
                stateful,
            )
        yield Hypothesis(
            name,
            f"running_var is given out as {noun}, expected a variance [BN-3.1]",
            {"state_kind_out": kind},
            {"got": kind, "expected": "variance"},
            stateful,
        )
    for where, text in (("batch", "each batch's variance"), ("state", "running_var in every step")):
        yield Hypothesis(
            "EPS_STORED",
            f"eps is added to {text}: running_var contains eps; it belongs into the root alone [BN-3.1, BN-2.3]",
            {"eps_stored": where},
            {"where": where},
            stateful,
        )
    yield Hypothesis(
        "EPS_STORED",
        "running_var is given out with eps added [BN-3.1]",
        {"state_kind_out": "with eps"},
        {"where": "out"},
        stateful,
    )
    yield Hypothesis(
        "EPS_STORED",
        "eps is added to each batch's variance before the factor m/(m-1) [BN-3.1]",
        {"eps_stored": "before factor"},
        {"where": "batch"},
        stateful,
    )
