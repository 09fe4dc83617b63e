"""How fast the suite is: the whole run, its cases against a plain pytest loop, and how its cost grows.

    python -m faults.speed [IMPL ...]     (default: every built-in implementation)

Processor seconds are told beside the clock's, because they do not depend on what else the machine does.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from rich import box
from rich.console import Console
from rich.table import Table

from bnconform.backends import registry
from bnconform.backends.contract import Conventions
from bnconform.conformance.golden.store import Golden
from bnconform.conformance.judge.allowances import allowances
from bnconform.conformance.judge.compare import compare
from bnconform.conformance.records import Case, Step
from bnconform.conformance.report.data import machine
from bnconform.conformance.run.plan import Options, select
from bnconform.conformance.run.schedule import judge_case
from bnconform.conformance.run.supervisor import Supervisor

LOOP = """
import numpy as np, pytest, torch
from bnconform.conformance.golden import Golden

GOLDEN = Golden()
LAYERS = {2: torch.nn.BatchNorm1d, 3: torch.nn.BatchNorm1d, 4: torch.nn.BatchNorm2d, 5: torch.nn.BatchNorm3d}
CASES = [c for c in GOLDEN.cases.values() if c.family == "shapes" and c.channel_axes == (1,) and len(c.shape) in LAYERS]

@pytest.mark.parametrize("case", CASES * REPEAT, ids=lambda c: c.id)
def test_case(case):
    inputs, wanted = GOLDEN.inputs(case), GOLDEN.wanted(case, 1)
    layer = LAYERS[len(case.shape)](case.shape[1], eps=case.eps, momentum=1 - case.decay)
    layer.load_state_dict({"weight": torch.tensor(inputs["gamma"]), "bias": torch.tensor(inputs["beta"]),
        "running_mean": torch.tensor(inputs["running_mean"]), "running_var": torch.tensor(inputs["running_var"]),
        "num_batches_tracked": torch.tensor(0)})
    for index, step in enumerate(case.steps):
        layer.train(step.mode == "train")
        layer.zero_grad()
        x = torch.tensor(inputs[f"{index}.x"], requires_grad=True)
        y = layer(x)
        y.backward(torch.tensor(inputs[f"{index}.dy"]))
        found = {"y": y, "dx": x.grad, "dgamma": layer.weight.grad, "dbeta": layer.bias.grad,
            "running_mean": layer.running_mean, "running_var": layer.running_var}
        for name, value in found.items():
            np.testing.assert_allclose(value.detach().numpy(), wanted[f"{index}.{name}"][0], rtol=1e-3, atol=1e-3)
"""


def timed(command: list[str], folder: Path) -> tuple[float, float, int]:
    """Seconds by the clock, processor seconds with all children, exit status."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    status = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
    clock, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, status


def whole_runs(names: list[str], folder: Path) -> Table:
    """The full run and the quick one, by the clock, by the processor, and what two idle cores could make of it at
    best."""
    table = Table("run", "cases", "clock, s", "processor, s", "processor / 2 cores, s", "exit", box=box.SIMPLE_HEAD)
    for word, options in (("full", []), ("--quick", ["--quick"])):
        clock, processor, status = timed(_command("run", *names, *options), folder)
        cases = len(select(Golden(), (), bool(options)))
        table.add_row(
            f"{word}, {len(names)} implementations",
            str(cases),
            f"{clock:.1f}",
            f"{processor:.1f}",
            f"{processor / 2:.1f}",
            str(status),
        )
    return table


def _command(*arguments):
    return [sys.executable, "-m", "bnconform.conformance.cli", *arguments]


