"""What a framework's public layer does, asked through its constructor in the user's words; nothing declared is read.

A statistic is what inference uses: y at 0 and at 1 give the mean and the deviation back, whatever the state looks like.
"""

import json
import sys
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bnconform.dtypes import dtype

from .core import FIELDS
from .forms import FORMS, Form
from .layers import HOMES

TINY = 1e-6  # so small a deviation that eps is all there is under the root
OFTEN = 12  # steps after which 0.25**n is nothing in float32
WRONG = 5e-3  # the third digit of a number near 1
RATIOS = (1e1, 1e2, 1e3, 1e4, 1e5, 1e6)


@dataclass(frozen=True)
class Row:
    """property: what was asked. finding: the answer in words. key: what two implementations are compared by. evidence:
    the numbers behind it."""

    property: str
    finding: str
    key: Any
    evidence: str = ""


class Asked:
    """A layer class with what it has to be told; layers of two channels that are built for each question."""

    def __init__(self, cls):
        self.cls, self.form, self.needed = cls, FORMS[cls.form], {}
        try:
            cls(2, 2)
        except TypeError:  # an argument without a default
            self.needed = {self.form.decay: self.form.users_number(0.9)}

    def layer(self, rank=2, channels=2, **words):
        """eps, decay (the user's own number): arguments by the form's names."""
        names = {"eps": self.form.eps, "decay": self.form.decay}
        return self.cls(rank, channels, **(self.needed | {names[key]: value for key, value in words.items()}))

    def old(self, decay):
        """The user's number for a weight of the old state."""
        return self.form.users_number(decay)


def column(*values):
    """A batch (m, 2) with the values in both channels."""
    return np.repeat(np.array(values, np.float32)[:, None], 2, axis=1)


def used(made, eps):
    """Mean and variance that inference uses."""
    zero, one = (float(np.asarray(made.infer(column(at)), np.float64)[0, 0]) for at in (0.0, 1.0))
    slope = one - zero
    return -zero / slope, 1 / slope**2 - eps


def attempt(ask):
    """What `ask()` gives, or the type of what it raises, as words; the error itself goes to the evidence."""
    try:
        return ask()
    except Exception as error:  # whatever a framework raises
        return f"raises {type(error).__name__}", str(error).strip().split("\n")[0][:120]


def eps_default(on: Asked):
    y = np.asarray(on.layer().train(column(*[TINY, -TINY] * 4)), np.float64)
    slope = float(np.ptp(y)) / (2 * TINY)
    value = float(f"{1 / slope**2 - TINY**2:.3g}")
    yield Row(
        "default eps", f"{on.form.eps}={value:g}", value, f"values of deviation {TINY:g} are multiplied by {slope:.4g}"
    )


def averages(on: Asked):
    """What the number weighs, its default, and how the average starts."""
    asked = _mean_of_two(on, decay=0.25)
    debiased = min(abs(asked - w) for w in (0.25, 0.75)) > 0.02
    old = 1 / asked - 1 if debiased else 1 - asked
    weighs = "the old state" if abs(old - 0.25) < 0.02 else "the new batch"
    yield Row(
        "what the number weighs",
        f"{on.form.decay} weighs {weighs}",
        weighs,
        f"0.25: batches of mean 0 and 1 leave a mean of {asked:.3g}",
    )
    start = "the first batch (zero-debiased)" if debiased else "mean 0 and variance 1"
    yield Row("the average starts from", start, start, f"at 0.25, {asked:.3g}")
    if on.needed:
        yield Row("default momentum", f"{on.form.decay} has to be given", None, "the constructor asks for it")
        return
    found = _mean_of_two(on)
    decay = float(f"{(1 / found - 1 if debiased else 1 - found):.3g}")
    number = float(f"{decay if weighs == 'the old state' else 1 - decay:.3g}")
    yield Row(
        "default momentum", f"{on.form.decay}={number:g}", decay, f"batches of mean 0 and 1 leave a mean of {found:.4g}"
    )


def _mean_of_two(on, **words):
    made = on.layer(eps=1e-3, **words)
    for mean in (0.0, 1.0):
        made.train(column(mean - 1, mean + 1, mean - 1, mean + 1))
    return used(made, 1e-3)[0]


