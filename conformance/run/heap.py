"""Freed memory that stays with the process, to serve the next array."""

import ctypes

# parameters of glibc's mallopt(3), and what they are set to
KEEP = {
    "M_ARENA_MAX": (-8, 1),  # one heap for all threads: those of the others end at 64 MiB
    "M_MMAP_THRESHOLD": (-3, 1 << 30),  # larger arrays come from the system itself
    "M_TRIM_THRESHOLD": (-1, 1 << 30),  # so much may lie free at the end of the heap
}


def keep_freed_memory() -> bool:
    """Whether the C library is glibc, and was told to keep what is freed; others are left as they are.

    By itself it takes every array of some megabytes fresh from the system and returns it, with a page fault every 4
    KiB:
    that was half the time of working out the allowances of a large case.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(mallopt(*setting) for setting in KEEP.values())
