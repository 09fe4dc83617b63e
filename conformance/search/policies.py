"""Tolerance policies compared: who calls right implementations wrong, and who lets mistakes pass.

    python -m bnconform.conformance.search.policies [--problems N]     write POLICIES.md

All policies judge the same answers to the same random problems: of right variants (an alarm is false) and of wrong ones
(no alarm is a miss, where the mistake shows at all: where some output is more than TELLING times as far off as the
farthest of all right variants, whose worst is the measure of what arithmetic can do to that problem).
"""

import textwrap
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from bnconform.allowance import Allowance
from bnconform.backends.numpy_ import NumpyReference
from bnconform.dtypes import smallest, unit_roundoff
from bnconform.layout import Layout

from ..accuracy.backend import backend_of
from ..accuracy.kernels import FAIR, MISTAKES
from ..cases.draft import Draft
from ..judge.aggregate import aggregate
from ..mistakes import mutants
from ..run.observe import observe
from .draw import draw
from .enclosure import enclosure

PAGE = Path(__file__).parent / "POLICIES.md"
TELLING = 4.0
SMALL = 4096  # values of x: more would make the table of hundreds of implementations long, not other


@dataclass(frozen=True)
class Answer:
    """One output as it came, and what a policy may know: the exact value near enough, the allowance, the problem."""

    name: str
    got: np.ndarray
    value: np.ndarray
    allowed: Allowance
    draft: Draft

    @property
    def error(self) -> np.ndarray:
        """|got - exact|: 0 where both are the same infinity or no number, infinite where one of them is."""
        rounded = self.value.astype(np.float64).astype(self.got.dtype)
        same = (self.got == rounded) | (self.got != self.got) & (rounded != rounded)
        error = np.abs(np.asarray(self.got.astype(self.value.dtype) - self.value, np.float64))
        return np.where(np.isfinite(error), error, np.where(same, 0.0, np.inf))

    @property
    def farthest(self) -> float:
        """The largest error of all elements."""
        return float(np.max(self.error, initial=0.0))

    @property
    def kind(self) -> str:
        return self.got.dtype.name


def close(rtol: dict | float, atol: dict | float) -> Callable[[Answer], bool]:
    """|error| <= atol + rtol |exact|, numbers for all types or by type."""

    def policy(answer):
        relative, absolute = (t[answer.kind] if isinstance(t, dict) else t for t in (rtol, atol))
        return bool(np.all(answer.error <= absolute + relative * np.abs(answer.value)))

    return policy


def within_ulp(count: float) -> Callable[[Answer], bool]:
    """|error| <= so many units in the last place of the exact value."""

    def policy(answer):
        exponent = np.frexp(answer.value.astype(np.float64))[1] - 1
        unit = np.maximum(np.ldexp(2 * unit_roundoff(answer.kind), exponent), smallest(answer.kind))
        return bool(np.all(answer.error <= count * unit))

    return policy


@np.errstate(all="ignore")
def from_largest(answer: Answer) -> bool:
    """u m max|x|, which a sum of m terms may be off, for statistics; in y and gradients times the largest slope."""
    case, index = answer.draft.case, answer.name.split(".")[0]
    x = answer.draft.tensors[f"{index}.x"].astype(np.float64)
    layout = Layout(x.shape, case.channel_axes)
    gamma = answer.draft.tensors.get("gamma", np.ones(1)).astype(np.float64)
    slope = np.max(np.abs(gamma)) / np.sqrt(
        np.min(layout.total((x - layout.expand(layout.total(x) / layout.m)) ** 2)) / layout.m + case.eps
    )
    size, short = np.max(np.abs(x)), answer.name.split(".")[1]
    if short in ("y", "batch_mean", "batch_var", "running_mean", "running_var"):
        scale = size * slope if short == "y" else size ** (1 + short.endswith("var"))
    else:
        dy = np.max(np.abs(answer.draft.tensors[f"{index}.dy"].astype(np.float64)))
        scale = dy * {"dx": slope, "dgamma": size * slope * layout.m, "dbeta": layout.m}[short]
    rounding = 2 * unit_roundoff(answer.kind) * np.max(np.abs(answer.value), initial=0)
    limit = rounding + unit_roundoff("float32") * layout.m * scale
    return bool(np.all(answer.error <= limit))


@np.errstate(all="ignore")
def allowance(answer: Answer) -> bool:
    """The allowance of each element, and of all errors together."""
    element = np.broadcast_to(answer.allowed.element, answer.error.shape)
    signed = np.asarray(answer.got.astype(answer.value.dtype) - answer.value, np.float64)
    together = aggregate(signed, answer.value.astype(np.float64), answer.allowed).score
    return bool(np.all((answer.error <= element) | (answer.error == 0))) and together <= 1


TORCH = {"float64": 1e-7, "float32": 1.3e-6, "float16": 1e-3, "bfloat16": 1.6e-2}
TORCH_ABSOLUTE = {"float64": 1e-7, "float32": 1e-5, "float16": 1e-5, "bfloat16": 1e-5}
CTS = {"float64": 5e-6, "float32": 5e-4, "float16": 5e-2, "bfloat16": 1e-1}
CTS_ABSOLUTE = {"float64": 5e-6, "float32": 5e-4, "float16": 5e-2, "bfloat16": 2.5e-1}
POLICIES = {
    "the allowances here": allowance,
    "torch.testing's defaults by type": close(TORCH, TORCH_ABSOLUTE),
    "TorchCTS 0.4.1, norm, usable tier": close(CTS, CTS_ABSOLUTE),
    "ONNX backend tests: 1e-3 and 1e-7": close(1e-3, 1e-7),
    "WebNN: 6 ulp": within_ulp(6),
    "a bound from the largest input": from_largest,
    "KernelBench: 1e-2": close(1e-2, 1e-2),
}


