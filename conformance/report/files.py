"""Where reports are written: whole or not at all, and nothing is replaced that is not a file."""

import os
import re
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

OPEN = re.compile(r"/dev/(stdout|stderr)|/(?:dev|proc/self)/fd/(\d+)")  # what the process has open already


def obstacle(path: Path) -> str | None:
    """Why a report cannot be written there, as far as can be told beforehand."""
    if is_stream(path) and not path.is_dir():
        return None
    target = Path(os.path.realpath(path))
    if target.is_dir():
        return "it is a folder"
    if not target.parent.is_dir():
        return "its folder does not exist"
    if not target.exists() and not os.access(target.parent, os.W_OK):
        return "its folder cannot be written"
    return None


def write(path: Path, text: str) -> None:
    """All of the file or none of it: a broken-off write leaves what was there.

    A symbolic link stays, and its target is written; into a device or a pipe the text goes as it is. Errors: OSError.
    """
    target, data = Path(os.path.realpath(path)), text.encode("utf-8", "backslashreplace")
    if is_stream(path):
        _pour(path, data)
        return
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o644)
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def is_stream(path) -> bool:
    """Whether something lies there that is no regular file, at the end of all links, or is open already."""
    if OPEN.fullmatch(str(path)):
        return True
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def _pour(path, data):
    if number := OPEN.fullmatch(str(path)):
        handle = os.dup({"stdout": 1, "stderr": 2}.get(number[1]) or int(number[2]))
    else:
        handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK)  # a pipe that nobody reads is an error, and no wait
        os.set_blocking(handle, True)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
