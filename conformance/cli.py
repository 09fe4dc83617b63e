"""The command line. Every command's module is loaded only when it is called."""

import importlib

import click

# name -> (module:attribute, one line of help); the modules are imported when the command is called
COMMANDS = {
    "list": ("bnconform.conformance.cases.cli:list_", "Implementations and cases."),
    "run": (
        "bnconform.conformance.run.cli:run",
        "Judge implementations: progress, table, JSON, HTML, JUnit, Markdown.",
    ),
    "show": ("bnconform.conformance.report.cli:show", "A report again, without a new run."),
    "report": ("bnconform.conformance.report.cli:report", "A report as page or Markdown, or what changed between two."),
    "merge": (
        "bnconform.conformance.run.merge:command",
        "The journals of all shards of a run, put together to one report.",
    ),
    "certify": ("bnconform.conformance.golden.certify:certify", "Prove the golden vectors again."),
    "mutants": ("bnconform.conformance.mistakes.cli:mutants", "Wrong implementations, and which cases kill them."),
    "explain": (
        "bnconform.conformance.report.explain:explain",
        "A case: input, expected, clause, allowance, how to reproduce.",
    ),
    "identify": (
        "bnconform.conformance.identify.cli:identify",
        "Semantics of an implementation, inferred from probes alone.",
    ),
    "compare": (
        "bnconform.conformance.moving.compare_cli:compare",
        "What differs between implementations, and what to write when moving from one to the other.",
    ),
    "translate": (
        "bnconform.conformance.moving.cli:translate_command",
        "BN parameters, state and arguments from one framework's convention to another's, with proof.",
    ),
    "new": ("bnconform.conformance.ports.new:new", "A skeleton of a port, in Python or C."),
    "export": ("bnconform.conformance.ports.cli:export", "Cases as files, for ports without Python."),
    "judge": ("bnconform.conformance.ports.cli:judge", "Judge the outputs that a port wrote into such files."),
    "accuracy": (
        "bnconform.conformance.accuracy.cli:accuracy",
        "Allowances held against right variants and mistakes: tables and figures.",
    ),
    "findings": (
        "bnconform.conformance.findings.cli:findings",
        "Defects of framework releases, and which of them are still there.",
    ),
    "search": (
        "bnconform.conformance.search.cli:search",
        "Wrong and worst results that no list holds: random problems and hill climbing.",
    ),
    "shrink": (
        "bnconform.conformance.search.cli:shrink_",
        "The smallest problem that still fails like a case, as a script.",
    ),
    "bench": ("bnconform.conformance.bench.cli:bench", "Time and memory of reference and implementations, as ratios."),
    "claims": (
        "bnconform.conformance.claims.cli:claims",
        "Textbook claims about batch normalization, measured, with figures.",
    ),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one only to run it."""

    def list_commands(self, ctx):
        return list(COMMANDS)

    def get_command(self, ctx, name):
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name][0].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def format_commands(self, ctx, formatter):
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="bnconform")
def main():
    """Hold implementations of batch normalization to one definition.

    Exit status: 0 all as expected, 1 a failure, 2 wrong use; 130 after Ctrl-C, 143 after SIGTERM,
    74 where a report or a journal cannot be written.
    """


if __name__ == "__main__":
    main()
