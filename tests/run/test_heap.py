"""Freed memory serves the next array, instead of a page fault every 4 KiB."""

import platform
import subprocess
import sys

import pytest

COUNT = """
import resource, sys, threading
import numpy as np
from bnconform.conformance.run.heap import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()

def use():
    for _ in range(10):
        [np.ones(1 << 18) for _ in range(8)]

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
print(faults())
"""


def faults(word):
    return int(subprocess.run([sys.executable, "-c", COUNT, word], check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep what is freed")
def test_freed_memory_serves_the_next_array():
    kept, fresh = faults("keep"), faults("fresh")
    assert kept < 1000 < fresh
