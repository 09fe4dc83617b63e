"""Mistakes in masks, synchronization, renormalization, folding and population statistics [BN-6, BN-4.3, BN-3.4]."""

from itertools import product

from .record import Hypothesis, modes


def masked(case):
    return any("mask" in step.inputs for step in case.steps)


def sharded(case):
    return any("sizes" in step.options for step in case.steps) and case.steps[0].mode != "population"


def hypotheses(running_ddof):
    yield from _masks()
    yield from _shards()
    yield from _renorm()
    yield from _fold()
    yield from _population()


def _masks():
    yield Hypothesis("MASK_IGNORED", "the mask is not used [BN-6.1]", {"mask": "ignored"}, {}, masked)
    for spread, text in (
        ("all", "the mean is masked, the variance is not"),
        ("zeros", "masked values count as zeros in the variance"),
    ):
        yield Hypothesis("MASK_IGNORED", f"{text} [BN-6.1]", {"mask_spread": spread}, {"part": "variance"}, masked)
    yield Hypothesis(
        "MASK_COUNT",
        "m/(m-1) of running_var counts all positions, expected the masked ones [BN-6.1]",
        {"mask_factor": "all"},
        {"part": "running_var"},
        masked,
    )
    yield Hypothesis(
        "MASK_INVERTED", "true marks the values that are left out [BN-6.1]", {"mask": "inverted"}, {}, masked
    )
    for count, text in (
        ("all", "all positions"),
        ("channel 0", "the first channel"),
        ("every channel", "the masked values of all channels"),
        ("channels", "C times the masked values"),
        ("mean", "the mean over the channels"),
        ("samples", "the marked samples, not their positions"),
        ("shrunk", "the mask before it is broadcast"),
        ("as given", "the mask as given, not broadcast"),
        ("plus epsilon", "the masked values plus 1e-7"),
    ):
        for gradient in ("m", "all"):
            yield Hypothesis(
                "MASK_COUNT",
                f"masked sums are divided by the count of {text} [BN-6.1]",
                {"mask_count": count, "gradient_count": gradient},
                {"got": text},
                masked,
            )
    for what in ("zero", "x", "beta"):
        for dx, parameters in product(("", "zero"), ("all", "marked")):
            sums = "marked" if dx else "all"
            yield Hypothesis(
                "MASK_OUTPUT",
                f"y is {what} where the mask is false; it is computed at every position [BN-6.1]",
                {"mask_output": what, "mask_dx": dx, "mask_parameters": parameters, "mask_sums": sums},
                {"got": what},
                masked,
            )
    for sums, terms, dx, parameters, count in product(
        ("all", "marked"), ("marked", "all", "none"), ("", "zero"), ("all", "marked"), ("m", "all")
    ):
        if (sums, terms, dx, parameters, count) != ("all", "marked", "", "all", "m"):
            detail = {
                "sums over": sums,
                "terms at": terms,
                "parameters over": parameters,
                "dx outside": dx or "kept",
                "divisor": count,
            }
            text = f"the gradient under a mask: sums over {sums} positions, terms through the statistics at {terms}, dgamma and dbeta over {parameters}"
            yield Hypothesis(
                "MASK_GRADIENT",
                f"{text}{', dx zero outside' if dx else ''} [BN-6.2]",
                {
                    "mask_sums": sums,
                    "mask_terms": terms,
                    "mask_dx": dx,
                    "mask_parameters": parameters,
                    "gradient_count": count,
                },
                detail,
                masked,
            )