def against_a_loop(folder: Path, repeat: int = 20) -> Table:
    """Processor seconds for one comparison: a pytest loop on torch, and the suite on torch, over the same cases.

    Each is measured once and `repeat` times over them; the difference is the cost of the comparisons without that of
    starting.
    """
    cases = [
        c
        for c in Golden().cases.values()
        if c.family == "shapes" and c.channel_axes == (1,) and len(c.shape) in (2, 3, 4, 5)
    ]
    loops, suite = [], []
    for times in (1, repeat):
        (folder / "test_loop.py").write_text(LOOP.replace("REPEAT", str(times)))
        loops.append(timed([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_loop.py"], folder)[1])
        suite.append(_suite(cases * times))
    (few, short), (many, long) = suite
    table = Table("on torch", "comparisons", "processor, s", "µs a comparison, start apart", box=box.SIMPLE_HEAD)
    for word, (start, end) in (("plain pytest loop", loops), ("bnconform", (short, long))):
        table.add_row(
            word, f"{few} and {many}", f"{start:.2f} and {end:.2f}", f"{(end - start) / (many - few) * 1e6:.0f}"
        )
    return table


def _suite(cases):
    """(comparisons made, processor seconds of judge and worker) over some cases, each by the suite's one way."""
    started, supervisor, made = time.process_time(), Supervisor("torch", Options()), 0
    try:
        supervisor.open()
        for case in cases:
            verdicts, _ = judge_case(supervisor, case, [])
            made += sum(verdict.status == "pass" for verdict in verdicts)
        worker = psutil.Process(supervisor.worker.process.pid).cpu_times()
        return made, time.process_time() - started + worker.user + worker.system
    finally:
        supervisor.close()


def growth(folder: Path) -> Table:
    """Exponents of cost over cases and over elements: the slope of log seconds over log size.

    Large cases are left out: the first run on a machine answers them again before it judges them.
    """
    table = Table("grows with", "sizes", "processor, s", "exponent between the largest two", box=box.SIMPLE_HEAD)
    ids = [case.id for case in Golden().cases.values() if not case.large]
    spread = [ids[::step] for step in (4, 2, 1)]
    idle = timed(_command("run", "numpy", "-k", ids[0]), folder)[1]
    seconds = [
        timed(_command("run", "numpy", *(f"-k{case}" for case in chosen)), folder)[1] - idle for chosen in spread
    ]
    _add(
        table,
        "cases of a run on numpy, start apart",
        [len(select(Golden(), tuple(chosen))) for chosen in spread],
        seconds,
    )
    sizes = (10**4, 10**5, 10**6)
    _add(table, "elements of a judged case", sizes, [judging(size) for size in sizes])
    return table


def _add(table, word, sizes, seconds):
    exponent = np.log(seconds[-1] / seconds[-2]) / np.log(sizes[-1] / sizes[-2])
    table.add_row(
        word, ", ".join(f"{size:g}" for size in sizes), ", ".join(f"{s:.3g}" for s in seconds), f"{exponent:.2f}"
    )


def judging(elements: int, channels: int = 16) -> float:
    """Processor seconds to find the allowances of one training step with gradients, and to compare its y and dx."""
    shape = (elements // channels, channels)
    case = Case(
        "speed",
        "speed",
        (),
        "",
        shape,
        (1,),
        1e-5,
        0.9,
        *["float32"] * 3,
        True,
        True,
        False,
        (Step("train", ("x", "dy"), ("y", "dx")),),
    )
    numbers = np.random.default_rng(1)
    inputs = {"0.x": numbers.standard_normal(shape, "f"), "0.dy": numbers.standard_normal(shape, "f")}
    inputs |= {"gamma": np.ones(channels, "f"), "beta": np.zeros(channels, "f")}
    wanted = {f"0.{name}": (inputs["0.x"], inputs["0.x"].astype(np.float64)) for name in ("y", "dx")}
    best = np.inf
    for _ in range(3):
        started = time.process_time()
        allowed = allowances(case, inputs, Conventions(running_ddof=1), wanted)
        for name, (rounded, exact) in wanted.items():
            compare(rounded, rounded, exact, allowed[name], "float32")
        best = min(best, time.process_time() - started)
    return best


def main() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    names = sys.argv[1:] or [
        entry.name for entry in registry.entries().values() if entry.required and not entry.missing()
    ]
    out = Console(width=140)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    out.print(
        f"{machine()['system']}, {os.cpu_count()} cores, Python {machine()['python']}; load average before: {load}",
        highlight=False,
    )
    with tempfile.TemporaryDirectory() as folder:
        for table in (whole_runs(names, Path(folder)), against_a_loop(Path(folder)), growth(Path(folder))):
            out.print(table)


if __name__ == "__main__":
    main()
