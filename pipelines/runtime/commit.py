"""The commit of the checkout, as the tags of a run name it."""

import subprocess
from functools import cache

from pipelines.runtime import environment


@cache
def tags() -> dict[str, str]:
    """The tags that name the checkout's commit; none where there is no git."""
    git = ["git", "-C", str(environment.ROOT)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, encoding="utf-8")
    except FileNotFoundError:
        return {}
    if head.returncode:
        return {}
    changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, encoding="utf-8")
    # An own dataset that nobody commits is no change of the code; its hash is on record.
    own = ("?? data/own/", '?? "data/own/')
    dirty = str(not all(line.startswith(own) for line in changed.stdout.splitlines())).lower()
    return {"mlflow.source.git.commit": head.stdout.strip(), "espalier.git_dirty": dirty}
