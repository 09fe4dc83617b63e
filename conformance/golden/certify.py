"""Prove the golden vectors again: every frozen output from its frozen inputs, by the oracle, to the bit."""

import sys
from collections import Counter
from dataclasses import dataclass, field

import click
import numpy as np
from rich import box
from rich.progress import track
from rich.table import Table

from ..judge.allowances import output_dtype
from ..records import Case
from ..report.console import console
from ..run.plan import select
from ..run.use import WRONG_USE, refuse
from .answer import answer
from .store import Golden


@dataclass
class Certificate:
    """What was proved: elements by how they were decided, decimal digits needed, and what does not agree."""

    tensors: int = 0
    elements: int = 0
    fast: int = 0
    exact: int = 0
    digits: Counter = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, proof) -> None:
        """Count one rounding's proof."""
        self.tensors += 1
        self.elements += proof.elements
        self.fast += proof.fast
        self.exact += proof.exact
        self.digits[proof.digits] += 1


def certify_case(golden: Golden, case: Case, certificate: Certificate) -> None:
    """Prove all outputs of a case, for both values of running_ddof; what differs goes to `certificate.wrong`."""
    if case.raises or case.law:
        return
    inputs = golden.inputs(case)
    for running_ddof in (0, 1) if case.has_state else (0,):
        frozen = golden.wanted(case, running_ddof)
        for name, exact in answer(case, inputs, running_ddof).items():
            kind = output_dtype(case, name.split(".", 1)[1])
            for held, target in zip(frozen[name], dict.fromkeys((kind, "float64"))):
                rounded = exact.round(target)
                certificate.add(exact.proof)
                certificate.wrong += _differences(
                    f"{case.id} {name} {target} (running_ddof {running_ddof})", held, rounded
                )


def _differences(what, held, proved):
    if held.shape != proved.shape or held.dtype != proved.dtype:
        return [f"{what}: frozen {held.dtype} {held.shape}, proved {proved.dtype} {proved.shape}"]
    unequal = held.reshape(-1).view(np.uint8) != proved.reshape(-1).view(np.uint8)
    if not unequal.any():
        return []
    first = int(np.argmax(unequal)) // held.itemsize
    count = int(unequal.reshape(-1, held.itemsize).any(1).sum())
    return [
        f"{what}: {count} of {held.size} differ, first at {first}: frozen {held.flat[first]!r}, "
        f"proved {proved.flat[first]!r}"
    ]


@click.command()
@click.option("-k", "patterns", multiple=True, help="Only cases whose id contains this or matches this shell pattern.")
def certify(patterns):
    """Prove the golden vectors again from their inputs; exit 1 on one wrong bit."""
    out, golden, certificate = console(), Golden(), Certificate()
    try:
        cases = select(golden, patterns)
        for case in track(cases, "proving", console=out, disable=not out.is_terminal):
            certify_case(golden, case, certificate)
    except WRONG_USE as error:
        refuse(error)
    table = Table("proved", "", box=box.SIMPLE_HEAD)
    table.add_row("cases", f"{len(cases)}")
    table.add_row("tensors", f"{certificate.tensors}")
    table.add_row("elements", f"{certificate.elements:,}")
    table.add_row("by double-double enclosure", f"{certificate.fast:,}")
    table.add_row("by exact arithmetic", f"{certificate.exact:,}")
    for digits, count in sorted(certificate.digits.items()):
        table.add_row(f"tensors needing {digits} digits" if digits else "tensors needing no root", f"{count}")
    out.print(table)
    for line in certificate.wrong:
        out.print(f"[red]wrong[/] {line}", highlight=False, soft_wrap=True)
    out.print("every frozen bit is proved" if not certificate.wrong else f"{len(certificate.wrong)} tensors are wrong")
    sys.exit(1 if certificate.wrong else 0)
