"""The trajectories compared step by step with the definition's, the allowance, how soon mistakes leave it, the figure.

    python -m bnconform.conformance.moving.trajectories.measure

writes trajectories.json, TRAJECTORIES.md and trajectories.png.
"""

import datetime
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ...rows import rows
from ..layers import HOMES
from .frameworks import LAYOUTS, MAKERS, trained
from .network import NETWORKS, RATE, STEPS, Definition, Single, batches, digits, initial, is_state
from .wrong import WRONG

ALLOWANCE = """The allowance of a step is how far the definition's own roundings carry a network by then. The network is
trained twelve times in float32 arithmetic with the rows of every batch in another order: the same
mathematics. How far each quantity (the loss, every parameter's gradient, every statistic) is from the
float64 run after the first step, times what became since of the quantity that was moved most, times 8, is
allowed. It grows as the network amplifies rounding: by little where all is smooth; by orders of magnitude
at once where a ReLU's input passes zero, for its derivative jumps, and rounding decides on which side it is
(the blank margins of the digits let many pass together)."""

FOLDER = Path(__file__).parent
DATA, PAGE, FIGURE = FOLDER / "trajectories.json", FOLDER / "TRAJECTORIES.md", FOLDER / "trajectories.png"
REPLICAS, SAFETY = 12, 8.0


class Course:
    """Losses and, by name, what each step did: gradients of parameters (their change / rate) and statistics."""

    def __init__(self, start, losses, values):
        self.losses, self.values = np.array(losses), values
        before = [start, *values[:-1]]
        self.moves = {
            name: [
                (v[name] if is_state(name) else (b[name].astype(float) - v[name]) / RATE)
                for b, v in zip(before, values)
            ]
            for name in start
        }

    def distances(self, exact: "Course") -> dict[str, np.ndarray]:
        """Largest distance of each quantity at each step."""
        out = {"loss": np.abs(self.losses - exact.losses)}
        for name, moves in exact.moves.items():
            out[name] = np.array([np.abs(a - b).max() for a, b in zip(self.moves[name], moves)])
        return out


def definition(spec, start, data, kind="float64", norm=None, order=None):
    """(Course, the trained network). order: a seed for the order of the rows in every batch."""
    norm = norm or (Single() if kind == "float32" else None)
    made, losses, values = Definition(spec, start, kind, norm), [], []
    rng = np.random.default_rng(order) if order is not None else None
    for x, labels in data:
        rows = np.arange(len(labels)) if rng is None else rng.permutation(len(labels))
        losses.append(made.step(x[rows], labels[rows]))
        values.append(dict(made.values))
    return Course(start, losses, values), made


def allowances(spec, start, data, exact: Course) -> dict[str, np.ndarray]:
    """Quantity -> what is allowed at each step: what rounding did to it at the first step, and never less than the
    rounding of what it is read off, times what rounding did since to the most moved quantity of the network."""
    runs = [definition(spec, start, data, "float32", order=seed)[0].distances(exact) for seed in range(REPLICAS)]
    sizes = {name: np.array([np.abs(v[name]).max() for v in exact.values]) for name in start} | {"loss": exact.losses}
    # a gradient is the difference of two rounded parameters over the rate
    ulps = {name: 1.0 if name == "loss" or is_state(name) else 4 / RATE for name in sizes}
    unit = 2.0**-24
    floor = {name: unit * (1 + ulps[name] * size) for name, size in sizes.items()}
    own = {name: np.maximum(floor[name], max(run[name][0] for run in runs)) for name in floor}
    grown = np.max([run[name] / own[name] for run in runs for name in own], axis=0)
    return {name: SAFETY * own[name] * np.maximum.accumulate(np.maximum(grown, 1)) for name in own}


def leaving(distances, allowed):
    """(first step outside, the quantity that is furthest out there, worst score over all steps)."""
    scores = {name: distances[name] / allowed[name] for name in distances}
    table = np.array(list(scores.values()))
    outside = np.flatnonzero((table > 1).any(0))
    first = int(outside[0]) if len(outside) else None
    where = list(scores)[int(np.argmax(table[:, first]))] if first is not None else None
    return (None if first is None else first + 1), where, float(table.max())


