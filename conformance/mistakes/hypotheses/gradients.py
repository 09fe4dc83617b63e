"""Mistakes in the derivatives [BN-5]."""

from .record import Hypothesis, modes, second_or_tangent


def has_gradient(case):
    return any("dy" in step.inputs for step in case.steps)


def hypotheses(running_ddof):
    yield Hypothesis(
        "GRAD_FORMULA_OF_OTHER_MODE",
        "dx of training is gamma r dy, the formula of inference: the terms through mean and variance are missing [BN-5.1]",
        {"train_gradient": "infer"},
        {"mode": "train", "got": "infer", "expected": "train"},
        has_gradient,
    )
    yield Hypothesis(
        "GRAD_FORMULA_OF_OTHER_MODE",
        "dx of inference has the terms of training; the running statistics are constants [BN-5.2]",
        {"infer_gradient": "train"},
        {"mode": "infer", "got": "train", "expected": "infer"},
        modes("infer", "frozen"),
    )
    for mode in ("both", "train", "infer"):
        yield from _terms(mode)
    yield from _statistics()
    yield from _higher()


DROPPED = (
    ("mean(dy)", {"mean_term": 0.0}),
    ("x_hat mean(dy x_hat)", {"hat_term": 0.0}),
    ("dy", {"own": 0.0}),
    ("gamma", {"dx_gamma": False}),
    ("r", {"dx_r": 0.0}),
)
SIGNS = (
    ("mean(dy)", {"mean_term": -1.0}),
    ("x_hat mean(dy x_hat)", {"hat_term": -1.0}),
)
SCALED = (
    ("dx: both means are divided by m - 1", {"gradient_count": "m - 1"}),
    ("dx: both means are divided by the spatial size", {"gradient_count": "spatial"}),
    ("dx: both means are sums", {"gradient_count": "one"}),
    ("dx: both means are divided by all values", {"gradient_count": "total"}),
    ("dx: r appears squared", {"dx_r": 2.0}),
    ("dx: r appears cubed", {"dx_r": 3.0}),
    ("dx: the term x_hat mean(dy x_hat) counts twice", {"hat_term": 2.0}),
    ("dx: the term mean(dy) counts twice", {"mean_term": 2.0}),
    ("dx: the term x_hat mean(dy x_hat) counts half", {"hat_term": 0.5}),
    ("dgamma is the sum of dy (x - mean), without r", {"dgamma_of": "centred"}),
    ("dgamma is the sum of dy x", {"dgamma_of": "x"}),
    ("dgamma is the sum of dy y", {"dgamma_of": "y"}),
    ("dgamma is multiplied by gamma", {"dgamma_of": "scaled"}),
    ("dgamma is the sum of dy x r, without the mean", {"dgamma_of": "x r"}),
    ("dbeta is multiplied by gamma", {"dbeta_of": "scaled"}),
)
FACTORS = (
    ("m", lambda m, case, view: m),
    ("1/m", lambda m, case, view: 1 / m),
    ("1/N", lambda m, case, view: m * 0 + 1 / max(view.samples, 1)),
    ("N/m", lambda m, case, view: max(view.samples, 1) / m),
    ("-1", lambda m, case, view: m * 0 - 1),
    ("2", lambda m, case, view: m * 0 + 2),
    ("1/2", lambda m, case, view: m * 0 + 0.5),
    ("m/(m-1)", lambda m, case, view: m / (m - 1)),
    ("(m-1)/m", lambda m, case, view: (m - 1) / m),
    ("0", lambda m, case, view: m * 0),
)


def _terms(mode):
    where = "" if mode == "both" else f" ({mode})"
    for term, changes in DROPPED:
        if "mean" in term and mode != "both":
            continue  # inference has no such term
        yield Hypothesis(
            "GRAD_TERM_DROPPED",
            f"dx lacks {term}{where} [BN-5.1, BN-5.2]",
            {**changes, "gradient_modes": mode},
            {"output": "dx", "term": term, "mode": mode},
            has_gradient,
        )
    for term, changes in SIGNS if mode == "both" else ():
        yield Hypothesis(
            "GRAD_SCALED",
            f"dx has {term} with the wrong sign{where} [BN-5.1]",
            {**changes, "gradient_modes": mode},
            {"output": "dx", "term": term, "factor": "-1", "mode": mode},
            has_gradient,
        )
    for text, changes in SCALED:
        if "mean" in text and mode != "both":
            continue
        name = "GRAD_TERM_DROPPED" if "without" in text or text.endswith("dy x") else "GRAD_SCALED"
        yield Hypothesis(
            name,
            f"{text}{where} [BN-5.1, BN-5.2]",
            {**changes, "gradient_modes": mode},
            {"output": text.split()[0].strip(":"), "got": text, "mode": mode},
            has_gradient,
        )
    for output in ("dx", "dgamma", "dbeta"):
        for text, rule in FACTORS:
            name = "GRAD_TERM_DROPPED" if text == "0" else "GRAD_SCALED"
            yield Hypothesis(
                name,
                f"{output} is multiplied by {text}{where} [BN-5.1, BN-5.2]",
                {f"{output}_scale": rule, "gradient_modes": mode},
                {"output": output, "factor": text, "mode": mode},
                has_gradient,
            )
    for text, rule in FACTORS:
        changes = {"dgamma_scale": rule, "dbeta_scale": rule}
        yield Hypothesis(
            "GRAD_SCALED",
            f"dgamma and dbeta are multiplied by {text}{where} [BN-5.1]",
            {**changes, "gradient_modes": mode},
            {"output": "dgamma, dbeta", "factor": text, "mode": mode},
            has_gradient,
        )
        changes["dx_scale"] = rule
        yield Hypothesis(
            "GRAD_SCALED",
            f"all gradients are multiplied by {text}{where} [BN-5.1]",
            {**changes, "gradient_modes": mode},
            {"output": "all", "factor": text, "mode": mode},
            has_gradient,
        )


