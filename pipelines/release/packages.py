"""What a Bento installs: its lock with hashes, and its bill of materials (CycloneDX 1.6)."""

import re
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pipelines.release.publish import Pointer
from pipelines.runtime import environment

# What serving/ imports; all that these need is pinned with them.
NEEDS = (
    "bentoml", "cryptography", "httptools", "httpx", "numpy", "onnxruntime", "orjson", "pillow",
    "prometheus-client", "pydantic", "python-multipart", "pyyaml", "simplejpeg", "starlette",
    "uvicorn", "uvloop",
)  # fmt: skip
LOCKED = re.compile(r"^([\w.-]+)==([^\s;]+)[^\n]*\n((?:    --hash=[^\n]+\n)+)", re.MULTILINE)


class BuildError(RuntimeError):
    """A Bento could not be built or deleted; the message says why."""


def lock() -> str:
    """Every package that BentoML and serving/ need, at the version installed here, with the hashes
    that the product's own lock has of it. Raises BuildError where it has another version."""
    locked = dict(_locked())
    lines = []
    for name, version in pinned().items():
        hashes = locked.get((name, version))
        if hashes is None:
            raise BuildError(
                f"{name} {version} is installed, which no requirements*.lock holds, so that there "
                "are no hashes to install it by elsewhere: rm -f .venv/.ready* && make setup"
            )
        lines.append(f"{name}=={version} \\\n{hashes}")
    return "".join(lines)


def pinned() -> dict[str, str]:
    """Package → version installed here, of every package that NEEDS and theirs need."""
    waiting, seen, pins = [Requirement(name) for name in NEEDS], set(), {}
    while waiting:
        package = waiting.pop()
        if (package.name, frozenset(package.extras)) in seen:
            continue
        seen.add((package.name, frozenset(package.extras)))
        installed = metadata.distribution(package.name)
        pins[canonicalize_name(package.name)] = installed.version
        for required in map(Requirement, installed.requires or []):
            extras = [{"extra": extra} for extra in package.extras | {""}]
            if required.marker is None or any(map(required.marker.evaluate, extras)):
                waiting.append(required)
    return dict(sorted(pins.items()))


def bill_of_materials(name: str, champions: list[Pointer]) -> str:
    """The packages and the champions of a Bento, as JSON.

    Args:
        name: of the Bento.
        champions: what it carries; the hash of each is that of its manifest.
    """
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    whole = Component(name=name, type=ComponentType.APPLICATION, bom_ref=name)
    parts = [
        Component(
            name=package,
            version=version,
            type=ComponentType.LIBRARY,
            purl=PackageURL("pypi", name=package, version=version),
            bom_ref=f"{package}=={version}",
        )
        for package, version in pinned().items()
    ] + [
        Component(
            name=one.name,
            version=one.version,
            type=ComponentType.MACHINE_LEARNING_MODEL,
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one.manifest_sha256)],
            bom_ref=f"{one.name}/{one.version}",
        )
        for one in champions
    ]
    bill = Bom(components=parts)
    bill.metadata.component = whole
    bill.register_dependency(whole, parts)
    return JsonV1Dot6(bill).output_as_string(indent=1)


def _locked() -> Iterator[tuple[tuple[str, str], str]]:
    """Name and version of each package of the product's locks, and its lines of hashes."""
    for file in sorted(environment.ROOT.glob("requirements*.lock")):
        for name, version, hashes in LOCKED.findall(file.read_text(encoding="utf-8")):
            yield (name, version), hashes