def _shards():
    for how, name, text in (
        ("equal", "SYNC_NOT_COUNT_WEIGHTED", "shards weigh the same whatever their size"),
        ("equal over all", "SYNC_NOT_COUNT_WEIGHTED", "shards weigh the same, empty ones included"),
        ("equal mean", "SYNC_NOT_COUNT_WEIGHTED", "the mean weighs shards the same, the variance is taken about it"),
        ("equal var", "SYNC_NOT_COUNT_WEIGHTED", "the variance weighs shards the same"),
        ("equal var weighted", "SYNC_NOT_COUNT_WEIGHTED", "the mean weighs shards the same, the variance by count"),
        (
            "local var",
            "SYNC_MEAN_OF_LOCAL_VAR",
            "the variance is the weighted mean of the shards' own, without the spread of their means",
        ),
        ("equal local var", "SYNC_MEAN_OF_LOCAL_VAR", "mean and variance are the plain means of the shards' own"),
        (
            "equal local var over all",
            "SYNC_MEAN_OF_LOCAL_VAR",
            "mean and variance are the sums of the shards' own over the number of shards",
        ),
        ("mean of local var", "SYNC_MEAN_OF_LOCAL_VAR", "the variance is the plain mean of the shards' own"),
    ):
        yield Hypothesis(name, f"{text} [BN-6.3]", {"shards": how}, {"got": how, "expected": "whole batch"}, sharded)
    yield Hypothesis(
        "DEGENERATE_POISONS_STATE",
        "the NaN of an empty shard enters the merged statistics [BN-6.3, BN-3.5]",
        {"shards": "poisoned"},
        {"m": 0},
        sharded,
    )
    for state, sums in product(
        ("merged", "first", "last", "mean", "mean unbiased", "sequential"), ("merged", "local", "last")
    ):
        yield Hypothesis(
            "SYNC_LOCAL_ONLY",
            "each shard normalizes by its own statistics [BN-6.3]",
            {"shards": "local", "shard_state": state, "shard_sums": sums, "shard_sums_in": "parameters"},
            {"state": state},
            sharded,
        )
    for state in ("first", "last", "mean", "mean unbiased", "count", "sequential", "local count"):
        yield Hypothesis(
            "SYNC_STATE_LOCAL",
            f"the state takes the shards' statistics ({state}), not those of the whole batch [BN-6.3]",
            {"shard_state": state},
            {"got": state},
            sharded,
        )
    for sums, where in product(
        (
            "local",
            "first",
            "last",
            "counted twice",
            "counted by all",
            "divided",
            "equal",
            "local over total",
        ),
        ("parameters", "dx", "both"),
    ):
        if sums == "first" and where != "dx":
            continue
        yield Hypothesis(
            "SYNC_GRADIENT",
            f"the sums of the gradient in {where} are {sums}, expected those of the whole batch [BN-6.3]",
            {"shard_sums": sums, "shard_sums_in": where},
            {"got": sums, "in": where},
            sharded,
        )


def _renorm():
    for name, text, words in (
        ("RENORM_IGNORED", "the step is plain training", {"off": True}),
        ("RENORM_NOT_CLIPPED", "r and d are not limited", {"clip_r": False, "clip_d": False}),
        ("RENORM_NOT_CLIPPED", "r is not limited", {"clip_r": False}),
        ("RENORM_NOT_CLIPPED", "d is not limited", {"clip_d": False}),
        ("RENORM_NOT_CLIPPED", "r has no lower limit", {"one_sided": "none"}),
        ("RENORM_NOT_CLIPPED", "the lower limit of r is 0", {"one_sided": "zero"}),
        ("RENORM_NOT_CLIPPED", "r has no upper limit", {"one_sided": "lower only"}),
        ("RENORM_FACTOR_INVERTED", "r is the ratio turned over", {"inverted": True}),
        ("RENORM_STATE_AFTER", "r and d come from the running values after the step", {"after": True}),
        ("RENORM_DIFFERENTIATED", "the gradient leaves out r", {"gradient": False}),
        ("RENORM_DIFFERENTIATED", "dgamma leaves out r and d", {"parameters": "plain"}),
        (
            "RENORM_DIFFERENTIATED",
            "the gradient leaves out r, and dgamma r and d",
            {"gradient": False, "parameters": "plain"},
        ),
        ("RENORM_DIFFERENTIATED", "dgamma leaves out d", {"parameters": "no shift"}),
        ("RENORM_DIFFERENTIATED", "the gradient goes through r and d", {"through": True}),
        ("RENORM_DIFFERENTIATED", "dx is that of frozen statistics", {"through": "frozen"}),
        ("RENORM_SHIFT_DROPPED", "d is missing", {"shift": 0.0}),
        ("RENORM_SHIFT_DROPPED", "d has the other sign", {"shift": -1.0}),
        ("RENORM_SHIFT_DROPPED", "d is divided by the batch's deviation", {"shift_by": "batch"}),
    ):
        yield Hypothesis(name, f"{text} [BN-6.4]", {"renorm": words}, dict(words), modes("renorm"))


def _other_axis(case, weight, choose):
    axis = case.steps[0].options["out_axis"]
    return choose(axis, weight)


