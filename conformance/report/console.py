"""The terminal as every command uses it: whatever becomes of standard output costs the words, and nothing else."""

import os
import sys

from rich.console import Console


class _Console(Console):
    def on_broken_pipe(self):
        """Whoever read the output has gone (`| head -1`): nothing more is printed, and the work goes on."""
        silence()
        self.quiet = True


def silence() -> None:
    """Let standard output lead nowhere from here on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def console() -> Console:
    """Wide enough for the table where there is no terminal to ask; what its encoding cannot say is a question mark."""
    if sys.stdout is None:  # closed by the caller
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    found = _Console(emoji=False)  # "my:rocket:Backend" is a name
    return found if found.is_terminal else _Console(width=160, emoji=False)
