"""What people ask who move a model: the answer, the setting, and the measurement behind it, made on demand."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import bnconform as bn

from .layers import HOMES
from .probes import Asked, column, used


@dataclass(frozen=True)
class Question:
    """asks: in the user's words. answer: one line. setting: what to change. measure: the numbers, as text."""

    asks: str
    answer: str
    setting: str
    measure: Callable[[], str]


def _on(*names):
    """Layer classes of the frameworks that are there, by name."""
    return {name: Asked(HOMES[name].load()) for name in names if not HOMES[name].missing()}


def _each(names, ask):
    """One measurement a framework; who is not installed is said."""
    missing = [name for name in names if HOMES[name].missing()]
    found = [f"{name}: {ask(on)}" for name, on in _on(*names).items()]
    return "; ".join(found + [f"{name}: not installed" for name in missing])


KERAS = "keras-torch"


def _eps():
    at = dict(running_mean=np.zeros(1), running_var=np.full(1, 0.01), channel_axes=1)
    y = [float(bn.inference_forward(np.full((1, 1), 0.1), eps=eps, **at)[0, 0]) for eps in (1e-5, 1e-3)]
    found = _each(("torch", KERAS), lambda on: f"{on.layer().infer(column(1))[0, 0]:.5f}")
    return f"y of 0.1 with variance 0.01: {y[0]:.4f} at 1e-5, {y[1]:.4f} at 1e-3; y of 1 of a layer as built: {found}"


def _bare():
    return _each(
        ("torch", KERAS, "flax-nnx"), lambda on: f"{float(on.layer().bare(np.ones((4, 2), np.float32))[0, 0]):.4f}"
    )


def _counts():
    return _each(("torch", KERAS), lambda on: ", ".join(f"{k} {v}" for k, v in on.layer().counts().items()))


def _own_layer():
    out = []
    for m in (32, 64, 128):
        x = np.random.default_rng(m).normal(size=(m, 1))
        y = bn.train_forward(x, eps=1e-5, channel_axes=1).y
        out.append(f"m = {m}: {np.abs((x - x.mean()) / np.sqrt(x.var(ddof=1) + 1e-5) / y - 1).max():.2%}")
    return "normalized by the unbiased variance, y is off by " + ", ".join(out)


def _momentum_one():
    def ask(on):
        made = on.layer(eps=1e-3, decay=on.old(0.0))
        x = column(-2, 2, -2, 2)
        trained, inferred = made.train(x), made.infer(x)
        return f"training gives {trained[1, 0]:.4f}, evaluation {inferred[1, 0]:.4f}"

    return _each(("torch", KERAS), ask)


def _which_variance():
    def ask(on):
        made = on.layer(eps=1e-3, decay=on.old(0.25))
        for _ in range(12):
            made.train(column(-2, 2, -2, 2))
        return f"{used(made, 1e-3)[1]:.3f}"

    return "batches -2, 2, -2, 2 (variance 4 biased, 5.333 unbiased) leave " + _each(tuple(HOMES), ask)


def _whose_momentum():
    def ask(on):
        made = on.layer(eps=1e-3, decay=0.25)
        for mean in (0.0, 1.0):
            made.train(column(mean - 1, mean + 1))
        return f"{used(made, 1e-3)[0]:.2f}"

    return "given 0.25, batches of mean 0 and 1 leave a mean of " + _each(tuple(HOMES), ask)


def _lasagne():
    from .translation import translate

    var = np.array([0.5, 2.0])
    given = {"bn.mean": np.zeros(2), "bn.inv_std": 1 / np.sqrt(var + 1e-4)}
    moved = translate(given, "lasagne", "torch", arguments={"alpha": 0.1, "epsilon": 1e-4})
    got = moved.arrays["bn.running_var"]
    momentum = moved.arguments["bn"]["momentum"]
    inverse = ", ".join(f"{value:.4f}" for value in given["bn.inv_std"])
    return f"variances 0.5, 2: inv_std {inverse}; read back {got[0]:.6f}, {got[1]:.6f}; momentum {momentum:g}"


def _counter():
    def ask(on):
        out = []
        for momentum in (0.1, None):
            ends = []
            for count in (0, 3):
                made = on.layer(eps=1e-3, decay=momentum)
                made.load(made.arrays() | {"num_batches_tracked": np.array(count)})
                made.train(column(7, 9))
                ends.append(used(made, 1e-3)[0])
            out.append(f"momentum={momentum}: mean {ends[0]:.2f} with counter 0, {ends[1]:.2f} with 3")
        return ", ".join(out)

    return _each(("torch",), ask)


def _freezing():
    from .probes import freezing

    return _each(("torch", KERAS, "flax-linen", "mlx"), lambda on: next(iter(freezing(on))).finding)


