"""The nurse: the parent of a worker, which sees to it that nothing of it lives on.

A coordinator that was killed cannot end its workers, and a process that leaves its group, clears its environment and
lets its parent die is nobody's child any more. The nurse adopts every orphan below it (Linux: PR_SET_CHILD_SUBREAPER),
so that all that a worker ever starts stays in one tree: its memory is counted there, and its end is final.
"""

import contextlib
import ctypes
import os
import resource
import select
import signal
import time

import psutil

PR_SET_CHILD_SUBREAPER, PR_SET_PDEATHSIG = 36, 1  # linux/prctl.h
PATIENCE = 10.0  # seconds for which what forks again and again is chased


def nursed(lifeline: int) -> None:
    """Split in two: this returns in the child, which is the worker; the parent stays behind as its nurse.

    lifeline: a descriptor whose other end the coordinator holds; when it hangs up, all ends. The nurse ends as the
    worker did, by the same status or signal. SIGUSR1 is handed on to the worker.
    """
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    nurse = os.getpid()
    worker = os.fork()
    if worker == 0:
        os.close(woken)
        os.close(wake)
        os.setpgid(0, 0)  # what it does to its group does not reach the nurse
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != nurse:
            os._exit(1)
        return
    with contextlib.suppress(BaseException):
        _watch(worker, lifeline, woken, wake)
    os._exit(1)


def _prctl(option, value):
    """Tell the kernel; where it is not Linux nothing is told, and process group and mark have to do."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _watch(worker, lifeline, woken, wake):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, lambda *_: _hand_on(worker))
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    _close_all_but(lifeline, woken, wake)
    watch = select.poll()
    watch.register(lifeline, 0)  # no event but the hang-up that is always told
    watch.register(woken, select.POLLIN)
    status = None
    while status is None:
        status = _reap(worker)
        ready = [] if status is not None else watch.poll(1000)
        if any(descriptor == lifeline for descriptor, _ in ready):
            os.kill(worker, signal.SIGKILL)
            status = os.waitpid(worker, 0)[1]
        elif ready:
            os.read(woken, 4096)
    end_descendants()
    _end_as(status)


def _hand_on(worker):
    with contextlib.suppress(OSError):
        os.kill(worker, signal.SIGUSR1)


def _close_all_but(*kept):
    """The result pipe above all: it must hang up when the worker is gone."""
    for descriptor in range(1024):
        if descriptor not in kept:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _reap(worker):
    """The worker's wait status once it has ended; orphans that ended are put away."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == worker:
                return status
            if pid == 0:
                return None
    return None


def end_descendants() -> None:
    """Kill everything below this process, until nothing is left."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = psutil.Process().children(recursive=True)
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
        _reap(None)
        if not found:
            return
        time.sleep(0.002)


def _end_as(status):
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        time.sleep(1)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
