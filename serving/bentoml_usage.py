"""BentoML's usage analytics, off in a raw `bentoml serve` too: the one private part of BentoML.

The public switch is the environment variable BENTOML_DO_NOT_TRACK. `bentoml serve` reads it before
it imports a service, and remembers what it read: only its private cache can be emptied then.
`espalier serve` and a Bento's image set the variable beforehand and do not need this.
tests/serving/test_process.py fails when it no longer works.
"""

import os

from bentoml._internal.utils.analytics import usage_stats


def switch_off() -> None:
    """Have this process and its children send nothing to BentoML."""
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"
    usage_stats.do_not_track.cache_clear()
