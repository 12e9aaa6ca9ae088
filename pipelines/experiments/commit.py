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
    dirty = str(bool(changed.stdout.strip())).lower()
    return {"mlflow.source.git.commit": head.stdout.strip(), "espalier.git_dirty": dirty}
