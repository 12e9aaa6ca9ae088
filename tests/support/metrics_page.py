"""Reading /metrics as Prometheus does."""

import re

LABELS = '{{endpoint="{}",http_response_code="{}",runner_name="Espalier",[^}}]*}} (.*)'


def told(page: str, name: str, path: str, status: int) -> float:
    """The value of one series of the metrics' page; 0 where it is not there."""
    found = re.search(f"^bentoml_service_{name}{LABELS.format(path, status)}$", page, re.M)
    return float(found[1]) if found else 0.0
