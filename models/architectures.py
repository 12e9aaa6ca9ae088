"""Which architectures there are, their complete parameters, and the code that each depends on.

One file is one architecture: `models/<task>/<arch>.py` holds `build(...)`, whose keyword-only
arguments are parameters, and the defaults `INPUTS` (of the inputs' `fit`) and `FIT` (of the
training); where some weights are statistics of the training rows, also `adapt(model, tensor,
target)`, which sets them before the fit. A file there is enough; it is registered nowhere else.
One name is set apart: the `GUARD` of each task is no rival of the others (training/guard.py).
"""

import ast
import importlib
import inspect
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType
from typing import Any

from models import options, syntax_tree
from models.errors import UnknownName, WrongParameter
from models.inputs.kinds import CLASSES

TASKS = ("image", "sentiment", "forecast")
GUARD = "autoencoder"
BLEND = "blend"  # what the mean of several fits is called, which is no architecture
MOST_GUARD_ROWS = 5_000  # of the training split: more take longer, and the guard knows little more

# From the oldest and simplest to the newest; an architecture not named here comes after these.
TEXTBOOK_ORDER = (
    "perceptron", "ann", "ann_batchnorm", "ann_dropout", "cnn", "deep_cnn", "simple_rnn", "lstm",
    "gru", "deep_rnn", "deep_lstm", "deep_gru", "bilstm", "seq2seq", "hashed",
    "transformer",
)  # fmt: skip

_ROOM = Path(__file__).parent
# What every run passes through, whatever its architecture; and the guards on their way.
_SHARED = ("training/fit", "evaluation/measure", "export/package")
_SHARED_BY_GUARDS = ("training/guard", "export/guard")
_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}


def names(task: str) -> list[str]:
    """Return the architectures that compete for a task, in textbook order. Raises UnknownName."""
    if task not in TASKS:
        raise UnknownName("task", task, TASKS)
    stems = {path.stem for path in (_ROOM / task).glob("[!_]*.py")} - {GUARD}
    ranks = {name: rank for rank, name in enumerate(TEXTBOOK_ORDER)}
    return sorted(stems, key=lambda name: (ranks.get(name, len(ranks)), name))


def module(task: str, arch: str) -> ModuleType:
    """Import the file of one architecture; keras is imported only once it builds."""
    competing = names(task)
    if arch not in [*competing, GUARD]:
        raise UnknownName(f"{task} architecture", arch, competing)
    return importlib.import_module(f"models.{task}.{arch}")


def resolve(task: str, arch: str, overrides: Mapping, facts: Mapping) -> dict:
    """Return the complete, flat parameters of a run, as JSON would hold them.

    Args:
        overrides: values by parameter name, over the architecture's own defaults.
        facts: the dataset's; its task, if given, must be this one.

    Raises:
        UnknownName: there is no such name; the message has the nearest one.
        WrongParameter: a value has the wrong type, or lies outside its range.
    """
    if facts.get("task", task) != task:
        raise WrongParameter(
            f"{facts['name']} is a dataset for {facts['task']}: it cannot train a model for {task}."
        )
    parameters = defaults(task, arch)
    for name, value in overrides.items():
        if name not in parameters:
            raise UnknownName(f"parameter of {task}/{arch}", name, parameters)
        parameters[name] = _checked(name, value, parameters[name], options.words(task))
    return parameters


def defaults(task: str, arch: str) -> dict:
    """Return every parameter of an architecture with its default, those of `build` first."""
    file = module(task, arch)
    return build_defaults(file) | file.INPUTS | options.training(task) | file.FIT


def build_defaults(file: ModuleType) -> dict:
    """Return the keyword-only arguments of a file's `build` with their defaults."""
    arguments = inspect.signature(file.build).parameters.values()
    return {one.name: one.default for one in arguments if one.kind is one.KEYWORD_ONLY}


def guard_parameters(task: str, facts: Mapping) -> dict:
    """Return the complete parameters of a dataset's guard, which of large data takes a part.

    Args:
        task: one of TASKS.
        facts: the dataset's, with the rows of its training split.
    """
    rows = facts["rows"]["train"]
    if task == "forecast":  # neighbouring windows say nearly the same
        part: dict = {"stride": math.ceil(rows / MOST_GUARD_ROWS)}
    else:
        part = {"share": min(1.0, MOST_GUARD_ROWS / rows)}
    return resolve(task, GUARD, part, facts)


def sources(task: str, arch: str, parameters: Mapping) -> list[Path]:
    """Return the files in `models/` that a run of this architecture executes, sorted.

    The closure of imports, so that editing one architecture leaves the others' fingerprints alone.
    Modules that are imported by name are listed here: the architecture, the task's inputs and
    golden requests, and, where they are switched on, augmentation and its synonyms.

    Args:
        task: one of TASKS.
        arch: an architecture of the task, or GUARD.
        parameters: the complete ones, from `resolve`.
    """
    module(task, arch)
    inputs, _, _ = CLASSES[task]
    start = [f"{task}/{arch}", f"inputs/{inputs}", f"artifact/golden_{inputs}"]
    start += _SHARED_BY_GUARDS if arch == GUARD else _SHARED
    if options.augmented(task, parameters):
        start.append(f"augmentation/{task}")
    unused = set() if parameters.get("replace") else {_ROOM / "augmentation" / "synonyms.py"}
    return closure([_ROOM / f"{name}.py" for name in start], unused)


def closure(files: Iterable[Path], unused: Collection[Path] = ()) -> list[Path]:
    """Return these files of `models/` and those that they import, directly or not, sorted.

    Args:
        files: files of this room.
        unused: files that are imported by a function that does not run.
    """
    waiting = list(files)
    closed: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in closed and path not in unused:
            closed.add(path)
            waiting += _imported(path)
    return sorted(closed)


def _imported(path: Path) -> list[Path]:
    """Return the files of this room that a file imports, anywhere in it."""
    package = path.relative_to(_ROOM.parent).parent.as_posix().replace("/", ".")
    paths = (
        _ROOM.parent / f"{name.replace('.', '/')}.py"
        for name in _imports(path.read_bytes(), package)
        if name.startswith(f"{_ROOM.name}.")
    )
    return [path for path in paths if path.is_file()]


@cache  # the architectures of a task share most of their files
def _imports(source: bytes, package: str) -> frozenset[str]:
    """Return the dotted names that a file's imports may find as modules, absolute and relative.

    What is imported for type checkers alone is not executed and left out.
    """
    dotted = set()
    waiting: list[ast.AST] = [syntax_tree.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            dotted |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            name = f"{'.' * node.level}{node.module or ''}"
            origin = resolve_name(name, package)
            dotted |= {origin} | {f"{origin}.{alias.name}" for alias in node.names}
    return frozenset(dotted)


def _checked(name: str, value: Any, default: Any, words: Mapping[str, Sequence[str]]) -> Any:
    """Return `value` in the default's type, or say what is allowed."""
    if default is None and value is None:
        return None
    kind = int if default is None else type(default)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise WrongParameter(f"{name} must be {_WORDS[kind]}, not {value!r}.")
    if kind is str and value not in words[name]:
        raise WrongParameter(f"{name} must be one of {', '.join(words[name])}, not {value!r}.")
    least, most = options.RANGES.get(name, (1 if kind is int else 0, math.inf))
    if kind in (int, float) and not (least <= value <= most and value < math.inf):
        limits = f"at least {least}" if most == math.inf else f"from {least} to {most}"
        raise WrongParameter(f"{name} must be a finite number, {limits}, not {value!r}.")
    return value
