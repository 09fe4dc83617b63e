"""The commands of ports without Python: export, judge."""

import sys
from pathlib import Path

import click

from ..golden.store import Golden
from ..report.console import console
from ..report.formats import report_options
from ..report.terminal import ProgressListener
from ..run.conclude import conclude
from ..run.plan import Options, UsageError, select
from ..run.use import WRONG_USE, refuse, reports
from .export import export as export_cases
from .export import fits_files
from .judging import Folder, judge_folder


@click.command()
@click.argument("folder", metavar="DIR")
@click.option("-k", "patterns", multiple=True, help="Only cases whose id contains this or matches this shell pattern.")
@click.option("--quick", is_flag=True, help="The small set of cases that still kills every mutant.")
@click.option("--npy", is_flag=True, help="One .npy file a tensor instead of safetensors.")
@click.option("--with-golden", is_flag=True, help="Write the expected values beside the slots.")
def export(folder, patterns, quick, npy, with_golden):
    """Write cases as files, with empty slots for the outputs: EXPORT.md, in DIR, says all about them."""
    golden = Golden()
    try:
        chosen = select(golden, patterns, quick)
        cases = [case for case in chosen if fits_files(case)]
        if not cases:
            raise UsageError(
                "files cannot ask any of these cases: they are about the layout of arrays in memory, or laws"
            )
        export_cases(Path(folder), golden, cases, "npy" if npy else "safetensors", with_golden)
    except WRONG_USE as error:
        refuse(error)
    left = len(chosen) - len(cases)
    without = f"; without {left} that files cannot ask (the layout of arrays in memory, laws)" if left else ""
    console().print(f"wrote {len(cases)} cases to {folder}{without}", highlight=False, markup=False, soft_wrap=True)


@click.command()
@click.argument("folder", metavar="DIR")
@report_options()
@click.option("--known", multiple=True, help="A JSON file of known differences of your port.")
def judge(folder, known, **options):
    """Judge the outputs that a port wrote into an exported folder."""
    out = console()
    try:
        paths = reports(options)
        options = Options(known=known)
        filled = Folder(Path(folder), options.golden)
        try:
            unexpected_files = filled.unexpected_files()
            with ProgressListener(out) as listener:
                results = [judge_folder(filled, options, listener)]
        finally:
            filled.close()
    except WRONG_USE as error:
        refuse(error)
    more = [f"extra: {text}" for text in unexpected_files]
    sys.exit(conclude(out, results, filled.cases, options.golden, paths, more=more))