def estimator(on: Asked):
    made = on.layer(eps=1e-3, decay=on.old(0.25))
    for _ in range(OFTEN):
        made.train(column(-2, 2, -2, 2))
    var = used(made, 1e-3)[1]
    ddof = 1 if abs(var - 16 / 3) < abs(var - 4) else 0
    words = ("biased: sum / m", "unbiased: sum / (m - 1)")[ddof]
    yield Row("running variance", words, ddof, f"batches of 4 values -2, 2, -2, 2 leave {var:.4g}")


def cumulative(on: Asked):
    def ask():
        made = on.layer(eps=1e-3, decay=None)
        for mean in (0.0, 1.0, 5.0):
            made.train(column(mean - 1, mean + 1))
        mean = used(made, 1e-3)[0]
        return ("averages all batches" if abs(mean - 2) < 1e-3 else "something else"), f"means 0, 1, 5 leave {mean:.3g}"

    words, evidence = attempt(ask)
    words = words if words.startswith("averages") else "none"
    yield Row("cumulative average", f"{on.form.decay}=None {words}" if words != "none" else "none", words, evidence)


def bare_call(on: Asked):
    made = on.layer()
    if not hasattr(made, "bare"):
        yield Row("a call that says nothing of the mode", "there is none: the mode is an argument", "must be said")
        return

    def ask():
        mean = float(np.mean(made.bare(column(4, 6, 4, 6))))
        return ("training" if abs(mean) < 0.1 else "inference"), f"a batch of mean 5 gives {mean:.3g}"

    words, evidence = attempt(ask)
    key = "must be said" if words.startswith("raises") else words
    yield Row("a call that says nothing of the mode", f"{words}", key, evidence)


def channel_axis(on: Asked):
    x = np.random.default_rng(0).normal(size=(4, 3, 5)).astype(np.float32)
    works = []
    for name, axis, given in (("axis 1", 1, x), ("the last axis", 2, np.moveaxis(x, 1, 2))):
        others = tuple(a for a in range(3) if a != axis)
        want = (given - given.mean(others, keepdims=True)) / np.sqrt(given.var(others, keepdims=True) + 1e-3)
        got = attempt(lambda g=given: (np.asarray(on.layer(3, 3, eps=1e-3).train(np.ascontiguousarray(g))), ""))[0]
        works += [name] if not isinstance(got, str) and np.abs(got - want).max() < 1e-3 else []
    yield Row("channel axis as built", " or ".join(works), works, "x of shape (4, 3, 5) and (4, 5, 3), three channels")


def degenerate(on: Asked):
    yield _edge(on, "one value a channel, in training", column(3.0))
    if on.cls.form == "mlx":
        yield Row("empty batch, in training", "not asked", "not asked", "reducing an empty array may hang in MLX")
    else:
        yield _edge(on, "empty batch, in training", np.zeros((0, 2), np.float32))
    words, evidence = attempt(lambda: _finite(on.layer(**{"eps": 0.0}).train(column(1, 2, 4))))
    yield Row("eps = 0", words, words, evidence)
    y = np.asarray(on.layer().train(np.full((512, 2), 6e4, np.float32)), np.float64)
    off = float(np.abs(y).max())
    words = "beta" if off < 1e-3 else "not beta"
    yield Row("a constant channel of 60,000, in training", words, words, f"beta is 0, y is off by {off:.2g}")


def _finite(y):
    return (
        "accepted" if np.isfinite(y).all() else "not finite"
    ), f"y of 1, 2, 4 is {', '.join(f'{v:.3f}' for v in y[:, 0])}"


def _edge(on, name, x):
    def ask():
        made = on.layer(eps=1e-3, decay=on.old(0.5))
        y = np.asarray(made.train(x))
        mean, var = (0.0 if abs(v) < 1e-6 else v for v in used(made, 1e-3))
        state = "NaN" if not np.isfinite([mean, var]).all() else f"mean {mean:.2g}, variance {var:.2g}"
        given = "" if not y.size else f"y = {y[0, 0]:.2g}, "
        return f"{given}state then {state}", "decay 0.5; the state was mean 0, variance 1"

    words, evidence = attempt(ask)
    return Row(name, words, words, evidence)