def _fold():
    a_size = lambda case: case.shape[case.channel_axes[0]]
    in_place = lambda axis, weight: 1 - axis if axis < 2 else axis - 1
    choices = (
        ("0", lambda case, weight: 0),
        ("1", lambda case, weight: 1),
        ("the last", lambda case, weight: weight.ndim - 1),
        ("the inputs'", lambda case, weight: in_place(case.steps[0].options["out_axis"], weight)),
        (
            "the first of that length",
            lambda case, weight: next((k for k, n in enumerate(weight.shape) if n == a_size(case)), 0),
        ),
    )
    for text, choose in choices:
        yield Hypothesis(
            "FOLD_WRONG_AXIS",
            f"the weight is scaled along axis {text}, expected out_axis [BN-4.3]",
            {"fold": {"axis": choose}},
            {"got": text, "expected": "out_axis"},
            modes("fold"),
        )
    for order in ("interleaved", "transposed", "first only"):
        yield Hypothesis(
            "FOLD_WRONG_AXIS",
            f"the outputs of grouped layers are scaled in another order ({order}) [BN-4.3]",
            {"fold": {"order": order}},
            {"got": order},
            modes("fold"),
        )
    for eps in ("missing", "outside", "clamped"):
        yield Hypothesis(
            "FOLD_EPS",
            f"eps is {eps} in the folded weight and bias [BN-4.3, BN-2.3]",
            {"fold": {"eps": eps}},
            {"got": eps},
            modes("fold"),
        )
    yield Hypothesis(
        "ROOT_MISSING",
        "the weight is divided by var + eps, without the root [BN-4.3]",
        {"fold": {"eps": "no root"}},
        {"got": "var + eps"},
        modes("fold"),
    )
    for value in (1e-3, 1e-5, 1e-12, 1e-8, 0.01, 0.1, 1e-4, 1e-6):
        yield Hypothesis(
            "FOLD_EPS",
            f"eps = {value:g} stands in the folded weight and bias [BN-4.3]",
            {"fold": {"value": value}},
            {"got": value},
            modes("fold"),
        )
    for eps in ("missing", "outside"):
        yield Hypothesis(
            "FOLD_EPS",
            f"eps is {eps} in the folded weight [BN-4.3]",
            {"fold": {"eps": eps, "eps_in": "weight"}},
            {"got": eps, "in": "weight"},
            modes("fold"),
        )
        yield Hypothesis(
            "FOLD_EPS",
            f"eps is {eps} in the folded bias [BN-4.3]",
            {"fold": {"eps": eps, "eps_in": "bias"}},
            {"got": eps, "in": "bias"},
            modes("fold"),
        )
    for bias in ("dropped", "unscaled"):
        yield Hypothesis(
            "FOLD_BIAS_DROPPED",
            f"the bias of the preceding layer is {bias}, expected a c [BN-4.3]",
            {"fold": {"bias": bias}},
            {"got": bias},
            modes("fold"),
        )
    for words, text in (
        ({"gamma": False}, "gamma is not used"),
        ({"beta": False}, "beta is not used"),
        ({"gamma": False, "beta": False}, "gamma and beta are not used"),
        ({"gamma_in": "weight"}, "gamma is not used in the folded bias"),
        ({"gamma_in": "bias"}, "gamma is not used in the folded weight"),
    ):
        yield Hypothesis("FOLD_GAMMA_IGNORED", f"{text} [BN-4.3]", {"fold": words}, dict(words), modes("fold"))
    for words, text in (
        ({"mean": 0.0}, "is left out of the folded bias"),
        ({"mean": -1.0}, "has the wrong sign"),
        ({"mean_scale": lambda a: 1.0}, "is not scaled by a"),
    ):
        yield Hypothesis(
            "FOLD_MEAN_DROPPED",
            f"the running mean {text} [BN-4.3]",
            {"fold": words},
            {"term": "a running_mean"},
            modes("fold"),
        )


def _population():
    yield Hypothesis(
        "POPULATION_NOT_UNBIASED",
        "population statistics average the variances with ddof 0, expected 1 [BN-3.4]",
        {"population_ddof": 0},
        {"got": 0, "expected": 1},
        modes("population"),
    )
    yield Hypothesis(
        "POPULATION_NOT_UNBIASED",
        "the mean variance is multiplied by m/(m-1) of the mean m [BN-3.4]",
        {"population": "ddof after"},
        {"got": "after"},
        modes("population"),
    )
    yield Hypothesis(
        "POPULATION_WEIGHTED",
        "population statistics weigh each batch by its size [BN-3.4]",
        {"population_weighted": True},
        {"got": "by size", "expected": "equal"},
        modes("population"),
    )
    for ddof in (0, 1):
        yield Hypothesis(
            "POPULATION_WEIGHTED",
            "population statistics are those of all batches as one [BN-3.4]",
            {"population": "whole", "population_ddof": ddof},
            {"got": "whole"},
            modes("population"),
        )
    yield Hypothesis(
        "DDOF_OVER_BATCH_ONLY",
        "population variances are multiplied by N/(N-1) [BN-3.4]",
        {"population": "batch ddof"},
        {"got": "N/(N-1)"},
        modes("population"),
    )