def answers(backend: type, draft: Draft, near) -> list[Answer]:
    """The outputs of a backend on a problem that have the right shape."""
    values, allowed = near
    observation = observe(draft.case, backend, {name: value.copy() for name, value in draft.tensors.items()})
    return [
        Answer(name, got, values[name], allowed[name], draft)
        for name, got in observation.outputs.items()
        if got.shape == values[name].shape
    ]


class Tally:
    """Alarms by policy and implementation, and on how many problems there was something to see."""

    def __init__(self):
        self.alarms, self.shown = defaultdict(lambda: defaultdict(int)), defaultdict(int)

    def count(self, name: str, found: list[Answer], shows: bool = True) -> None:
        """One problem's answers; shows: whether the implementation can be told from the right one here."""
        self.shown[name] += shows
        for policy, judge in POLICIES.items():
            self.alarms[policy][name] += shows and not all(judge(answer) for answer in found)

    def rate(self, policy: str) -> tuple[float, float]:
        """(share of all alarms among what was shown, the largest share of one implementation)."""
        rates = [self.alarms[policy][name] / shown for name, shown in self.shown.items() if shown]
        return sum(self.alarms[policy].values()) / max(sum(self.shown.values()), 1), max(rates, default=0.0)

    def never(self, policy: str) -> int:
        """Implementations without any alarm, of those that showed."""
        return sum(not self.alarms[policy][name] for name, shown in self.shown.items() if shown)


def problems(seed: int, count: int):
    """Random problems that everybody takes: no masks, float32 and half inputs, of moderate size."""
    index = found = 0
    while found < count:
        draft, index = draw(seed, index, backend_of(FAIR[0]).conventions), index + 1
        masked = any("mask" in step.inputs for step in draft.case.steps)
        if sum(value.size for value in draft.tensors.values()) <= SMALL and len(draft.case.steps) < 9 and not masked:
            found += 1
            yield draft


@np.errstate(all="ignore")
def compare(seed: int, count: int) -> tuple[Tally, Tally, int]:
    """(right variants, wrong ones, problems judged)."""
    right, wrong = Tally(), Tally()
    fair = {variant.name: backend_of(variant) for variant in FAIR} | {"numpy": NumpyReference}
    mistaken = {name: backend_of(variant) for name, variant in MISTAKES.items()}
    mistaken |= {name: mutant.backend for name, mutant in mutants().items()}
    for draft in problems(seed, count):
        near = Near(draft)
        farthest = defaultdict(float)
        for name, backend in fair.items():
            found = answers(backend, draft, near.of(backend.conventions))
            right.count(name, found)
            for answer in found:
                farthest[answer.name] = max(farthest[answer.name], answer.farthest)
        for name, backend in mistaken.items():
            found = answers(backend, draft, near.of(backend.conventions))
            wrong.count(name, found, any(a.farthest > TELLING * farthest[a.name] for a in found))
    return right, wrong, count


class Near:
    """Exact values near enough, and the allowances, of one problem: worked out once for all that declare the same."""

    def __init__(self, draft: Draft):
        self.draft, self.known = draft, {}

    def of(self, conventions):
        """(values, allowances)."""
        key = conventions.variance, conventions.reduction, conventions.running_ddof, *conventions.compute.items()
        if key not in self.known:
            values, _, allowed = enclosure(self.draft, conventions)
            self.known[key] = values, allowed
        return self.known[key]


PARAGRAPHS = (
    """{count:,} random problems (seed {seed}: shapes, types, conditioning, histories; at most {most:,} numbers each),
    answered by {right} right variants and {wrong} mistakes, of which {shown} show in some answer. Every policy judges
    the same answers against the same exact values. *False alarms*: share of the right variants' answers that it calls
    wrong, and that of the variant it treats worst. *Missed*: share of the wrong answers that it accepts, counted where
    some output is more than {telling:g} times as far off as the farthest of all right variants; and how many mistakes
    it accepts in every problem.""",
    """For TorchCTS its tolerance is taken: it asks one shape itself, and does not install beside torch 2.13. The bound
    from the largest input is u m max|x| for statistics, times the largest slope for the rest. `python -m
    bnconform.conformance.search.policies` writes this page.""",
)


def text(right: Tally, wrong: Tally, count: int, seed: int) -> str:
    """The page."""
    shown = sum(1 for n in wrong.shown.values() if n)
    known = {"count": count, "seed": seed, "most": SMALL, "shown": shown, "telling": TELLING}
    known |= {"right": len(right.shown), "wrong": len(wrong.shown)}
    first, last = (textwrap.fill(" ".join(each.split()).format(**known), 118) for each in PARAGRAPHS)
    head = ["policy", "false alarms", "worst variant", "missed answers", "mistakes never noticed"]
    rows = [head, ["---"] * len(head)]
    for policy in POLICIES:
        (false, worst), (seen, _) = right.rate(policy), wrong.rate(policy)
        rows.append([policy, f"{false:.1%}", f"{worst:.1%}", f"{1 - seen:.1%}", f"{wrong.never(policy)} of {shown}"])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"# Tolerance policies compared\n\n{first}\n\n{table}\n\n{last}\n"


@click.command()
@click.option("--problems", "count", default=300, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(count, seed):
    """Compare the policies and write POLICIES.md."""
    page = text(*compare(seed, count), seed)
    PAGE.write_text(page)
    click.echo(page)


if __name__ == "__main__":
    main()
