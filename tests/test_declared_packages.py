"""Every imported distribution is declared, and what we lean on has an upper bound."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS = ("data", "models", "pipelines", "serving")
# Their data files alone are read, their packages' behaviour is nothing to us; or they say nothing
# but what the standard library's successor would: a new version is no risk.
UNBOUNDED = {
    "bokeh-sampledata", "httptools", "jinja2", "matplotlib", "mlxtend", "packaging", "psutil",
    "psycopg2-binary", "pyyaml", "rich", "scipy", "statsmodels", "threadpoolctl", "uvloop",
}  # fmt: skip


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> dict[str, str]:
    """Distribution → the rest of its requirement."""
    parts = (re.match(r"[\w.-]+", one).group() for one in requirements)
    return {canonical(p): one[len(p) :] for p, one in zip(parts, requirements, strict=True)}


PRODUCT = declared(PROJECT["project"]["dependencies"])
EXTRAS = declared([one for e in PROJECT["project"]["optional-dependencies"].values() for one in e])
TESTS = declared(PROJECT["dependency-groups"]["dev"])


def imported(rooms: tuple[str, ...]) -> dict[str, str]:
    """Top-level package → a file that imports it, of others' packages."""
    own = {
        *ROOMS,
        "tests",
        "benchmarks",
        "deploy",
        "generators",
        *(p.stem for p in (ROOT / "tests/support").glob("*.py")),
    }
    packages = {}
    for path in (path for room in rooms for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            else:
                continue
            packages |= {name.split(".")[0]: str(path.relative_to(ROOT)) for name in names}
    return {k: v for k, v in packages.items() if k not in own | set(sys.stdlib_module_names)}


@pytest.mark.parametrize(
    ("rooms", "allowed"),
    [(ROOMS, PRODUCT | EXTRAS), (("tests",), PRODUCT | EXTRAS | TESTS)],
    ids=["product", "tests"],
)
def test_every_imported_distribution_is_declared(rooms, allowed):
    distributions = packages_distributions()
    undeclared = {
        package: file
        for package, file in imported(rooms).items()
        if not {canonical(name) for name in distributions.get(package, ["?"])} & allowed.keys()
    }
    assert not undeclared


def test_what_we_lean_on_has_an_upper_bound():
    unbounded = {name for name, rest in (PRODUCT | EXTRAS).items() if not re.search("<|==", rest)}
    assert unbounded <= UNBOUNDED | {"jax"}


def test_the_license_is_named_and_ships():
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
