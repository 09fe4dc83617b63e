"""What is computed: eps, ddof, decay, modes, gradients."""

import numpy as np

from ..mistakes import whats
from ..mistakes.whens import MASKED, TRAINING, WITH_GRADIENT, WITHOUT_GRADIENT
from .finding import Finding, against, skipped
from .probe import RIGHT, at, closest, probe, step

CLAMPED = whats.formula("max(variance, eps)", lambda v, at: np.maximum(at.under, at.eps))
OVER_BATCH = whats.formula("N/(N-1)", lambda v, at: whats.batch(at) / max(whats.batch(at) - 1, 1))
UNBIASED = whats.formula("m/(m-1)", lambda v, at: at.m_all / (at.m_all - 1))

FORMS = {
    "inside the root": RIGHT,
    "outside the root": at("root", whats.OUTSIDE_ROOT),
    "clamped: max(var, eps)": at("var_eps", CLAMPED),
    "not used": at("eps", whats.LEFT_OUT),
    "in place of the root": at("root", whats.NOT_ROOTED),
}


def eps(box, conventions):
    """Where eps goes, and whether the number given is the number used [BN-2.3, BN-2.4]."""
    asked = probe("eps", eps=0.5, std=0.7)
    for mode, output in (("training", "0.y"), ("inference", "1.y")):
        # inference stands on the observed state's exact value: decay = 1 keeps what was given
        case = probe("eps-inference", eps=0.5, decay=1.0) if mode == "inference" else asked
        name, evidence = closest(box, case, FORMS, [output])
        yield against(f"eps in {mode}", name, evidence, "inside the root", "BN-2.3")
    yield _eps_value(box)


def _eps_value(box):
    """The eps that is used, solved for where it is as large as the variance."""
    got = []
    for value in (0.5, 1e-2):
        asked = probe(f"eps-{value}", eps=value, std=value**0.5, mean=0.0, shape=(16, 3, 8))
        y = box.ask(asked).outputs.get("0.y")
        if y is None:
            return skipped("eps value", _why(box, asked))
        x, gamma = asked.tensors["0.x"].astype(np.float64), asked.tensors["gamma"].astype(np.float64)
        centred = x - x.mean(axis=(0, 2), keepdims=True)
        slope = np.sum(centred * y.astype(np.float64), axis=(0, 2)) / np.sum(centred**2, axis=(0, 2))
        found = (gamma / slope) ** 2 - x.var(axis=(0, 2))
        got.append((value, float(np.median(found))))
    right = all(abs(found - value) <= 1e-3 * value for value, found in got)
    shown = ", ".join(f"given {value:g}: {found:.6g}" for value, found in got)
    same = np.ptp([found for _, found in got]) <= 5e-3 * max(abs(found) for _, found in got)
    factor = got[0][1] / got[0][0]
    scaled = all(abs(found / value - factor) <= 1e-3 * abs(factor) for value, found in got)
    words = (
        "as given" if right else f"always {got[-1][1]:.3g}" if same else f"{factor:.4g} eps" if scaled else "another"
    )
    return against("eps value", words, shown, "as given", "BN-2.4")


def _why(box, asked):
    failure = box.ask(asked).failure
    return f"{failure.what} {failure.text}"[:140] if failure else "no such output"


def ddofs(box, conventions):
    """ddof of the variance that normalizes, and of the one that is blended [BN-2.2, BN-3.3]."""
    asked = probe("ddof", shape=(2, 3, 2), std=1.5)
    readings = {"0": RIGHT, "1": at("var_used", whats.times("m/(m-1)"))}
    yield against("normalizing ddof", *closest(box, asked, readings, ["0.y"]), "0", "BN-2.2")
    asked = probe("running-ddof", shape=(2, 3, 2), decay=0.0)
    name, evidence = closest(
        box,
        asked,
        {
            "0": RIGHT,
            "1": at("bessel", UNBIASED),
            "1, over the batch axis alone": at("bessel", OVER_BATCH),
        },
        ["0.running_var"],
        0,
    )
    yield against("running ddof", name, evidence, str(conventions.running_ddof))


