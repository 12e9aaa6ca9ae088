"""A model as a drawing: a box for each layer from input to output, lines for what it reads."""

import math
from html import escape
from typing import Any, NamedTuple

WIDTH, HEIGHT, GAP, LANE, MARGIN = 290, 42, 18, 13, 4
# What only writes the same values in another form is left out, with a line through its place.
FORM = {"Cast", "ExpandDims", "Squeeze"}
# What is said of a layer's configuration, and which values go without saying.
SETTINGS = {
    "units": "{}",
    "filters": "{}",
    "input_dim": "{:,} vectors",
    "output_dim": "of {}",
    "num_heads": "{} heads",
    "key_dim": "of {}",
    "kernel_size": "of {}",
    "pool_size": "of {}",
    "dilation_rate": "every {}",
    "strides": "step {}",
    "n": "{} times",
    "rate": "{}",
    "activation": "{}",
}
UNSAID = {"activation": "linear", "dilation_rate": 1, "strides": 1}


class Step(NamedTuple):
    """A layer or operation of a model, and the names of those that it reads."""

    name: str
    kind: str
    settings: str
    shape: str
    weights: int
    learned: int
    reads: list[str]


def steps(model: Any) -> list[Step]:
    """Return what a Keras model does, in the order of its longest way."""
    made, depth, by_name = {}, {}, {}
    for operation in model.operations:
        outputs = _listed(operation.output)
        reads = [made[id(tensor)] for tensor in _listed(operation.input) if id(tensor) in made]
        reads = list(dict.fromkeys(reads))
        made |= {id(tensor): operation.name for tensor in outputs}
        depth[operation.name] = 1 + max((depth[name] for name in reads), default=0)
        by_name[operation.name] = Step(
            operation.name,
            type(operation).__name__,
            _settings(operation),
            " × ".join(str(size) for size in outputs[0].shape[1:]),
            *_weights(operation),
            reads,
        )
    ordered: dict[str, Step] = {}

    def visit(name: str) -> None:
        if name not in ordered:
            for read in sorted(by_name[name].reads, key=depth.__getitem__, reverse=True):
                visit(read)
            ordered[name] = by_name[name]

    visit(made[id(_listed(model.output)[0])])
    return list(ordered.values())


def svg(model: Any) -> str:
    """Return the drawing of a Keras model as inline SVG on one line."""
    drawn = _without_form(steps(model))
    rows = {step.name: row for row, step in enumerate(drawn)}
    jumps = sorted(
        (rows[step.name] - rows[read], rows[read], rows[step.name])
        for step in drawn
        for read in step.reads
        if rows[step.name] - rows[read] > 1
    )
    lanes: list[list[tuple[int, int]]] = []
    parts = []
    for _, first, last in jumps:
        lane = next((one for one in lanes if all(last <= a or b <= first for a, b in one)), None)
        if lane is None:
            lanes.append(lane := [])
        lane.append((first, last))
        parts.append(_jump(first, last, lanes.index(lane)))
    for row, step in enumerate(drawn):
        parts.append(_box(row, step))
        if row and drawn[row - 1].name in step.reads:
            x, y = MARGIN + WIDTH / 2, _top(row)
            parts.append(f'<path class="flow" d="M{x},{y - GAP}V{y - 5}"/>{_tip(x, y, "down")}')
    width = WIDTH + 2 * MARGIN + (len(lanes) * LANE + 14 if lanes else 0)
    height = _top(len(drawn)) - GAP + MARGIN
    label = f"The layers of {model.name} from input to output; the table below lists them."
    return (
        f'<svg class="layers" role="img" aria-label="{escape(label)}" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}">{"".join(parts)}</svg>'
    )


def _without_form(steps: list[Step]) -> list[Step]:
    """Return the steps that change values; who reads another form reads its source."""
    source: dict[str, str] = {}
    kept = []
    for step in steps:
        reads = list(dict.fromkeys(source.get(name, name) for name in step.reads))
        if step.kind in FORM:
            source[step.name] = reads[0]
        else:
            kept.append(step._replace(reads=reads))
    return kept


def _top(row: int) -> int:
    return MARGIN + row * (HEIGHT + GAP)


def _box(row: int, step: Step) -> str:
    top, filled = _top(row), ' class="learns"' if step.weights else ""
    title = f"{step.kind} {step.settings}".strip()
    count = f" · {step.weights:,} weights" if step.weights else ""
    x = MARGIN + WIDTH / 2
    return (
        f'<rect{filled} x="{MARGIN}" y="{top}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
        f'<text x="{x}" y="{top + 17}">{escape(title)}</text>'
        f'<text class="shape" x="{x}" y="{top + 33}">{escape(step.shape + count)}</text>'
    )


def _jump(first: int, last: int, lane: int) -> str:
    """A line past the boxes between, on the right."""
    right = MARGIN + WIDTH
    x, start, end = right + 14 + lane * LANE, _top(first) + HEIGHT - 10, _top(last) + 12
    return (
        f'<path class="flow" d="M{right},{start}H{x - 6}q6,0 6,6V{end - 6}q0,6 -6,6H{right + 5}"/>'
        f"{_tip(right, end, 'left')}"
    )


def _tip(x: float, y: float, way: str) -> str:
    points = f"{x},{y} {x - 4},{y - 6} {x + 4},{y - 6}"
    if way == "left":
        points = f"{x},{y} {x + 6},{y - 4} {x + 6},{y + 4}"
    return f'<polygon points="{points}"/>'


def _listed(value: Any) -> list:
    return list(value) if isinstance(value, list | tuple) else [value]


def _weights(operation: Any) -> tuple[int, int]:
    """Return how many numbers a layer holds, and how many of them training changes."""
    if not hasattr(operation, "count_params"):
        return 0, 0
    learned = sum(math.prod(weight.shape) for weight in operation.trainable_weights)
    return operation.count_params(), learned


def _settings(operation: Any) -> str:
    """Return what was chosen for a layer, in a few words; nothing for an operation."""
    config = operation.get_config() if hasattr(operation, "count_params") else {}
    config = config.get("layer", {}).get("config", config)  # the layer inside a Bidirectional
    words, pool = [], config.get("pool_size")  # a pool's step is its size
    for key, form in SETTINGS.items():
        value = config.get(key)
        several = value if isinstance(value, list | tuple) else [value]
        if set(several) <= {None, UNSAID.get(key)} or (key, value) == ("strides", pool):
            continue
        words.append(form.format(" × ".join(map(str, value)) if value is several else value))
    return ", ".join(words)
