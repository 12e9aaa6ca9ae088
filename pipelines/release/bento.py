"""Package the published champions with the code that serves them, as a Bento.

The Bento holds serving/, the files that it shares with training, and the champions; it starts
with `bentoml serve espalier:latest` where this checkout and TensorFlow are not.
"""

import filecmp
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.artifact import artifact
from pipelines.release import packages, publish
from pipelines.release.packages import BuildError
from pipelines.release.publish import Pointer
from pipelines.runtime import environment, keys, settings

NAME = "espalier"  # of the Bento with every endpoint; one of a single task is named after it
CHAMPIONS = "champions"  # the folder of a Bento that is built like `publish.folder()`
SHARED = (
    "models/__init__.py",
    "models/artifact/__init__.py",
    "models/artifact/artifact.py",
    "models/artifact/signature.py",
    "models/familiarity/*",
    "models/inputs/*",
    "models/signals.py",
)
# At the top of a Bento: of deploy/, and what `packages` says of it.
DEPLOY = ("compose.yaml", "nginx.conf")
LOCK, BILL = "requirements.lock", "sbom.cdx.json"
# A container's ESPALIER_HOME: a volume belongs to whom the folder belongs to that it covers.
HOME = "home"
CARDS = "cards"  # the folder of a Bento in which each endpoint's model card lies
FOLDERS = ("serving", "models", CHAMPIONS, HOME, CARDS)
ABOUT_HOME = "Champions that are published here take the place of those that the Bento carries.\n"

# BentoML imports the service to describe it, which this process must not: a process of its own.
BUILD = """
import json, sys, bentoml
print(bentoml.bentos.build("serving.service:Espalier", **json.load(sys.stdin)).tag)
"""


@dataclass(frozen=True)
class Bento:
    """A Bento that was built. champions: endpoint → name and version of what answers for it."""

    tag: str
    path: str
    champions: dict[str, str]


def build(task: str | None = None) -> Bento:
    """Build a Bento of the champions that are published, or of one task's alone."""
    if task is not None:
        settings.one_of("task", task, settings.TASKS)
    pointers = published(task)
    if not pointers:
        which = "no champion" if task is None else f"no champion of {task}"
        raise BuildError(f"there is {which} to package yet: `espalier run` makes them")
    name = NAME if task is None else f"{NAME}-{task}"
    with tempfile.TemporaryDirectory(prefix="espalier-") as scratch:
        context = Path(scratch)
        fill(context, pointers)
        bill = packages.bill_of_materials(name, list(pointers.values()))
        (context / BILL).write_text(bill, encoding="utf-8")
        (context / LOCK).write_text(packages.lock(), encoding="utf-8")
        built = subprocess.run(
            [sys.executable, "-c", BUILD],
            cwd=context,
            input=json.dumps(_options(context, pointers, name)),
            capture_output=True,
            encoding="utf-8",
        )
    if built.returncode:
        raise BuildError(f"bentoml could not build: {built.stderr.strip().splitlines()[-1]}")
    tag = built.stdout.split()[-1]
    champions = {name: f"{one.name}/{one.version}" for name, one in pointers.items()}
    return Bento(tag, str(_place(tag)), champions)


def current() -> str | None:
    """The newest Bento's tag, if it holds the published champions and the present code.

    Of the Bentos with every endpoint: those of a single task are for a person to build.
    """
    latest = _bentos() / NAME / "latest"
    if not latest.is_file():
        return None
    tag = f"{NAME}:{latest.read_text(encoding='utf-8').strip()}"
    source = _place(tag) / "src"
    pointers = published()
    copied = all(
        (source / target).is_file() and filecmp.cmp(source / target, here, shallow=False)
        for target, here in _contents(pointers)
    )
    carried = source / CHAMPIONS
    same = all(publish.read_file(carried / f"{name}.json") == one for name, one in pointers.items())
    return tag if copied and same and publish.served(carried) == _served(pointers) else None


def champions(tag: str) -> Path:
    """The folder of the pointers and artifacts that the Bento carries."""
    return _place(tag) / "src" / CHAMPIONS


def carriers(name: str, version: str) -> list[str]:
    """The tags of the Bentos that carry this version of the model."""
    return [
        f"{path.parents[3].name}:{path.parents[2].name}"
        for path in sorted(_bentos().glob(f"{NAME}*/*/src/{CHAMPIONS}/*.json"))
        if (pointer := publish.read_file(path)) is not None
        and (pointer.name, pointer.version) == (name, version)
    ]