def decays(box, conventions):
    """What the number given weighs, exponentially or cumulatively [BN-3.1, BN-3.2]."""
    found = []
    for decay in (0.75, 0.9):
        asked = probe(
            f"decay-{decay}", decay=decay, steps=[step(n=4, dy=None), step(n=7, dy=None), step(n=5, dy=None)], mean=5.0
        )
        weights = _weights(box, asked)
        if weights is None:
            yield skipped("decay", _why(box, asked))
            return
        found.append((decay, weights))
    old = all(abs(w - decay) < 1e-4 for decay, weights in found for w in weights)
    new = all(abs(w - (1 - decay)) < 1e-4 for decay, weights in found for w in weights)
    words = "weight of the old state" if old else "weight of the new batch" if new else _other_weight(found)
    shown = "; ".join(
        f"given {decay}: old state keeps {', '.join(f'{w:.5g}' for w in weights)}" for decay, weights in found
    )
    yield against("decay", words, shown, "weight of the old state", "the adapter translates, BN-3.1")
    yield _cumulative(box, conventions)


def _other_weight(found):
    """A constant weight is named, whatever was given."""
    weights = [w for _, of_one in found for w in of_one]
    return f"always {np.mean(weights):.4g}" if np.ptp(weights) < 1e-4 else "another weight"


def _cumulative(box, conventions):
    asked = probe(
        "cumulative", decay=None, steps=[step(n=4, dy=None), step(n=7, dy=None), step(n=5, dy=None)], mean=5.0
    )
    weights = _weights(box, asked)
    if weights is None:
        reason = conventions.cannot.get("decay:cumulative") or conventions.cannot.get("cumulative")
        failure = box.ask(asked).failure
        return Finding(
            "decay = None",
            "refused",
            _why(box, asked),
            reason or "cumulative average (BN-3.2)",
            bool(reason) and failure is not None,
        )
    right = np.allclose(weights, [0, 1 / 2, 2 / 3][: len(weights)], atol=1e-4)
    return against(
        "decay = None",
        "cumulative average" if right else "another average",
        f"old state keeps {', '.join(f'{w:.5g}' for w in weights)}",
        "cumulative average",
        "BN-3.2",
    )


def _weights(box, asked):
    """What the old state weighs in each step, from the running means; None where they are not all there."""
    seen, old, found = box.ask(asked).outputs, asked.tensors["running_mean"].astype(np.float64), []
    for index in range(len(asked.case.steps)):
        got = seen.get(f"{index}.running_mean")
        if got is None:
            return None
        got, new = got.astype(np.float64), asked.tensors[f"{index}.x"].astype(np.float64).mean(axis=(0, 2))
        found.append(float(np.sum((got - new) * (old - new)) / np.sum((old - new) ** 2)))
        old = got
    return found


def modes(box, conventions):
    """Which statistics normalize in which mode, and which mode moves the state [BN-2.3, BN-3.6, BN-4.1, BN-4.4]."""
    asked = probe("train", steps=[step()], running=((4.0,), (9.0,)))
    readings = {
        "batch": RIGHT,
        "running": at("mean_used", whats.RUNNING_MEAN) + at("var_used", whats.RUNNING_VAR),
        "running, after the update": at("mean_used", whats.BLENDED_MEAN) + at("var_used", whats.BLENDED_VAR),
    }
    yield against("training normalizes by", *closest(box, asked, readings, ["0.y"]), "batch", "BN-2.3")
    for mode in ("infer", "frozen"):
        asked = probe(mode, steps=[step(mode)], running=((4.0,), (9.0,)))
        name, evidence = closest(
            box,
            asked,
            {"running": RIGHT, "batch": at("mean_used", whats.BATCH_MEAN) + at("var_used", whats.BATCH_VAR)},
            ["0.y"],
        )
        yield against(f"{_noun(mode)} normalizes by", name, evidence, "running", "BN-4.1")
        moved = {"kept": RIGHT, "updated": at("updates", whats.ONCE)}
        yield against(f"state in {_noun(mode)}", *_state(box, asked, moved, conventions), "kept", "BN-4.4")
    asked = probe("once", steps=[step(dy=None), step()], decay=0.75)
    readings = {
        "once": RIGHT,
        "not at all": at("updates", whats.NONE),
        "twice": at("updates", whats.TWICE),
        "twice with a gradient": at("updates", whats.TWICE, TRAINING & WITH_GRADIENT),
        "only with a gradient": at("updates", whats.NONE, WITHOUT_GRADIENT),
    }
    yield against("a training step updates", *_state(box, asked, readings, conventions), "once", "BN-3.6")


