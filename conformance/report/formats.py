"""The files that a report is written as: one table of formats for every command that judges or shows."""

from collections.abc import Callable
from typing import NamedTuple

import click

from ..records import Case
from . import data as reports
from .changes import Comparison


def _html(report, cases):
    from .html import render

    return render(report, cases)


def _junit(report, cases):
    from .junit import render

    return render(report)


def _markdown(report, cases):
    from .markdown import summary

    return summary(report)


def _html_comparison(found):
    from .html import comparison

    return comparison(found)


def _markdown_comparison(found):
    from .markdown import comparison

    return comparison(found)


class Format(NamedTuple):
    """told: in --help. render: the report and its cases as text. compared: what changed between two, as text."""

    told: str
    render: Callable[[dict, list[Case]], str]
    compared: Callable[[Comparison], str] | None = None


FORMATS = {
    "json": Format("as JSON", lambda report, cases: reports.as_text(report)),
    "html": Format("as one HTML page", _html, _html_comparison),
    "junit": Format("as JUnit XML", _junit),
    "markdown": Format("as a summary in Markdown, for a pull request", _markdown, _markdown_comparison),
}


def report_options(*kinds: str):
    """For a click command: `--json`, `--html`, ... as parameters `json_path`, `html_path`, ...; kinds: default all."""

    def decorate(command):
        for kind in reversed(kinds or tuple(FORMATS)):
            told = f"Write the report {FORMATS[kind].told}."
            command = click.option(f"--{kind}", f"{kind}_path", metavar="PATH", help=told)(command)
        return command

    return decorate
