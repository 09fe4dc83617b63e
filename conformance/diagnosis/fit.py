"""Mistakes with a number in them: decay and eps are solved for from what was observed, then tried like all others."""

import numpy as np

from ..mistakes.hypotheses.record import Hypothesis, stateful
from .question import Question


def fitted(questions: list[Question]) -> list[Hypothesis]:
    """Hypotheses whose constants come from the data: one value everywhere, or one a case where values differ."""
    return [*_decays(questions), *_epsilons(questions), *_limits(questions), *_roots(questions)]


def _decays(questions):
    found = {}
    for question in questions:
        if question.case.has_state and any(name.endswith("running_mean") for name in question.failed):
            steps = observed_decays(question)
            if steps:
                found[question.case.id] = steps
    if not found:
        return
    flat = np.concatenate([np.array(list(values.values())) for values in found.values()])
    given = {question.case.id: question.case.decay for question in questions}
    constant = float(np.median(flat))
    if np.ptp(flat) < 1e-3:
        value = _neat(constant)
        yield Hypothesis(
            "DECAY_DIFFERS",
            f"the state decays by {value:.6g} whatever decay says [BN-3.1]",
            {"decay": lambda d, t, c: value},
            {"got": value, "expected": "decay"},
            stateful,
            1,
        )
        old = [given[name] is None for name in found]
        if all(old):
            yield Hypothesis(
                "CUMULATIVE_IGNORED",
                f"decay = None is taken as decay {value:.6g}, expected the arithmetic mean [BN-3.2]",
                {"cumulative": lambda t: 1 - value},
                {"got": value},
                lambda c: stateful(c) and c.decay is None,
                1,
            )
    if all(given[name] is None for name in found):
        weights = found
        yield Hypothesis(
            "CUMULATIVE_IGNORED",
            "decay = None is not the arithmetic mean of all steps [BN-3.2]",
            {"decay": _per_case(weights), "decay_when_none": True},
            {"old state keeps": _table(weights)},
            lambda c: stateful(c) and c.decay is None,
            2,
        )
        return
    name = "DECAY_DIFFERS" if all(np.ptp(list(v.values())) < 1e-3 for v in found.values()) else "DECAY_SHRINKS"
    text = (
        "another decay than the one given is used"
        if name == "DECAY_DIFFERS"
        else "the weight of a new batch changes from step to step"
    )
    yield Hypothesis(
        name, f"{text} [BN-3.1]", {"decay": _per_case(found)}, {"old state keeps": _table(found)}, stateful, 2
    )


def _per_case(found):
    right = lambda decay, step: 1 - 1 / step if decay is None else decay
    return lambda decay, step, case: found.get(case.id, {}).get(step, right(decay, step))


def _table(found):
    return {name: [round(float(v), 6) for v in values.values()] for name, values in list(found.items())[:4]}


def _neat(value):
    """The decimal of four digits that is meant, if the value is one up to noise."""
    short = round(value, 4)
    return short if abs(short - value) < 2e-4 * max(abs(short), 1e-3) else value


@np.errstate(all="ignore")
def observed_decays(question: Question) -> dict[int, float]:
    """Weight of the old state by training step, from running_mean before and after it and the exact batch mean."""
    before = np.asarray(question.inputs["running_mean"], np.float64)
    found, count = {}, 0
    for index, step in enumerate(question.case.steps):
        after, batch = question.got.get(f"{index}.running_mean"), question.base.get(f"{index}.batch_mean")
        if after is None:
            return found
        if step.mode in ("train", "renorm"):
            if batch is None or not np.all(np.isfinite(after)) or not np.all(np.isfinite(batch)):
                return found
            count += 1
            span = before - batch
            if np.sum(span**2) > 0:
                found[count] = float(np.sum((after - batch) * span) / np.sum(span**2))
        before = after
    return found


def _epsilons(questions):
    """eps from how strongly y is squeezed: (gamma / slope)**2 - var; from plain cases, where there are such."""
    questions = [q for q in questions if not q.aside] or questions
    for mode in ("train", "infer"):
        values = {}
        for question in questions:
            index = next((i for i, s in enumerate(question.case.steps) if s.mode == mode), None)
            if index is not None and f"{index}.y" in question.failed and not question.raised:
                value = observed_eps(question, index)
                if value is not None:
                    values[question.case.id] = (value, question.case.eps)
        if values:
            yield from _eps_hypotheses(values)


def _eps_hypotheses(values):
    sharp = sorted(values.values(), key=lambda pair: pair[0][1])[:8]  # the least uncertain ones
    got = np.array([value for (value, _), _ in sharp])
    given = np.array([eps for _, eps in sharp])
    ratio = got / np.where(given > 0, given, np.nan)
    for modes in ("both", "train", "infer"):
        for gradient in ("derived", "right"):
            same = {"eps_modes": modes, "eps_gradient": gradient}
            for value in {_digits(got[0]), float(got[0])}:
                yield Hypothesis(
                    "EPS_DIFFERS",
                    f"eps is {value:.6g} whatever was given ({modes}) [BN-2.4]",
                    {"eps": lambda c, value=value: value, **same},
                    {"got": value, "expected": "eps", "modes": modes},
                    None,
                    1,
                )
            if np.isfinite(ratio[0]):
                for factor in {_digits(ratio[0]), float(ratio[0])}:
                    yield Hypothesis(
                        "EPS_DIFFERS",
                        f"{factor:.6g} eps is used for eps ({modes}) [BN-2.4]",
                        {"eps": lambda c, factor=factor: factor * c.eps, **same},
                        {"got": f"{factor:.6g} eps", "expected": "eps", "modes": modes},
                        None,
                        1,
                    )