def _noun(mode):
    return {"infer": "inference", "frozen": "frozen training"}[mode]


def _state(box, asked, readings, conventions):
    last = len(asked.case.steps) - 1
    return closest(box, asked, readings, [f"{last}.running_mean"])


def gradients(box, conventions):
    """What dx flows through: coefficients of dy, mean(dy) and x_hat mean(dy x_hat), fitted [BN-5.1, BN-5.2]."""
    for mode, want in (("train", "dy, mean and variance"), ("infer", "dy alone")):
        asked = probe(f"gradient-{mode}", steps=[step(mode)], shape=(16, 3, 5), eps=0.25)
        dx = box.ask(asked).outputs.get("0.dx")
        noun = "training" if mode == "train" else "inference"
        if dx is None:
            yield skipped(f"gradient in {noun} flows through", _why(box, asked))
            continue
        weights = _coefficients(asked, dx.astype(np.float64), mode)
        shown = (
            f"dx / (gamma r) = {weights[0]:.4f} dy {weights[1]:+.4f} mean(dy) {weights[2]:+.4f} x_hat mean(dy x_hat)"
        )
        on = [abs(w + 1) < 1e-2 for w in weights[1:]]
        off = [abs(w) < 1e-2 for w in weights[1:]]
        words = {
            (True, True): "dy, mean and variance",
            (True, False): "dy and mean",
            (False, True): "dy and variance",
            (False, False): "dy alone",
        }[tuple(on)]
        known = abs(weights[0] - 1) < 1e-2 and all(a or b for a, b in zip(on, off))
        yield against(
            f"gradient in {noun} flows through",
            words if known else "none of these",
            shown,
            want,
            "BN-5.1" if mode == "train" else "BN-5.2",
        )


def _coefficients(asked, dx, mode):
    wide = {name: value.astype(np.float64) for name, value in asked.tensors.items()}
    x, dy, axes = wide["0.x"], wide["0.dy"], (0, 2)
    view = lambda values: values.reshape(1, -1, 1)
    if mode == "train":
        mean, var = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    else:
        mean, var = view(wide["running_mean"]), view(wide["running_var"])
    r = 1 / np.sqrt(var + asked.case.eps)
    x_hat = (x - mean) * r
    average = lambda values: np.broadcast_to(values.mean(axis=axes, keepdims=True), x.shape)
    terms = np.stack([dy.ravel(), average(dy).ravel(), (x_hat * average(dy * x_hat)).ravel()], axis=1)
    target = dx / (view(wide["gamma"]) * r)
    return np.linalg.lstsq(terms, target.ravel(), rcond=None)[0]


def masks(box, conventions):
    """Whether a mask is taken, and what it does [BN-6.1]; some layers take one only where the channels lie last."""
    readings = {
        "statistics over marked values": RIGHT,
        "ignored": at("mask", whats.formula("true everywhere", lambda v, at: np.ones_like(v)), MASKED),
        "inverted": at("mask", whats.formula("true for false", lambda v, at: ~v), MASKED),
        "divided by all": at("m", whats.formula("all", lambda v, at: np.full_like(v, at.row.shape[1])), MASKED),
    }
    reason = conventions.cannot.get("mask")
    for place, shape, axes in (("channels first", (6, 3, 5), 1), ("channels last", (6, 5, 3), 2)):
        asked = probe(f"mask-{axes}", steps=[step(mask="position")], mean=3.0, shape=shape, axes=axes)
        name, evidence = closest(box, asked, readings, ["0.y"])
        if name in readings:
            break
    declared = "unsupported" if reason else "statistics over marked values"
    yield against("mask", name, f"{place}: {evidence}", declared, reason or "BN-6.1")
