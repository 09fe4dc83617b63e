"""Where the first deviation enters: mean -> var -> inverse std -> x_hat -> y, and dbeta -> dgamma -> dx.

Every stage is recomputed from what was *observed* of the stage before, so that a wrong variance does not count
against the y that follows from it.
"""

import numpy as np

from .view import View

FORWARD = ("batch_mean", "batch_var", "running_mean", "running_var")


def first_deviation(failing) -> str:
    """In words, the earliest stage that deviates in the smallest failing case; empty where nothing was measured."""
    for question in failing:
        stages = list(deviating(question))
        if stages:
            return f"the first deviation enters in {stages[0]} ({question.case.id})"
    return ""


def deviating(question):
    """Names of the stages that deviate by themselves, in order, step by step."""
    for index, step in enumerate(question.case.steps):
        failed = {name.split(".", 1)[1] for name in question.failed if name.startswith(f"{index}.")}
        where = f"{step.mode} step {index}"
        for name in ("batch_mean", "batch_var"):
            if name in failed:
                yield f"{name} of {where}"
        if "y" in failed:
            yield from (f"{stage} of {where}" for stage in _of_y(question, index))
        for name in (
            "dbeta",
            "dgamma",
            "dx",
            "y_dot",
            "d2dy",
            "d2gamma",
            "d2x",
            "running_mean",
            "running_var",
            "weight",
            "bias",
        ):
            if name in failed:
                yield f"{name} of {where}"


def _of_y(question, index):
    """Stages of y that deviate."""
    with np.errstate(all="ignore"):
        return list(_stages_of_y(question, index))


def _stages_of_y(question, index):
    """Whether the mean, the inverse standard deviation, or what comes after x_hat is wrong in y."""
    got = question.got.get(f"{index}.y")
    x = question.inputs.get(f"{index}.x")
    if got is None or x is None or got.size == 0:
        yield "y"
        return
    view = View(x.shape, question.case.channel_axes)
    got, want = view.rows(got), view.rows(question.exact[f"{index}.y"])
    allowed = view.rows(question.allowed[f"{index}.y"])
    spread_got, spread_want = got - got.mean(axis=0), want - want.mean(axis=0)
    slope = np.sum(spread_got * spread_want, axis=0) / np.sum(spread_want**2, axis=0)
    straight = np.abs(spread_got - slope * spread_want) <= 3 * allowed.max(axis=0)
    if not np.all(straight):
        yield "x_hat (y is no affine function of the expected one, channel by channel)"
    elif np.any(np.abs(slope - 1) * np.abs(spread_want).max(axis=0) > allowed.max(axis=0)):
        yield f"the inverse standard deviation or gamma (y spreads {np.round(slope[:4], 6).tolist()} times as wide)"
    else:
        yield "the mean or beta (y is shifted)"
