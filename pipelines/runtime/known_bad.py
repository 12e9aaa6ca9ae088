"""Versions of packages that are known to be bad in this stack: each was seen, or is published."""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version


@dataclass(frozen=True)
class Bad:
    """Packages that must not be installed together.

    together: requirements (PEP 508) that all hold. why: what goes wrong then. instead: the
    requirement that mends it.
    """

    together: tuple[str, ...]
    why: str
    instead: str


KNOWN = (
    # Seen with Prefect 3.8.8, FastAPI 0.151 to 0.165 and SQLAlchemy 2.1.9.
    Bad(("fastapi>=0.155", "prefect<3.9"), "Prefect's server fails to start", "fastapi<0.151"),
    Bad(("fastapi>=0.151,<0.155", "prefect<3.9"), "deployments get a 422", "fastapi<0.151"),
    Bad(("sqlalchemy>=2.1", "prefect<3.9"), "schedules silently create no runs", "sqlalchemy<2.1"),
    # Published.
    Bad(("bentoml<1.4.39",), "a build can run foreign code (CVE-2026-33744)", "bentoml>=1.4.39"),
    Bad(("keras<3.14",), "a model file can run foreign code (CVE-2026-1462)", "keras>=3.14"),
    Bad(("onnx<1.21",), "a model's external data is read (CVE-2026-34446)", "onnx>=1.21"),
    Bad(
        ("python-multipart<0.0.27",),
        "a crafted body hangs the service (CVE-2026-42561)",
        "python-multipart>=0.0.27",
    ),
)


def installed() -> list[Bad]:
    """Those of the known ones whose packages are installed here."""
    from packaging.requirements import Requirement

    def holds(text: str) -> bool:
        wanted = Requirement(text)
        try:
            return wanted.specifier.contains(version(wanted.name), prereleases=True)
        except PackageNotFoundError:
            return False

    return [bad for bad in KNOWN if all(map(holds, bad.together))]
