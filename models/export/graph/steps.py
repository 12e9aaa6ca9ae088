"""Where the steps of a sequence stand: Keras keeps the rows first, ONNX's recurrent operators want
the steps first.

What can be had both ways is noted under both names; the one that nothing reads is left out later.
Of what is looked up in a table the ids are turned, which are fewer.
"""


def first(graph, x) -> str:
    """Return `x`, (row, step, feature), with its steps first."""
    name = graph.name(x)
    if name in graph.steps_first:
        return graph.steps_first[name]
    if name in graph.lookups:
        table, ids = graph.lookups[name]
        return graph.add("Gather", table, graph.add("Transpose", ids, perm=[1, 0]))
    return graph.add("Transpose", x, perm=[1, 0, 2])


def second(graph, steps_first: str) -> str:
    """Return what has its steps first with its rows first, and note both."""
    name = graph.add("Transpose", steps_first, perm=[1, 0, 2])
    graph.steps_first[name] = steps_first
    return name
