"""What comes after the judging: diagnosis, reports, tables. Each costs at most its own part, and none the results."""

from contextlib import contextmanager

import click

from ..report import data as reports
from ..report.files import write
from ..report.formats import FORMATS
from ..report.terminal import print_report
from ..text import line
from .interrupts import Interrupted, interruptible

EX_IOERR = 74  # as sysexits.h has it


class Parts:
    """Parts of what is to be done, each guarded. status: 0, or the exit status of what went wrong."""

    def __init__(self):
        self.status = 0

    @contextmanager
    def part(self, what: str):
        """One part; an error or an interrupt ends it alone, and is told."""
        try:
            yield
        except Interrupted as interrupt:
            self._lost(f"interrupted by {interrupt.name}: {what} is not complete", interrupt.status)
        except OSError as error:
            self._lost(f"cannot write {what}: {error.strerror or error}", EX_IOERR)
        except Exception as error:  # a library that is broken, a report that an odd result has broken
            self._lost(f"{what} could not be made: {type(error).__name__}: {line(error, 300)}", EX_IOERR)

    def _lost(self, text, status):
        tell(text)
        self.status = self.status or status


def tell(text: str) -> None:
    """One line on standard error, if that can be written."""
    try:
        click.echo(f"bnconform: {text}", err=True)
    except (OSError, ValueError):
        pass


def conclude(out, results, cases, golden, paths, named=True, journal=None, more=(), verbosity=0) -> int:
    """Diagnose, write the reports, print the results; the exit status.

    results: of all implementations. paths: of the reports to write, by format. journal: where the results are, should a
    report be lost; it is told then. more: lines to be printed at the end.
    verbosity: of the tables (`print_report`).
    """
    parts = Parts()
    with interruptible():
        results = _diagnosed(results, golden, parts)
        data = reports.to_json(results, cases, golden)
        written = [path for kind, path in paths.items() if _write(parts, path, FORMATS[kind], data, cases)]
        with parts.part("the tables"):
            print_report(out, data, verbosity)
            for text in [*more, *(f"wrote {path}" for path in written)]:
                out.print(text, highlight=False, markup=False, soft_wrap=True)
            if (lost := getattr(out.file, "lost", None)) is not None:
                raise lost
    if parts.status and journal is not None and journal.on_disk:
        tell(kept(journal))
    return parts.status or reports.exit_status(data, named)


def kept(journal) -> str:
    """What the journal of a run has, in words."""
    return f"{journal.count()} results are in {journal.path}; go on with the same command and --resume"


def _diagnosed(results, golden, parts):
    """Each with its diagnosis; where that is interrupted, the rest without."""
    done = []
    with parts.part("the diagnosis"):
        from ..diagnosis.judged import diagnosed  # long to load

        for judged in results:
            done.append(diagnosed(judged, golden))
    return done + results[len(done) :]


def _write(parts, path, form, data, cases):
    """Whether the report was written."""
    with parts.part(str(path)):
        write(path, form.render(data, cases))
        return True
    return False
