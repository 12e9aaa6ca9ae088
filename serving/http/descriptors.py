"""As many open files as the system lets a process have: every connection is one.

A shell often gives a process 1024 and lets it ask for more; fewer than connections.py allows.
"""

import resource
from contextlib import suppress

MOST = 1 << 16  # what a connection takes is bounded elsewhere; nobody needs a million


def allow_many_descriptors() -> None:
    """Raise this process' soft limit to the hard one, or to MOST of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    with suppress(ValueError, OSError):  # macOS calls a limit infinite that is none
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
