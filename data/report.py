"""What the gate found: data/reports/NAME/validation.json, read and told without its tools."""

import json
from pathlib import Path

from data.errors import DataError

REPORTS = Path("data/reports")


def path(name: str, root: Path = Path()) -> Path:
    """Where the validate stage writes the report of dataset `name`."""
    return root / REPORTS / name / "validation.json"


def read(name: str, root: Path = Path()) -> dict:
    """The report of dataset `name`; raises DataError when there is none."""
    try:
        return json.loads(path(name, root).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path(name)} cannot be read: {error}") from error


def text(report: dict) -> str:
    """The report for a terminal."""
    return "refused"
