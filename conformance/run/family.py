"""Processes that a worker started: how much memory they hold, and their end."""

import os
import signal
import time

import psutil

LOOK = 0.5  # seconds between looks at who belongs to a family: each walks all processes of the machine
MARK = "BNCONFORM_WORKER"  # environment variable that every process of a worker inherits; its value names the worker


class Family:
    """A process and its descendants; one that it starts is known within LOOK seconds."""

    def __init__(self, pid: int):
        self.pid, self.members, self.due = pid, [], 0.0

    def resident(self) -> int:
        """Bytes of memory that they occupy (resident set; pages that forks share count for each).

        Address space would not do as a limit: TensorFlow, CUDA and LLVM map many gigabytes that they never touch.
        """
        if time.monotonic() >= self.due:
            self.members, self.due = _tree(self.pid), time.monotonic() + LOOK
        return sum(map(_resident, self.members))


def _tree(pid):
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def _resident(process):
    try:
        return process.memory_info().rss
    except psutil.Error:  # it ended meanwhile
        return 0


def end_group(pid: int) -> None:
    """Kill the process group that `pid` leads."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
        pass


def end_marked(value: str) -> None:
    """Kill what carries the mark and left the group (a backend may start a session of its own)."""
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == value:
                process.kill()
        except psutil.Error:  # another user's, or gone
            pass