def _statistics():
    yield Hypothesis(
        "GRAD_SCALED",
        "the term through the variance is divided by m - 1, expected m [BN-5.1]",
        {"variance_term": lambda var, eps, m: m / (m - 1)},
        {"output": "dx", "term": "x_hat mean(dy x_hat)", "factor": "m/(m-1)"},
        has_gradient,
    )
    yield Hypothesis(
        "EPS_GRADIENT_DIFFERS",
        "the term through the variance divides by var, without eps [BN-5.1]",
        {"variance_term": lambda var, eps, m: (var + eps) / var},
        {"got": "missing in the variance term"},
        has_gradient,
    )
    yield Hypothesis(
        "GAMMA_BETA_SWAPPED",
        "dgamma and dbeta are given out in each other's place [BN-5.1]",
        {"parameters_swapped": True},
        {"output": "dgamma, dbeta"},
        has_gradient,
    )
    yield Hypothesis(
        "GRAD_FROM_OUTPUT",
        "the backward pass recovers x_hat as (y - beta)/gamma, which gamma = 0 forbids [BN-7.5]",
        {"hat_from_y": True},
        {},
        has_gradient,
    )
    yield Hypothesis(
        "GRAD_ACCUMULATED",
        "dgamma and dbeta contain those of earlier steps [BN-5.1]",
        {"accumulate": True},
        {"output": "dgamma, dbeta"},
        has_gradient,
    )
    yield Hypothesis(
        "GRAD_WRONG_STATS",
        "the gradient of inference uses the statistics of the batch [BN-5.2]",
        {"gradient_stats": {"infer": "batch"}},
        {"mode": "infer"},
        modes("infer", "frozen"),
    )
    for when, words in (("running", "before"), ("updated", "after")):
        for formula in ("train", "infer"):
            yield Hypothesis(
                "GRAD_WRONG_STATS",
                f"the gradient of training uses the running statistics from {words} the step [BN-5.1]",
                {"gradient_stats": {"train": when}, "train_gradient": formula},
                {"mode": "train", "got": when},
                modes("train"),
            )


def _higher():
    for term, text in (
        ("mean", "mean(x')"),
        ("hat", "x_hat mean(x_hat x')"),
        ("gamma", "gamma' x_hat"),
        ("beta", "beta'"),
        ("own", "x'"),
    ):
        yield Hypothesis(
            "JVP_TERM_DROPPED",
            f"the forward-mode derivative lacks {text} [BN-5.3]",
            {"jvp": {term: 0.0}},
            {"term": text},
            second_or_tangent,
        )
    for what, words in (("jvp", "the forward-mode derivative"), ("second", "the second derivative")):
        for mode in ("train", "infer"):
            yield Hypothesis(
                "GRAD_FORMULA_OF_OTHER_MODE",
                f"{words} of {mode} is that of the other mode [BN-5.3, BN-5.4]",
                {what: {f"other mode {mode}": 1.0}},
                {"mode": mode, "order": words},
                second_or_tangent,
            )
    yield Hypothesis(
        "JVP_TERM_DROPPED",
        "the forward-mode derivative is that of inference: it lacks both means [BN-5.3]",
        {"jvp": {"mean": 0.0, "hat": 0.0}},
        {"term": "mean(x'), x_hat mean(x_hat x')"},
        second_or_tangent,
    )
    for term, text in (
        ("projection", "the projection P(u_x)"),
        ("gamma", "u_gamma x_hat in d2dy"),
        ("beta", "u_beta in d2dy"),
        ("outer", "r P(u_gamma dy) in d2x"),
        ("curved", "the terms with r**2 in d2x"),
        ("k", "k x_hat in d2x"),
        ("b", "b u_x in d2x"),
        ("c", "c dy in d2x"),
        ("kb", "b c in k"),
        ("mean", "mean(u_x) mean(dy) in k"),
        ("outer projection", "the projection of u_gamma dy in d2x"),
        ("curved projection", "the projection of b u_x + c dy in d2x"),
        ("d2gamma", "all of d2gamma"),
        ("d2gamma projection", "the projection in d2gamma"),
        ("d2dy projection", "the projection in d2dy"),
    ):
        yield Hypothesis(
            "SECOND_ORDER_TERM_DROPPED",
            f"the second derivative lacks {text} [BN-5.4]",
            {"second": {term: 0.0}},
            {"term": text},
            second_or_tangent,
        )