def run_all(names, tell=print) -> dict:
    train, held = digits()
    data = list(batches(train))
    found = {"date": str(datetime.date.today()), "steps": STEPS, "networks": {}}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            tell(f"training {name}")
            command = [sys.executable, "-m", f"{__package__}.measure", name, folder]
            environment = (
                os.environ | dict(HOMES[name].environment) | {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1"}
            )
            done = subprocess.run(command, capture_output=True, text=True, env=environment)
            if done.returncode:
                raise RuntimeError(f"{name}: {done.stderr[-1500:]}")
        for net, spec in NETWORKS.items():
            tell(f"comparing {net}")
            found["networks"][net] = _network(net, spec, data, held, names, Path(folder))
    return found


def _network(net, spec, data, held, names, folder):
    start = initial(spec)
    exact, made = definition(spec, start, data)
    # the other running variance changes no gradient: the course of the frameworks with the biased one
    biased = definition(spec, start, data, norm=WRONG["the other running variance"]())[0]
    allowed = allowances(spec, start, data, exact)
    largest = lambda distances, i: max(d[i] for n, d in distances.items() if n != "loss")
    relative = lambda distances: [float(f"{largest(distances, i):.3g}") for i in range(STEPS)]
    out = {"accuracy": {"definition": made.accuracy(*held)}, "runs": {}, "wrong": {}, "curves": {}}
    out["allowed"] = relative(allowed)
    for name in names:
        for channels in LAYOUTS.get(name, ("first", "last")):
            path = folder / f"{name} {net} {channels}.npz"
            if not path.exists():
                continue
            course, accuracy = _load(path, start)
            distances = course.distances(exact if name == "torch" else biased)
            first, where, worst = leaving(distances, allowed)
            label = f"{name}, channels {channels}"
            out["runs"][label] = {"leaves": first, "where": where, "worst": float(f"{worst:.3g}")}
            out["accuracy"][label], out["curves"][label] = accuracy, relative(distances)
    for name, wrong in WRONG.items():
        distances = definition(spec, start, data, norm=wrong())[0].distances(exact)
        first, where, _ = leaving(distances, allowed)
        out["wrong"][name] = {"leaves": first, "where": where}
        out["curves"][name] = relative(distances)
    return out


def work(name, folder):
    """Every network and layout in one framework."""
    train, held = digits()
    for net, spec in NETWORKS.items():
        for channels in LAYOUTS.get(name, ("first", "last")):
            losses, course, accuracy = trained(name, spec, initial(spec), channels, batches(train), held)
            arrays = {f"{i}|{n}": v for i, values in enumerate(course) for n, v in values.items()}
            np.savez(Path(folder) / f"{name} {net} {channels}.npz", losses=losses, accuracy=accuracy, **arrays)


def _load(path, start):
    with np.load(path) as file:
        losses, accuracy = file["losses"], float(file["accuracy"])
        values = [{n: file[f"{i}|{n}"] for n in start} for i in range(len(losses))]
    return Course(start, losses, values), accuracy


def page(found) -> str:
    nets = list(found["networks"])
    head = lambda first: ["| " + first + " | " + " | ".join(nets) + " |", "|---" * (len(nets) + 1) + "|"]
    lines = ["# Training trajectories", "", *ALLOWANCE.splitlines(), ""]
    lines += [f"Measured on {found['date']}: {found['steps']} steps of 32 digits (scikit-learn), gradient descent.", ""]
    lines += ["![trajectories](trajectories.png)", "", *head("")]
    labels = list(dict.fromkeys(label for net in nets for label in found["networks"][net]["runs"]))
    for label in labels:
        cells = []
        for net in nets:
            run = found["networks"][net]["runs"].get(label)
            if run is None:
                cells.append("not made")
                continue
            stays = (
                f"leaves at step {run['leaves']} ({run['where']})"
                if run["leaves"]
                else f"stays, worst {run['worst']:.2f}"
            )
            cells.append(f"{stays}; accuracy {found['networks'][net]['accuracy'][label]:.1%}")
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    own = " | ".join(f"accuracy {found['networks'][net]['accuracy']['definition']:.1%}" for net in nets)
    grown = " | ".join(
        f"{found['networks'][net]['allowed'][0]:.1e} to {found['networks'][net]['allowed'][-1]:.1e}" for net in nets
    )
    lines += [f"| definition | {own} |", f"| allowance, first to last step | {grown} |", ""]
    lines += ["Steps until a mistake leaves the allowance:", "", *head("mistake")]
    for name in WRONG:
        wrong = [found["networks"][net]["wrong"][name] for net in nets]
        cells = [f"{w['leaves']} ({w['where']})" if w["leaves"] else "never" for w in wrong]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def figure(found, path=FIGURE):
    """One panel a network: distance from the definition against the step; the allowance is the shaded part."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    nets = found["networks"]
    drawn, axes = pyplot.subplots(1, len(nets), figsize=(5 * len(nets), 4.6), sharey=True, layout="constrained")
    shown = {
        "eps 1e-3 for 1e-5": ":",
        "gradient of the mean left out": "--",
        "statistics taken for constants in the gradient": "-.",
    }
    steps = np.arange(1, found["steps"] + 1)
    for axis, (net, one) in zip(axes, nets.items()):
        axis.fill_between(steps, 1e-9, one["allowed"], color="0.9", label="allowed")
        for index, label in enumerate(one["runs"]):
            axis.plot(steps, one["curves"][label], color=pyplot.cm.tab20(index), lw=1.2, label=label)
        for name, style in shown.items():
            axis.plot(steps, one["curves"][name], color="black", ls=style, lw=1, label=f"wrong: {name}")
        axis.set(title=net, xlabel="step", yscale="log", ylim=(1e-8, 10))
    axes[0].set_ylabel("largest distance of a gradient or statistic\nfrom the definition in float64")
    drawn.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    drawn.savefig(path, dpi=110)


def main(arguments):
    if len(arguments) == 2:
        work(*arguments)
        return
    found = run_all([name for name in MAKERS if not HOMES[name].missing()])
    DATA.write_text(rows(found, 4))
    PAGE.write_text(page(found))
    figure(found)


if __name__ == "__main__":
    main(sys.argv[1:])
