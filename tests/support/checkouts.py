"""A checkout of its own for tests that run stages: the code, the declarations, no data."""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from project import GIT

from data.dvc import calls
from data.stored import COLLECTED
from pipelines.runtime import environment

ROOT = Path(__file__).resolve().parents[2]
TOOLS = str(Path(sys.executable).parent)
MADE = ("own", "raw", "prepared", "reports", "notes")  # of the person who works here
WORDS = ["film", "plot", "actor", "scene", "story", "light", "music", "time", "world", "voice"]

MINE = {
    "task": "sentiment",
    "kind": "csv",
    "path": "mine/reviews.csv",
    "columns": {"text": "review", "label": "verdict"},
    "labels": ["bad", "good"],
}


class Checkout:
    """A copy of the repository's data room in which stages run and own data may be declared."""

    def __init__(self, folder: Path):
        self.folder = folder
        hidden = shutil.ignore_patterns(*MADE, "__pycache__", "*.parquet")
        shutil.copytree(ROOT / "data", folder / "data", ignore=hidden)
        (folder / ".dvc").mkdir()
        for name in ("dvc.yaml", "params.yaml", ".dvcignore", ".gitignore", ".dvc/config"):
            shutil.copy(ROOT / name, folder / name)
        subprocess.run(["git", "init", "-q", str(folder)], check=True)
        self.env = os.environ | {"PATH": os.pathsep.join([TOOLS, os.environ["PATH"]])}

    def declare(self, name: str, **entry) -> None:
        """Add one dataset to params.yaml, and the folder that DVC watches for it."""
        (self.folder / COLLECTED / name).mkdir(parents=True, exist_ok=True)
        path = self.folder / "params.yaml"
        params = yaml.safe_load(path.read_text())
        params["datasets"][name] = entry
        path.write_text(yaml.safe_dump(params, sort_keys=False))

    def run(self, *command: str) -> subprocess.CompletedProcess:
        """Run a command in the checkout; its output is text, its status unchecked."""
        return subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False
        )

    def commit(self) -> str:
        """Commit dvc.lock; returns the commit."""
        self.run("git", "add", "dvc.lock")
        self.run(*GIT, "commit", "-qm", "as it stands")
        return self.run("git", "rev-parse", "HEAD").stdout.strip()

    def versions(self, call: str) -> str:
        """The value of one call of data.versions, as printed: `versions("outdated(['a'])")`."""
        done = self.run(sys.executable, "-c", f"from data import versions\nprint(versions.{call})")
        return (done.stdout.strip() or done.stderr).splitlines()[-1]


def working_in(folder: Path, patch: pytest.MonkeyPatch) -> Checkout:
    """A checkout in a new folder, in which the commands of this process run."""
    folder.mkdir()
    for module in (environment, calls):
        patch.setattr(module, "ROOT", folder)
    return Checkout(folder)


def reviews(rows: int = 120, seed: int = 0) -> list[tuple[str, str]]:
    """Made-up texts and their labels, good and bad in turn, no two alike."""
    draw = random.Random(seed)
    return [
        (f"{' '.join(draw.choices(WORDS, k=12))} {row}", "good" if row % 2 else "bad")
        for row in range(rows)
    ]


def write_reviews(path: Path, rows: list[tuple[str, str]]) -> None:
    """A CSV with the columns review and verdict."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("review,verdict\n" + "".join(f"{text},{label}\n" for text, label in rows))
