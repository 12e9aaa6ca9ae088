"""A copy of the project in a folder of its own, and the command run in it as a user would."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
GIT = ("git", "-c", "user.name=test", "-c", "user.email=test@localhost")


def copied(to: Path) -> Path:
    """Copy what git tracks, and what it would, into the new folder `to`, as a commit there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    for step in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "as it stands"]):
        subprocess.run([*GIT, *step], cwd=to, check=True)
    return to


def variables(**more: str) -> dict[str, str]:
    """The environment of a user who has set nothing, and `more`."""
    ours = ("ESPALIER_", "MLFLOW_", "PREFECT_", "BENTOML_", "PYTEST_", "GX_", "DVC_")
    return {k: v for k, v in os.environ.items() if not k.startswith(ours)} | more


def espalier(
    project: Path, *arguments: str, prefix: tuple[str, ...] = (), **more: str
) -> subprocess.CompletedProcess:
    """Run the command in the project; `prefix` goes before it, `more` into its environment."""
    return subprocess.run(
        [*prefix, sys.executable, "-m", "pipelines.cli", *arguments],
        cwd=project,
        env=variables(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def answer(done: subprocess.CompletedProcess) -> dict:
    """The JSON on the last line of standard output."""
    assert done.stdout, f"nothing on standard output; exit {done.returncode}; {done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])
