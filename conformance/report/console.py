"""The terminal as every command uses it: whatever becomes of standard output costs the words, and nothing else."""

import os
import sys

from rich.console import Console


class Steady:
    """A stream whose errors end its words and not the work. lost: the error, unless its reader has simply gone
    (`| head -1`)."""

    def __init__(self, stream):
        self.stream, self.gone, self.lost = stream, stream is None, None

    def write(self, text: str) -> int:
        if not self.gone:
            self._try(self.stream.write, text)
        return len(text)

    def flush(self) -> None:
        if not self.gone:
            self._try(self.stream.flush)

    def _try(self, act, *arguments):
        try:
            act(*arguments)
        except OSError as error:
            self.gone, self.lost = True, None if isinstance(error, BrokenPipeError) else error
            _lead_nowhere(self.stream)

    def __getattr__(self, name):
        return getattr(self.stream, name)


def _lead_nowhere(stream):
    """What the stream still holds must not be tried again when Python ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def console() -> Console:
    """Wide enough for the table where there is no terminal to ask; what its encoding cannot say is a question mark."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    plain = {"file": Steady(sys.stdout), "emoji": False}  # "my:rocket:Backend" is a name
    found = Console(**plain)
    return found if found.is_terminal else Console(**plain, width=100)
