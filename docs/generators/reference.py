"""The reference: the command, HTTP, params.yaml, training parameters, tags and metrics."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
LINE = "| --- | --- | --- | --- |"


def command() -> str:
    """Return what Typer knows of `espalier`, from its own writer of Markdown."""
    typer = Path(sys.executable).parent / "typer"
    done = subprocess.run(
        [typer, "pipelines.cli", "utils", "docs", "--name", "espalier"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    commands = done.stdout[done.stdout.index("\n## ") :]
    return re.sub(r"^Example: (.+)$", r"Example: `\1`", commands, flags=re.M)


def params(section: str) -> str:
    """Return a table of the keys of a section of params.yaml, from its Pydantic model."""
    from data import entries
    from pipelines.gate import rules
    from pipelines.runtime import sections

    model = (vars(entries) | vars(rules) | vars(sections))[section]
    schema = model.model_json_schema()
    required = schema.get("required", [])
    rows = [
        f"| `{name}` | {_type(field, schema)} | {_default(name, field, required)} "
        f"| {field.get('description', '')} |"
        for name, field in schema["properties"].items()
    ]
    return "\n".join(["| key | value | default | meaning |", LINE, *rows])


def training(task: str) -> str:
    """Return a table of the parameters that every architecture of a task is trained with."""
    from models import options

    words = options.words(task)
    rows = []
    for name, default in options.training(task).items():
        least, most = options.RANGES.get(name, (0, None))
        allowed = f"{least} to {most}" if name in options.RANGES else "true, false"
        if name in words:
            allowed = ", ".join(f"`{word}`" for word in words[name])
        elif not isinstance(default, bool) and name not in options.RANGES:
            allowed = "1 or more" if isinstance(default, int) else "0 or more"
        rows.append(f"| `{name}` | `{default}` | {allowed} |")
    return "\n".join(["| parameter | default | values |", "| --- | --- | --- |", *rows])


def metrics() -> str:
    """Return a table of the series on /metrics that are ours, as Prometheus sees them."""
    from prometheus_client import REGISTRY

    from serving.http import metrics

    metrics.RequestMetrics(None, ("", "", ""), Path())
    metrics.monitored_series()
    for name in metrics.SERIES:
        metrics.counter(name)
    rows = [
        f"| `{one.name}{'_total' if one.type == 'counter' else ''}` | {one.type} "
        f"| {one.documentation} |"
        for one in REGISTRY.collect()
        if one.name.startswith(("espalier_", "bentoml_"))
    ]
    return "\n".join(["| series | type | meaning |", "| --- | --- | --- |", *sorted(rows)])


def tags() -> str:
    """Return a table of the tags that runs and versions have in MLflow.

    Raises ValueError where the code names a tag that the table lacks, or the other way round.
    """
    found = {
        node.value
        for path in (ROOT / "pipelines").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if re.fullmatch(r"espalier\.[a-z0-9_.]+", node.value) and node.value not in NO_TAGS
    }
    if found != set(TAGS):
        raise ValueError(
            f"TAGS in docs/generators/reference.py lacks {sorted(found - set(TAGS))}, "
            f"and has {sorted(set(TAGS) - found)} too many"
        )
    rows = [f"| `{name}` | {meaning} |" for name, meaning in TAGS.items()]
    return "\n".join(["| tag | meaning |", "| --- | --- |", *rows])


def http(tag: str) -> str:
    """Return the operations of a tag of openapi.yaml: what they take and answer, and when not.

    Args:
        tag: its words joined by `-`.
    """
    description = yaml.safe_load((ROOT / "serving/api/openapi.yaml").read_text(encoding="utf-8"))
    lines = []
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            if method != "parameters" and operation["tags"] == [tag.replace("-", " ")]:
                lines += _operation(f"{method.upper()} {path}", operation, description)
    return "\n".join(lines)


def _operation(name: str, operation: dict, description: dict) -> list[str]:
    lines = [f"### `{name}`", "", operation["summary"], "", operation.get("description", ""), ""]
    if body := operation.get("requestBody"):
        lines += [f"Takes {_types(body)}.", "", *_fields(body, description)]
    lines += ["| status | meaning | codes |", "| --- | --- | --- |"]
    for status, response in operation["responses"].items():
        answer = _resolved(response, description)
        codes = re.findall(r"\w+", " ".join(_codes(answer.get("content"), description)))
        lines.append(
            f"| {status} | {answer['description']} | {', '.join(f'`{one}`' for one in codes)} |"
        )
    answer = _resolved(operation["responses"]["200"], description)
    return [*lines, "", *_fields(answer, description)]


def _types(message: dict) -> str:
    return ", ".join(f"`{kind}`" for kind in message["content"])


def _fields(message: dict, description: dict) -> list[str]:
    """Return a table of the fields of a message in JSON; nothing for other kinds."""
    schema = message.get("content", {}).get("application/json", {}).get("schema", {})
    properties = _resolved(schema, description).get("properties", {})
    if not properties:
        return []
    rows = [
        f"| `{name}` | {_type(_resolved(field, description), description)} "
        f"| {_resolved(field, description).get('description', '')} |"
        for name, field in properties.items()
    ]
    return ["| field | value | meaning |", "| --- | --- | --- |", *rows, ""]


def _codes(schema: Any, description: dict) -> list[str]:
    """Return the error codes that a response names."""
    if isinstance(schema, list):
        return [code for one in schema for code in _codes(one, description)]
    if not isinstance(schema, dict):
        return []
    if isinstance(code := schema.get("code"), dict):
        return [*code.get("enum", []), *([code["const"]] if "const" in code else [])]
    return [code for one in schema.values() for code in _codes(one, description)]


def _resolved(node: dict, description: dict) -> dict:
    """Return a node with what its `$ref` names below it; nothing where the service adds that."""
    if "$ref" not in node:
        return node
    found: Any = description
    for part in node["$ref"].removeprefix("#/").split("/"):
        found = found.get(part, {})
    return {**_resolved(found, description), **{k: v for k, v in node.items() if k != "$ref"}}


def _type(field: dict, schema: dict) -> str:
    """Return in words what a JSON schema allows."""
    field = _resolved(field, schema)
    for key in ("anyOf", "oneOf"):
        if key in field:
            words = [_type(one, schema) for one in field[key] if one.get("type") != "null"]
            return " or ".join(dict.fromkeys(words))
    if "enum" in field or "const" in field:
        values = field.get("enum", [field.get("const")])
        return ", ".join(f"`{_written(value)}`" for value in values)
    kind = field.get("type", "any")
    if kind == "array":
        return f"list of {_type(field.get('items', {}), schema)}"
    low = field.get("minimum", field.get("exclusiveMinimum"))
    high = field.get("maximum", field.get("exclusiveMaximum"))
    limits = "" if low is None else f", {low} or more"
    if "exclusiveMinimum" in field:
        limits = f", more than {low}"
    if high is not None:
        limits += f", {'less than' if 'exclusiveMaximum' in field else 'at most'} {high}"
    kinds = [one for one in (kind if isinstance(kind, list) else [kind]) if one != "null"]
    return " or ".join(NAMES.get(one, one) for one in kinds) + limits


def _default(name: str, field: dict, required: list[str]) -> str:
    if name in required:
        return "must be there"
    default = field.get("default")
    if default is None:
        return "none"
    return "those below" if isinstance(default, dict) and default else f"`{_written(default)}`"


def _written(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()


NAMES = {
    "string": "text", "integer": "whole number", "number": "number", "boolean": "true, false",
    "object": "mapping",
}  # fmt: skip
NO_TAGS = {"espalier.", "espalier.db", "espalier.lock"}
TAGS = {
    "espalier.task": "image, sentiment or forecast",
    "espalier.dataset": "the dataset's name",
    "espalier.dataset_hash": "the hash of its version in DVC",
    "espalier.kind": "of a parent: retrain, train, search; of a child: fit, baseline, rival, guard",
    "espalier.arch": "the architecture, or blend",
    "espalier.seed": "the seed of the fit",
    "espalier.profile": "the profile of params.yaml",
    "espalier.parameters": "the complete parameters, as JSON; of a blend its members' recipes",
    "espalier.fingerprint": "the fingerprint of the fit",
    "espalier.code": "the hash of the code and the versions that computed the fit",
    "espalier.look": "true: a first look, which may not be promoted",
    "espalier.before": "of a refit: the run of the fit of the training rows, which it goes by",
    "espalier.backend": "the versions of what computes, as JSON",
    "espalier.git_dirty": "true: the checkout had changes that were not committed",
    "espalier.naive": "the naive prediction that the scores are measured against",
    "espalier.together": "of baselines and rivals: how many were scored together",
    "espalier.failure": "why the fit failed",
    "espalier.host": "the host that logged the run",
    "espalier.device": "its GPUs, each with memory and driver, or its processor",
    "espalier.journal": "the journal that the run was sent from, on the machine that logged it",
    "espalier.pruned": "why a search ended the fit",
    "espalier.manifest_sha256": "the digest of the artifact's manifest",
    "espalier.guard_sha256": "the digest of the familiarity guard",
    "espalier.rescored.": "with a dataset's hash: when the model was scored on that version",
    "espalier.decision": "of a parent run: what was decided: promotion, refusal or awaiting",
    "espalier.budget": "of a parent run: the time that it was given",
    "espalier.left_out": "of a parent run: what it left out for want of time",
    "espalier.state": "of a version: pending, awaiting, ready or refused",
    "espalier.reason": "of a version: why it was refused",
    "espalier.trial": "of a version on trial: the percentage of requests that it answers",
    "espalier.trial_terms": "of a version on trial: beside which champion, and until when, as JSON",
    "espalier.signature": "of a version: who signed it when it was promoted (docs/gate.md)",
    "espalier.ledger.head": "of a champion's version: length and hash of the ledger at that time",
}