def idle(before: float, keep: int) -> list[Path]:
    """The folders of the Bentos that were built before a time and that nothing serves.

    Args:
        before: seconds since 1970.
        keep: how many of the newest stay, of each name; one at least.
    """
    import psutil

    # `espalier:latest` names no version, but its workers stand in the folder of one.
    processes = [one.info for one in psutil.process_iter(["cmdline", "cwd"])]
    running = [" ".join([*(one["cmdline"] or ()), one["cwd"] or ""]) for one in processes]
    found = []
    for name in _bentos().glob(f"{NAME}*"):
        built = [path for path in name.iterdir() if path.is_dir()]
        built.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for path in built[max(keep, 1) :]:
            if path.stat().st_mtime < before and not any(path.name in line for line in running):
                found.append(path)
    return found


def delete(folders: Sequence[Path]) -> None:
    """Delete Bentos; raises BuildError where BentoML cannot."""
    tags = [f"{path.parent.name}:{path.name}" for path in folders]
    done = subprocess.run(
        ["bentoml", "delete", "--yes", *tags], capture_output=True, encoding="utf-8"
    )
    if done.returncode:
        raise BuildError(f"bentoml could not delete: {done.stderr.strip().splitlines()[-1]}")


def published(task: str | None = None) -> dict[str, Pointer]:
    """The pointers of the endpoints that have one: of all, or of one task's."""
    endpoints = [name for name, of in settings.endpoints().items() if task in (None, of[0])]
    pointers = {name: publish.read(name) for name in endpoints}
    return {name: pointer for name, pointer in pointers.items() if pointer is not None}


def fill(context: Path, published: Mapping[str, Pointer]) -> None:
    """Put what the Bento holds into the folder `context`.

    The pointers are those that were read: the files may name other champions by now, since a
    promotion holds its dataset's lock and not that of the release.
    """
    for target, source in _contents(published):
        (context / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, context / target)
    for name, pointer in published.items():
        (context / CHAMPIONS / f"{name}.json").write_text(pointer.to_json(), encoding="utf-8")
    publish.write_served(context / CHAMPIONS, _served(published))
    (context / HOME).mkdir()
    (context / HOME / "README.md").write_text(ABOUT_HOME, encoding="utf-8")


def _served(published: Mapping[str, Pointer]) -> dict[str, list[str]]:
    """Task → the datasets of these pointers, as a service reads it.

    The first one that is served has the task's plain path, also where it has no champion yet.
    """
    carried = [pointer.endpoint.partition("-")[::2] for pointer in published.values()]
    return {
        task: [name for name in datasets if name == datasets[0] or (task, name) in carried]
        for task, datasets in settings.served().items()
        if task in dict(carried)
    }


def _contents(published: Mapping[str, Pointer]) -> Iterator[tuple[str, Path]]:
    """Each file of the Bento that is a copy, and the file here that it is a copy of."""
    for pattern in ("serving/**/*.py", "serving/**/*.yaml", "serving/static/*", *SHARED):
        for path in sorted(environment.ROOT.glob(pattern)):
            if path.is_file():
                yield path.relative_to(environment.ROOT).as_posix(), path
    for deployed in DEPLOY:
        yield deployed, environment.ROOT / "deploy" / deployed
    for name, pointer in published.items():
        for path in sorted((publish.folder() / pointer.artifact).iterdir()):
            yield f"{CHAMPIONS}/{pointer.artifact}/{path.name}", path
        for card in publish.cards().glob(f"{pointer.manifest_sha256}.*"):
            yield f"{CARDS}/{name}{card.suffix}", card


def _options(context: Path, published: Mapping[str, Pointer], name: str) -> dict[str, Any]:
    """The arguments of bentoml.bentos.build. Labels carry each champion's name and fingerprint."""
    labels = {}
    for endpoint, pointer in published.items():
        folder = publish.folder() / pointer.artifact
        keys.check_trusted(pointer.signature, pointer.manifest_sha256)
        manifest = artifact.check(folder, pointer.manifest_sha256)
        labels[endpoint] = f"{pointer.name}/{pointer.version}"
        labels[f"{endpoint}.fingerprint"] = manifest["fingerprint"]
    return {
        "name": name,
        "build_ctx": str(context),
        "include": [*(f"{one}/**" for one in FOLDERS), *DEPLOY, LOCK, BILL],
        "labels": labels,
        "description": "The champions of " + ", ".join(published) + ", and what serves them.",
        "python": {"requirements_txt": LOCK, "lock_packages": False},
        "docker": {
            "python_version": f"{sys.version_info.major}.{sys.version_info.minor}",
            # A container's loopback is its own: what may reach it is for `docker run -p` to say.
            "env": environment.TELEMETRY_OFF | {"BENTOML_HOST": "0.0.0.0"},
        },
    }


def _bentos() -> Path:
    return Path(os.environ["BENTOML_HOME"]) / "bentos"


def _place(tag: str) -> Path:
    name, _, version = tag.partition(":")
    return _bentos() / name / version