def _digits(value):
    """The nearest number of two digits: what somebody would have typed."""
    return float(f"{value:.1e}")


@np.errstate(all="ignore")
def observed_eps(question: Question, index: int):
    """(eps, its uncertainty) that the spread of y reveals in the channel where it shows best, or None."""
    from .layer import Layer
    from .view import View

    case, step = question.case, question.case.steps[index]
    view = View(question.inputs[f"{index}.x"].shape, case.channel_axes)
    x, y = view.rows(question.inputs[f"{index}.x"]), view.rows(question.got[f"{index}.y"])
    if len(x) < 3 or "mask" in step.inputs or "sizes" in step.options:
        return None
    layer = Layer(case, question.inputs, question_rules(), question.conventions.running_ddof)
    if step.mode == "train":
        var = x.var(axis=0)
    elif index == 0 or not case.has_state:
        var = np.asarray(question.inputs["running_var"], np.float64).reshape(-1)
    else:
        var = question.got.get(f"{index - 1}.running_var", np.full(case.shape[case.channel_axes[0]], np.nan)).reshape(
            -1
        )
    centred = x - x.mean(axis=0)
    slope = np.sum(centred * y, axis=0) / np.sum(centred**2, axis=0)
    total = (layer.gamma / slope) ** 2
    eps = total - var
    doubt = total / np.maximum(np.abs(eps), 1e-300)
    usable = np.isfinite(eps) & (layer.gamma != 0) & (eps >= -1e-9 * total) & np.isfinite(doubt)
    if not usable.any():
        return None
    best = int(np.argmin(np.where(usable, doubt, np.inf)))
    return max(float(eps[best]), 0.0), float(doubt[best])


def question_rules():
    from .rules import DEFINITION

    return DEFINITION


def _limits(questions):
    """A clipped range: the largest magnitude that was given, if many values share it."""
    limits = {}
    for question in questions:
        for name in question.values_failed:
            if name.endswith(".y") and name in question.got and question.got[name].size:
                y = np.abs(question.got[name])
                exact = np.abs(question.exact[name])
                top = float(np.max(y))
                if np.isfinite(top) and np.max(exact) > top:
                    limits[top] = limits.get(top, 0) + 1
    for top in sorted(limits, key=limits.get, reverse=True)[:2]:
        yield Hypothesis(
            "CLIPPED",
            f"y is clipped to [-{top:g}, {top:g}] [BN-2.3]",
            {"y_limit": top},
            {"output": "y", "limit": top},
            None,
            1,
        )
    for top in (3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 1.0, 2.0):
        for kept in (False, True):
            yield Hypothesis(
                "CLIPPED",
                f"x_hat is clipped to [-{top:g}, {top:g}] [BN-2.3]",
                {"hat_limit": top, "hat_limit_kept": kept},
                {"output": "x_hat", "limit": top},
                None,
                1,
            )
    for top in (1.0, 5.0, 10.0, 100.0, 1e3):
        yield Hypothesis(
            "CLIPPED",
            f"dy is clipped to [-{top:g}, {top:g}] [BN-5.1]",
            {"dy_limit": top},
            {"input": "dy", "limit": top},
            None,
            1,
        )
    for top in (10.0, 100.0, 1e3, 1e4, 6.0, 65504.0, 1e6):
        yield Hypothesis(
            "CLIPPED",
            f"x is clipped to [-{top:g}, {top:g}] [BN-2.3]",
            {"x_limit": top},
            {"output": "x", "limit": top},
            None,
            1,
        )


def quake(r, rounds=1):
    """The bit trick in single precision with some Newton steps, whatever the type of the rest; r is the right value."""
    value = np.asarray(1.0 / (r * r)).astype(np.float32)
    guess = (np.int32(0x5F3759DF) - (value.view(np.int32) >> 1)).astype(np.int32).view(np.float32)
    for _ in range(rounds):
        guess = guess * (np.float32(1.5) - np.float32(0.5) * value * guess * guess)
    return guess.astype(np.float64)


def _roots(questions):
    """Approximate inverse roots that are known by their bits."""
    for rounds, words in (
        (1, "one Newton step: relative error up to 1.8e-3"),
        (2, "two Newton steps: relative error up to 5e-6"),
    ):
        yield Hypothesis(
            "FAST_INVERSE_SQRT",
            f"1/sqrt is the bit trick with {words} [BN-2.3]",
            {"r_scale": lambda r, n=rounds: quake(r, n)},
            {"newton steps": rounds},
        )