def _no_running():
    from bnconform.backends.torch_arrays import array, tensor

    def ask(on):
        made = on.cls(2, 2, track_running_stats=False)
        of = lambda *batch: array(made.layer.eval()(tensor(column(*batch))))[0, 0]
        return f"evaluation of 1 in (1, 2, 6): {of(1, 2, 6):.3f}, in (1, 60, 61): {of(1, 60, 61):.3f}"

    return _each(("torch",), ask)


def _synchronized():
    shards = [np.array([1.0, 2.0, 6.0, 7.0]), np.array([11.0])]
    whole = np.concatenate(shards)
    naive = np.mean([s.mean() for s in shards]), np.mean([(s**2).mean() for s in shards])
    merged = bn.merge_moments([np.array([s.mean()]) for s in shards], [np.array([s.var()]) for s in shards], [4, 1])
    return (
        f"shards of 4 and 1 values: one batch has mean {whole.mean():.2f}, variance {whole.var():.2f}; a mean of the "
        f"means "
        f"{naive[0]:.2f}, {naive[1] - naive[0] ** 2:.2f}; weighted by the counts {merged[0][0]:.2f}, {merged[1][0]:.2f}"
    )


def _training_export():
    def ask(on):
        made = on.layer(eps=1e-3)
        made.load(made.arrays() | {"input_mean": np.zeros(2, np.float32), "input_var": np.ones(2, np.float32)})
        x = column(4, 6)
        return f"inference mode gives {made.infer(x)[0, 0]:.3f}, training mode {made.train(x)[0, 0]:.3f}"

    return _each(("onnx",), ask)


def _corrected():
    return ", ".join(f"m = {m}: factor {m / (m - 1):.6f}" for m in (2, 32, 1024, 32 * 28 * 28))


QUESTIONS = {
    "eps": Question(
        "Same weights, outputs 1e-2 apart.",
        "Keras' epsilon is 1e-3, the others' 1e-5: with small variances that is percents",
        "epsilon=1e-5 in Keras, or eps=1e-3 in torch",
        _eps,
    ),
    "constant": Question(
        "A constant input gives 1 in Keras and 0 in torch.",
        "a bare Keras call is inference, with mean 0 and variance 1; torch and nnx train",
        "layer(x, training=True), or model.eval() in torch",
        _bare,
    ),
    "counts": Question(
        "Parameter counts differ.",
        "Keras counts the moving statistics, torch keeps them as buffers",
        "nothing: compare the trainable ones",
        _counts,
    ),
    "own-layer": Question(
        "My own layer is off by 1 to 2 %.",
        "normalize by the biased variance, with eps inside the root",
        "var(ddof=0)",
        _own_layer,
    ),
    "momentum-one": Question(
        "Momentum is 1 and evaluation still differs from training.",
        "running_var carries m/(m - 1) in torch, MLX and tinygrad",
        "nothing: larger m, or a framework with the biased one",
        _momentum_one,
    ),
    "which-variance": Question(
        "Which running variance is it?",
        "unbiased in torch, MLX, tinygrad; biased in Keras, Flax, Paddle, ONNX, Equinox, Haiku",
        "--corrected M at the handover",
        _which_variance,
    ),
    "whose-momentum": Question(
        "Whose momentum weighs what?",
        "torch, MLX and tinygrad weigh the new batch; the others the old state",
        "momentum -> 1 - momentum",
        _whose_momentum,
    ),
    "lasagne": Question(
        "What are Lasagne's alpha and inv_std?",
        "alpha weighs the new batch; variance = 1/inv_std**2 - epsilon",
        "--from lasagne --set epsilon=1e-4 --set alpha=0.1",
        _lasagne,
    ),
    "counter": Question(
        "num_batches_tracked is missing.",
        "it matters for momentum=None only, where it is the weight",
        "momentum=0.1, or hand the counter over",
        _counter,
    ),
    "freezing": Question(
        "How do I freeze the layer?",
        "Keras: trainable=False (fit overrides training=False); torch, MLX: eval(), no gradients; Flax: see the row",
        "see the row",
        _freezing,
    ),
    "export-batch": Question(
        "An exported model changes between training and evaluation.",
        "with track_running_stats=False it used batch statistics all along",
        "track_running_stats=True, and train some steps",
        _no_running,
    ),
    "export-training": Question(
        "Exported in training mode, the model gives other outputs.",
        "training_mode=1 normalizes by the batch",
        "model.eval() before the export",
        _training_export,
    ),
    "synchronized": Question(
        "Is synchronized BN one big batch?",
        "a mean of means is right for equal counts only",
        "weigh by the counts [BN-6.3]",
        _synchronized,
    ),
    "correction": Question(
        "How large is the m/(m - 1) that I lose or gain?", "small m only: it is 1/(m - 1)", "--corrected M", _corrected
    ),
}
