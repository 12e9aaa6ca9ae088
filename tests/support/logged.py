"""The records of a request log's segments."""

import json
from pathlib import Path


def logged_records(folder: Path) -> list[dict]:
    """Read the segments of a folder, of which the last line may be half written yet."""
    lines = [
        line
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_text().split("\n")[:-1]
    ]
    return [json.loads(line) for line in lines]
