"""LeNet with batch normalization from scratch beside the framework's layers, at a learning rate of 1."""

import copy

import numpy as np
import torch
from torch import Tensor, nn

from .networks import Tensors, batches, score, tensors, train
from .record import Check, Claim, Measurement, Number
from .run import Run
from .style import ALT, BN, GREEN, PLAIN, band, panels

EPS, DECAY = 1e-5, 0.9


class FromScratch(nn.Module):
    """The text's layer for `[N, C]` and `[N, C, H, W]`, with its flaws.

    Whether gradients are enabled, not `training`, chooses the statistics; running ones are plain attributes and take
    the variance with ddof 0. `ddof` 1 in training is no flaw of the text's, but the control of the comparison.
    """

    def __init__(self, channels: int, dims: int, ddof: int = 0) -> None:
        super().__init__()
        self.ddof = ddof
        shape = (1, channels) if dims == 2 else (1, channels, 1, 1)
        self.gamma, self.beta = nn.Parameter(torch.ones(shape)), nn.Parameter(torch.zeros(shape))
        self.mean, self.var = torch.zeros(shape), torch.ones(shape)

    def forward(self, x: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            mean, var = self.mean.to(x), self.var.to(x)
        else:
            axes = [0] if x.ndim == 2 else [0, 2, 3]
            mean = x.mean(axes, keepdim=True)
            var = ((x - mean) ** 2).sum(axes, keepdim=True) / (x.numel() / x.shape[1] - self.ddof)
            self.mean = DECAY * self.mean.to(x) + (1 - DECAY) * mean.detach()
            self.var = DECAY * self.var.to(x) + (1 - DECAY) * var.detach()
        return self.gamma * (x - mean) / torch.sqrt(var + EPS) + self.beta


def _framework(channels: int, dims: int) -> nn.Module:
    return (nn.BatchNorm1d if dims == 2 else nn.BatchNorm2d)(channels, eps=EPS, momentum=1 - DECAY)


def _ddof1(channels: int, dims: int) -> nn.Module:
    return FromScratch(channels, dims, ddof=1)


def lenet(channels: int, norm) -> nn.Sequential:
    """LeNet on 28x28 with `norm(channels, dims)` before each sigmoid (`nn.Identity()` for none)."""
    return nn.Sequential(
        nn.Conv2d(channels, 6, 5),
        norm(6, 4),
        nn.Sigmoid(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        norm(16, 4),
        nn.Sigmoid(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(256, 120),
        norm(120, 2),
        nn.Sigmoid(),
        nn.Linear(120, 84),
        norm(84, 2),
        nn.Sigmoid(),
        nn.Linear(84, 10),
    )


def _build(run: Run, norm, seed: int) -> nn.Sequential:
    torch.manual_seed(run.key(seed))
    model = lenet(run.images.shape[0], norm)
    for layer in model:
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            nn.init.xavier_uniform_(layer.weight)  # as the training function that the text calls does
    return model.to(run.device)


def _rounded(values: Tensor, rng: np.random.Generator) -> Tensor:
    """Every float64 value moved up or down by one unit roundoff."""
    return values * (1 + 2.0**-52 * torch.from_numpy(rng.choice([-1.0, 1.0], tuple(values.shape))).to(values))


def _losses(model: nn.Module, data: Tensors, run: Run, jitter: np.random.Generator | None = None) -> np.ndarray:
    """Loss at each of the first steps in float64, lr 1; `jitter` rounds every weight and every output of a BN once
    more."""
    model, losses = model.double(), []
    if jitter is not None:
        for layer in model:
            if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
                layer.register_forward_hook(lambda _, inputs, out: _rounded(out, jitter))
    for index in batches(len(data.train_x), run["batch"], run["trajectory"], run.rng(3)):
        loss = nn.functional.cross_entropy(model(data.train_x[index].double()), data.train_y[index])
        model.zero_grad()
        loss.backward()
        losses.append(float(loss.detach()))
        with torch.no_grad():
            for p in model.parameters():
                p -= p.grad
                if jitter is not None:
                    p.copy_(_rounded(p, jitter))
    return np.array(losses)


def _trajectories(run: Run, data: Tensors) -> dict[str, np.ndarray]:
    """Losses' difference between the two implementations, and the allowance: what rounding alone does to the
    framework's.

    A BN layer and its gradient take some tens of rounded operations a value, in another order in each implementation.
    The allowance at a step is therefore a hundred times what one more rounding of every weight and every BN output
    makes, the largest so far of three such runs, or what one rounding of the loss is. `control` is the difference
    that a true error makes, ddof 1 in training: so that an allowance too wide to notice anything would show.
    """
    framework, scratch, wrong = (_build(run, norm, 0) for norm in (_framework, FromScratch, _ddof1))
    base = _losses(copy.deepcopy(framework), data, run)
    jittered = [np.abs(_losses(copy.deepcopy(framework), data, run, run.rng(9, r)) - base) for r in range(3)]
    return {
        "difference": np.abs(_losses(scratch, data, run) - base),
        "control": np.abs(_losses(wrong, data, run) - base),
        "allowance": 100 * np.maximum.accumulate(np.max([*jittered, 2.0**-52 * base], 0)),
    }


def _flaws(run: Run, data: Tensors) -> dict[str, Number]:
    """What the from-scratch layer's way of choosing the mode and keeping its state does."""
    model = _build(run, FromScratch, 1)
    train(
        model,
        data.train_x,
        data.train_y,
        torch.optim.SGD(model.parameters(), lr=1.0),
        batch=run["batch"],
        steps=run["steps"],
        rng=run.rng(1),
    )
    kept = score(model, data.test_x, data.test_y)[0]
    loaded = _build(run, FromScratch, 2)
    loaded.load_state_dict(model.state_dict())
    lost = score(loaded, data.test_x, data.test_y)[0]
    layer = copy.deepcopy(model[1]).eval()
    x = model[0](data.test_x[:64]).detach()
    before, out = layer.mean.clone(), layer(x).detach()
    with torch.no_grad():
        inference = layer(x)
    return {
        "kept": Number.exact("from scratch: test accuracy", 100 * kept, "%"),
        "lost": Number.exact("from scratch: after saving and loading its state_dict", 100 * lost, "%"),
        "eval": Number.exact(
            "from scratch, eval() with gradients: largest change against inference", (out - inference).abs().max()
        ),
        "moved": Number.exact(
            "from scratch, eval() with gradients: change of the running mean", (layer.mean - before).abs().max()
        ),
    }


NOTES = (
    "The first allowance, ten times the rounding of the weights alone, was widened after a measurement: it left out "
    "what BN itself rounds, and on one processor it was exceeded 1.3-fold by differences of 2e-14, where ddof 1 makes "
    "some 1e-3. The control came with the change.",
)


def measure(run: Run) -> Measurement:
    data = tensors(run.images, run.device, size=28)
    kinds = {"with BN": _framework, "without": lambda c, d: nn.Identity()}
    found: dict[tuple[str, float], list[tuple[float, list[float]]]] = {(k, lr): [] for k in kinds for lr in run["lrs"]}
    for kind, lr, seed in run.track([(*key, s) for key in found for s in range(run["seeds"])], "networks"):
        model, losses = _build(run, kinds[kind], seed), []
        train(
            model,
            data.train_x,
            data.train_y,
            torch.optim.SGD(model.parameters(), lr=lr),
            batch=run["batch"],
            steps=run["steps"],
            rng=run.rng(seed),
            after=lambda _, loss, keep=losses: keep.append(loss),
        )
        found[kind, lr].append((100 * score(model, data.test_x, data.test_y)[0], losses))
        if (kind, lr, seed) == ("with BN", 1.0, 0):
            gamma, beta = (p.detach().flatten().cpu().numpy() for p in (model[1].weight, model[1].bias))
    paths = _trajectories(run, data)
    numbers = {
        "score": Number.exact(
            "from scratch against framework: largest loss difference / allowance",
            float((paths["difference"] / paths["allowance"]).max()),
        ),
        "control": Number.exact(
            "the same with ddof 1 in training, an error to be noticed",
            float((paths["control"] / paths["allowance"]).max()),
        ),
        "first": Number.exact(
            "from scratch against framework: loss difference at step 1", paths["difference"][0], "nats"
        ),
    }
    for (kind, lr), runs in found.items():
        numbers[f"{kind} {lr:g}"] = Number.of(f"test accuracy {kind}, learning rate {lr:g}", [r[0] for r in runs], "%")
    numbers |= {f"gamma{i}": Number.exact(f"learned γ of map {i + 1}, first layer", g) for i, g in enumerate(gamma)}
    numbers |= {f"beta{i}": Number.exact(f"learned β of map {i + 1}, first layer", b) for i, b in enumerate(beta)}
    numbers |= _flaws(run, data)
    return Measurement(numbers, {"found": found, "paths": paths, "gamma": gamma, "beta": beta}, NOTES)


def draw(m: Measurement):
    figure, axes = panels(3)
    styles = {"with BN": BN, "without": PLAIN}
    for (kind, lr), runs in m.series["found"].items():
        losses = np.array([r[1] for r in runs])
        band(
            axes[0],
            np.arange(1, losses.shape[1] + 1),
            losses,
            styles[kind],
            f"{kind}, lr {lr:g}",
            linestyle="-" if lr == 1 else ":",
        )
    axes[0].set(title="Training loss", xlabel="step", ylabel="loss (nats)", ylim=(0, 3.2))
    axes[0].legend(ncols=2, loc="upper right", fontsize=7.8)
    paths, steps = m.series["paths"], np.arange(1, len(m.series["paths"]["difference"]) + 1)
    axes[1].semilogy(
        steps, np.maximum(paths["difference"], 1e-17), "o-", color=BN, markersize=4, label="difference of the losses"
    )
    axes[1].semilogy(
        steps, np.maximum(paths["control"], 1e-17), "s-", color=PLAIN, markersize=4, label="with an error: ddof 1"
    )
    axes[1].semilogy(steps, np.maximum(paths["allowance"], 1e-17), color=ALT, linestyle="--", label="allowance")
    axes[1].set(title="From scratch against framework", xlabel="step (float64)", ylabel="loss difference (nats)")
    axes[1].legend()
    at = np.arange(len(m.series["gamma"]))
    axes[2].bar(at - 0.18, m.series["gamma"], 0.34, color=BN, label="γ")
    axes[2].bar(at + 0.18, m.series["beta"], 0.34, color=GREEN, label="β")
    axes[2].axhline(0, color="#9aa1ad", linewidth=1)
    axes[2].set_xticks(at, [str(i + 1) for i in at])
    axes[2].set(title="Learned γ and β, first layer", xlabel="feature map", ylabel="value (starts at 1 and 0)")
    axes[2].set_ylim(top=1.25 * axes[2].get_ylim()[1])
    axes[2].legend(ncols=2, loc="upper right")
    return figure


CLAIM = Claim(
    name="lenet",
    title="BN from scratch equals the framework's in LeNet, and makes learning rate 1.0 trainable",
    statement=(
        "LeNet with a hand-written BN before each sigmoid trains at learning rate 1.0, batch 256; the concise version "
        "with the framework's layers does the same. BN allows larger learning rates."
    ),
    source="Text 004 (notes on d2l, batch normalization)",
    method=(
        "Images enlarged to 28x28 where they are smaller. Losses of both versions from the same weights "
        "and batches in float64, plain SGD at 1.0, against an allowance: a hundred times what one more "
        "rounding of every weight and BN output makes of the framework's own losses. With torch's BN and "
        "without, at 0.1 and 1.0: test accuracy."
    ),
    headline="same path: {score} of the allowance; rate 1.0: {with BN 1} with BN, {without 1} without; rate 0.1 with "
    "BN: {with BN 0.1}; by hand {kept}, saved and loaded {lost}",
    checks=(
        Check(
            "From scratch and framework take the same path: loss differences within the allowance.",
            lambda n: n["score"].value <= 1,
        ),
        Check(
            "... and the allowance is not so wide that it would let ddof 1 pass (by ten times at least).",
            lambda n: n["control"].value >= 10,
        ),
        Check("With BN, learning rate 1.0 trains (test accuracy above 80 %).", lambda n: n["with BN 1"].low > 80),
        Check("Without BN it does not (test accuracy below 50 %).", lambda n: n["without 1"].high < 50, core=False),
        Check(
            "With BN, 1.0 does better than 0.1 in the same number of steps.",
            lambda n: n["with BN 1"].low > n["with BN 0.1"].high,
            core=False,
        ),
        Check(
            "The from-scratch version survives saving and loading (within 1 point).",
            lambda n: abs(n["kept"].value - n["lost"].value) <= 1,
            core=False,
        ),
    ),
    errata=(
        "The layer asks whether gradients are enabled, not whether it trains: eval() with gradients normalizes by the "
        "batch and moves the running statistics; training under no_grad does neither.",
        "Running statistics are plain attributes: not in the state_dict, so that a saved model is "
        "loaded with mean 0 and variance 1.",
        "Its running variance has ddof 0 where the framework's has ddof 1: inference "
        "differs by m/(m-1) in the variance.",
    ),
    quick={"batch": 256, "steps": 60, "trajectory": 10, "seeds": 3, "lrs": [0.1, 1.0]},
    full={"batch": 256, "steps": 600, "trajectory": 40, "seeds": 5, "lrs": [0.1, 1.0]},
    measure=measure,
    draw=draw,
)
