"""Several claims at once, each in a process of its own with one thread: the numbers are those of one process."""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any

from . import registry
from .data import Images
from .record import Result
from .run import execute


def _work(name: str, images: Images, how: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Measure one claim; the result without its claim, whose functions cannot cross processes."""
    result = execute(registry.load(name), images, **how)
    fields = ("settings", "verdict", "outcomes", "numbers", "notes", "figure")
    return name, {field: getattr(result, field) for field in fields}


def execute_all(names: Sequence[str], images: Images, jobs: int, **how: Any) -> Iterator[Result]:
    """The results of `names` as they come, `jobs` at a time. `how` as for `run.execute`."""
    # A forked child would inherit torch's threads in an undefined state.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        running = [pool.submit(_work, name, images, how) for name in names]
        try:
            for done in as_completed(running):
                name, fields = done.result()
                yield Result(claim=registry.load(name), **fields)
        except BaseException:  # an interruption too: no claim goes on measuring for nobody
            pool.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():
                child.terminate()
            raise
