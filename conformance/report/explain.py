"""A case told to a person: what goes in, what must come out, why, how close, and how to see it."""

import re
from importlib.resources import files

import click
import numpy as np
from rich.console import Console

from bnconform.backends.contract import Conventions

from ..golden.store import Golden
from ..judge.allowances import allowances
from ..judge.laws import LAWS
from ..mistakes.kills import Kills
from ..records import Case
from ..run.plan import UsageError
from ..run.use import WRONG_USE, refuse
from .console import console

SHOWN = 6  # values of an array that are printed


def clauses() -> dict[str, str]:
    """SPEC.md's clauses: number -> text."""
    text = (files("bnconform") / "SPEC.md").read_text()
    found = re.findall(r"\*\*(BN-\d+\.\d+) (.*?)(?=\n\n|\Z)", text, re.S)
    return {number: re.sub(r"\s+", " ", body.replace("**", "")) for number, body in found}


def describe(console: Console, golden: Golden, case: Case, running_ddof: int) -> None:
    """Print all about one case; expected values for the given running_ddof."""
    say = lambda text="": console.print(text, highlight=False, markup=False, soft_wrap=True)
    spec, inputs = clauses(), golden.inputs(case)
    say(f"{case.id}: {case.says}")
    say(
        f"family {case.family}; x {case.x_dtype} {case.shape}, channel_axes {case.channel_axes}, eps "
        f"{case.eps}, decay {case.decay}"
    )
    say(f"parameters {case.param_dtype}, state {case.state_dtype}")
    for number in case.clauses:
        say(f"  {number} {spec[number]}")
    say("\ninputs")
    for name, array in sorted(inputs.items()):
        say(f"  {name:<16}{_brief(array)}")
    if case.law:
        say(f"\nexpected: {' '.join((LAWS[case.law].__doc__ or '').split())}")
    elif case.raises:
        say(f"\nexpected: an error [{case.raises}]")
    else:
        _describe_outputs(say, case, inputs, golden.wanted(case, running_ddof), running_ddof)
    say(f"\nreproduce\n  bnconform run IMPL -k {case.id}")
    say("  from bnconform.conformance.golden.store import Golden; golden = Golden()")
    say(
        f"  case = golden.cases[{case.id!r}]; inputs, wanted = golden.inputs(case), "
        f"golden.wanted(case, running_ddof={running_ddof})"
    )
    if mutants := Kills.load().telling(case.id):
        say(f"\nkills {', '.join(mutants)}")


def _describe_outputs(say, case, inputs, wanted, running_ddof):
    allowed = allowances(case, inputs, Conventions(running_ddof=running_ddof), wanted)
    for index, step in enumerate(case.steps):
        memory = "" if step.memory == "contiguous" else f", {step.memory} memory"
        options = f", {dict(step.options)}" if step.options else ""
        say(f"\nstep {index}: {step.mode}{memory}{options}; expected (allowance of a two-pass float32 computation)")
        for name in step.outputs:
            rounded, _ = wanted[f"{index}.{name}"]
            limit = allowed[f"{index}.{name}"].element
            say(f"  {name:<16}{_brief(rounded)}  (allowance up to {np.max(limit, initial=0.0):.3g})")


def _brief(array: np.ndarray) -> str:
    flat = np.asarray(array).ravel()
    kind = np.float64 if flat.dtype.name == "bfloat16" else flat.dtype
    values = ", ".join(f"{value:.8g}" if array.dtype.kind != "b" else str(value) for value in flat[:SHOWN].astype(kind))
    return f"{array.dtype.name} {tuple(array.shape)}: {values}" + (", …" if flat.size > SHOWN else "")


@click.command()
@click.argument("case_id", metavar="CASE")
@click.option(
    "--ddof", type=click.Choice(["0", "1"]), default="1", show_default=True, help="running_ddof of the expected values."
)
def explain(case_id, ddof):
    """A case: input, expected, clause, allowance, how to reproduce."""
    golden = Golden()
    try:
        if case_id not in golden.cases:
            near = [name for name in golden.cases if case_id in name][:5]
            raise UsageError(
                f"no case {case_id!r}" + (f"; did you mean {', '.join(near)}?" if near else "; see `bnconform list`")
            )
        describe(console(), golden, golden.cases[case_id], int(ddof))
    except WRONG_USE as error:
        refuse(error)