def types(on: Asked):
    for name in ("float16", "bfloat16", "float64"):

        def ask(name=name):
            made = on.layer()
            y = made.train(column(1, 2, 4, 7).astype(dtype(name)))
            state = {str(np.asarray(v).dtype) for k, v in made.arrays().items() if np.asarray(v).dtype.kind != "i"}
            return f"y {np.asarray(y).dtype.name}, state {'/'.join(sorted(state))}", "layer as built"

        words, evidence = attempt(ask)
        yield Row(f"x of {name}", words, words, evidence)


def freezing(on: Asked):
    if not on.cls.freezing:
        yield Row("freezing", "no gradients to freeze", "none")
        return
    did = {setting: attempt(lambda s=setting: (_frozen(on, s), ""))[0] for setting in on.cls.freezing}
    words = "; ".join(f"`{setting}`: {effect}" for setting, effect in did.items())
    yield Row("freezing", words, sorted(set(did.values())), "one training step with it set")


def _frozen(on, setting):
    """What moves in a training step with a setting."""
    made = on.layer(eps=1e-3, decay=on.old(0.5))
    before = made.arrays()
    made.frozen_step(setting, column(4, 6, 4, 6), column(1, 0, 0, 3), 0.25)
    after = made.arrays()
    still = {f: np.array_equal(before[on.form.path(f, "")], after[on.form.path(f, "")]) for f in FIELDS}
    kept = {"state": still["running_mean"] and still["running_var"], "parameters": still["gamma"] and still["beta"]}
    return ", ".join(f"{what} {'kept' if stays else 'moving'}" for what, stays in kept.items())


def masks(on: Asked):
    made = on.layer(eps=1e-3)
    if not hasattr(made, "masked"):
        yield Row("mask", "takes none", "none")
        return
    x, mask = column(1, 3, 100, 5), np.array([True, True, False, True])
    y = np.asarray(made.masked(x, mask))[0, 0]
    over = "statistics over the marked values" if abs(y - (1 - 3) / np.sqrt(8 / 3 + 1e-3)) < 1e-2 else "something else"
    yield Row("mask", over, over, f"1, 3, (100), 5: y of 1 is {y:.3g}")


def counting(on: Asked):
    counts = on.layer().counts()
    yield Row(
        "numbers of a layer of two channels", ", ".join(f"{k} {v}" for k, v in counts.items()), sorted(counts.values())
    )
    name = on.form.paths.get("count", "none").rpartition("{}")[2].strip("./~")
    yield Row("batch counter", name, name != "none")


def precision(on: Asked):
    """Where the third digit of y is lost to |mean| / deviation, in float32."""
    base = np.random.default_rng(0).normal(size=(512, 2))
    base = (base - base.mean(0)) / base.std(0)
    lost, errors = None, []
    for ratio in RATIOS:
        x = (ratio + base).astype(np.float32)
        wide = x.astype(np.float64)
        want = (wide - wide.mean(0)) / np.sqrt(wide.var(0) + 1e-3)
        y = np.asarray(on.layer(eps=1e-3).train(x), np.float64)
        error = float(np.abs(y - want).max() / np.abs(want).max()) if np.isfinite(y).all() else np.inf
        errors.append(f"{ratio:.0e}: {error:.0e}")
        if error >= WRONG:
            lost = ratio
            break
    words = f"from mean/std = {lost:.0e} on" if lost else "never up to 1e6"
    yield Row("y is wrong in the third digit (float32)", words, lost, ", ".join(errors))


PROBES = (
    eps_default, averages, estimator, cumulative, bare_call, channel_axis, freezing, masks, degenerate, types, counting,
    precision,
)  # fmt: skip


def ask_all(cls) -> list[Row]:
    """All rows of a layer class, in order."""
    on = Asked(cls)
    return [row for probe in PROBES for row in probe(on)]


def form_named(name: str) -> Form:
    return FORMS[name if name in FORMS else "keras"]


if __name__ == "__main__":  # a process for one framework: `python -m ...probes NAME`
    cls = HOMES[sys.argv[1]].load()
    sys.stdout.write(
        "\n" + json.dumps({"version": cls.version(), "rows": [asdict(row) for row in ask_all(cls)]}) + "\n"
    )
