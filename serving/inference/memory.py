"""Large buffers go back to the system as soon as they are freed.

By itself glibc learns from the first large buffer to take the next ones from its heap, where 50 MB
stay after some bodies of 16 MB.
"""

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # names of malloc.h
LARGE_BYTES = 1 << 20
SPARE_BYTES = 8 << 20  # that the heap may keep: to fetch and return it at each request takes time


def give_back_large_buffers() -> None:
    """Tell malloc for this process; a C library that is not glibc is left as it is."""
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(MMAP_THRESHOLD, LARGE_BYTES)
        library.mallopt(TRIM_THRESHOLD, SPARE_BYTES)
