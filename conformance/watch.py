"""Processes that a worker started: how much memory they hold, and their end."""

import os
import signal

import psutil

MARK = "BNCONFORM_WORKER"  # environment variable that every process of a worker inherits; its value names the worker


def resident(pid: int) -> int:
    """Bytes of memory that a process and its descendants occupy (resident set; pages that forks share count for each).

    Address space would not do as a limit: TensorFlow, CUDA and LLVM map many gigabytes that they never touch.
    """
    total = 0
    for process in _tree(pid):
        try:
            total += process.memory_info().rss
        except psutil.Error:  # it ended meanwhile
            pass
    return total


def _tree(pid):
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


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
