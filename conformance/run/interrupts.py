"""Ctrl-C and SIGTERM as one exception that knows its exit status."""

import signal
from contextlib import contextmanager


class Interrupted(BaseException):
    """The user (or the system) wants the run to end. status: 128 plus the signal's number, as shells have it."""

    def __init__(self, number: int):
        self.name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        self.status = 128 + number


@contextmanager
def interruptible():
    """Within, SIGINT and SIGTERM raise Interrupted in the main thread; a second one is ignored while the first is
    obeyed."""

    def interrupt(number, _):
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted(number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
