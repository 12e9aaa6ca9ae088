"""The description of the service at /docs.json: openapi.yaml, completed for what serves now."""

import json
from collections.abc import Callable, Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from yaml import CSafeLoader, load

from models.inputs.images import ImageInputs
from models.inputs.series import LEVELS, MAX_SCALES, SeriesInputs
from models.inputs.texts import TextInputs
from serving.champions.served import path_of, task_of
from serving.champions.slots import Champions
from serving.http.canonical_path import is_under
from serving.inference.loaded_model import Model
from serving.inference_protocol.signatures import signature

FILE = Path(__file__).with_name("openapi.yaml")
TEXT = "A quiet film, and a great one."

Document = dict[str, Any]


def description(champions: Champions, is_closed: Callable[[str], bool]) -> Route:
    """Return the route of /docs.json.

    Args:
        champions: the tasks that are served, and their models now.
        is_closed: whether a path needs a token now.
    """
    template = load(FILE.read_text("utf-8"), CSafeLoader)

    async def docs(request: Request) -> Response:
        models = {name: slot.model for name, slot in champions.listed().items()}
        return JSONResponse(complete(template, models, is_closed))

    return Route("/docs.json", docs, methods=["GET"])


def complete(
    template: Document,
    models: Mapping[str, Model | None],
    is_closed: Callable[[str], bool] = lambda path: False,
) -> Document:
    """Return the description of a service.

    Args:
        template: what openapi.yaml holds.
        models: slot → its champion, for each slot; a dataset's own comes after its task's.
        is_closed: whether a path needs a token; none does by default.
    """
    tasks = [name for name in models if task_of(name) == name]
    paths = _expand(template["paths"], tasks)
    for task in ("image", "sentiment", "forecast"):
        if task not in models:
            del paths[f"/v1/{task}"]
    sections = template["components"].items()
    components = {name: _expand(section, tasks) for name, section in sections}
    document = template | {"paths": paths, "components": components}
    for name in models:
        if name not in tasks:
            _add_dataset(document, name)
    for name, model in models.items():
        if model is not None:
            _describe(document, name, model)
    if closed := list(filter(is_closed, paths)):
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path in closed:
        _lock(path, paths[path])
    return document


def _expand(section: Mapping[str, Any], tasks: Iterable[str]) -> Document:
    """Return a copy of `section` with one entry a task for each entry whose name has {model}."""
    expanded = {}
    for name, entry in section.items():
        for task in tasks if "{model}" in name else ("",):
            text = json.dumps(entry).replace("{model}", task)
            expanded[name.replace("{model}", task)] = json.loads(text)
    return expanded


def _add_dataset(document: Document, name: str) -> None:
    """Put in the paths and schemas of a dataset's slot: those of its task, under its own name."""
    task, paths = task_of(name), document["paths"]
    own = {"history", "value", "horizon", "level"} if task == "forecast" else set()
    schemas, parameters = (document["components"][part] for part in ("schemas", "parameters"))
    own |= {schema for schema in schemas if schema.startswith(f"{task}-")}
    renamed = {f'schemas/{one}"': f'schemas/{_own(name, one)}"' for one in own}
    renamed |= {f'version-of-{task}"': f'version-of-{name}"', f" {task} ": f" {name} "}
    renamed |= {f'"operationId": "{task}"': f'"operationId": "{name}"', f" {task}.": f" {name}."}

    def copy(part: Any) -> Any:
        text = json.dumps(part)
        for old, new in renamed.items():
            text = text.replace(old, new)
        return json.loads(text)

    paths[path_of(name)] = copy(paths[f"/v1/{task}"])
    models = f"/v2/models/{task}"
    for path in [path for path in paths if is_under(models, path)]:
        paths[f"/v2/models/{name}{path.removeprefix(models)}"] = copy(paths[path])
    schemas |= {_own(name, one): copy(schemas[one]) for one in own}
    parameters[f"version-of-{name}"] = copy(parameters[f"version-of-{task}"])


def _own(name: str, schema: str) -> str:
    """Return the name of a slot's own schema: that of its task, unless it is a dataset's slot."""
    task = task_of(name)
    return schema if name == task else f"{name}-{schema.removeprefix(f'{task}-')}"


def _describe(document: Document, name: str, model: Model) -> None:
    """Put in what `model` decides: ranges, labels, names, the shape and an example of its input."""
    components, described = document["components"], signature(model)
    schemas = components["schemas"]
    shape, items, data = _batch_of_one(document, name, model.inputs)
    # A picture's file is taken as binary data only.
    datatypes = [name for name, form in described.forms.items() if len(form.shape) == len(shape)]
    size = {"minItems": prod(shape), "maxItems": prod(shape)}
    schemas[f"{name}-input"]["properties"] |= {
        "name": {"const": described.name},
        "datatype": {"enum": datatypes},
        "shape": {"const": shape},
        "data": {"type": "array", "items": items} | size,
    }
    schemas[f"{name}-output"]["enum"] = list(described.outputs)
    components["parameters"][f"version-of-{name}"]["schema"]["enum"] = [model.pointer.version]
    tensor = {"name": described.name, "datatype": datatypes[0], "shape": shape, "data": data}
    example = {"inputs": [tensor], "outputs": [{"name": described.outputs[0]}]}
    for version in ("", "/versions/{version}"):
        _set_example(document, f"/v2/models/{name}{version}/infer", example)


def _set_example(document: Document, path: str, example: Any) -> None:
    content = document["paths"][path]["post"]["requestBody"]["content"]
    content["application/json"]["example"] = example


def _batch_of_one(
    document: Document, name: str, inputs: ImageInputs | TextInputs | SeriesInputs
) -> tuple[list[int], Document, list[Any]]:
    """Put in the ranges and labels of the `inputs` of a slot.

    Returns:
        The shape of a batch of one, the schema of one of its elements, and all elements of an
        example.
    """
    schemas = document["components"]["schemas"]
    if isinstance(inputs, SeriesInputs):
        away, level = MAX_SCALES * inputs.scale, len(inputs.radii) / LEVELS
        schemas[_own(name, "history")]["minItems"] = inputs.history
        value = schemas[_own(name, "value")]
        value |= {"minimum": inputs.mean - away, "maximum": inputs.mean + away}
        schemas[_own(name, "horizon")]["maximum"] = inputs.horizon
        schemas[_own(name, "level")]["maximum"] = level
        history = [round(inputs.mean, 3)] * inputs.history
        options = {"horizon": inputs.horizon, "level": min(0.8, level)}
        _set_example(document, path_of(name), {"history": history} | options)
        return [1, inputs.history], {"$ref": f"#/components/schemas/{_own(name, 'value')}"}, history
    schemas[f"{name}-label"]["enum"] = list(inputs.labels)
    if isinstance(inputs, TextInputs):
        return [1], {"$ref": "#/components/schemas/text"}, [TEXT]
    shape = [1, inputs.height, inputs.width, inputs.channels]
    gradient = [pixel * 255 // prod(shape) for pixel in range(prod(shape))]
    return shape, {"type": "integer", "minimum": 0, "maximum": 255}, gradient


def _lock(path: str, item: Document) -> None:
    """Say of the operations of one path that they need a token, and one that is for them."""
    prefix = "v2-" if is_under("/v2", path) else ""
    for method, operation in item.items():
        if method != "parameters":
            operation["security"] = [{"token": []}]
            for status, name in (("401", "unauthorized"), ("403", "forbidden")):
                operation["responses"][status] = {"$ref": f"#/components/responses/{prefix}{name}"}
