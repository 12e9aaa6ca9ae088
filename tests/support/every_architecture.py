"""Every architecture of every task, and the sizes that the tests build it with."""

from models import architectures

SIZES = {
    "image": {"height": 8, "width": 9, "channels": 1, "classes": 4},
    "sentiment": {"words": 50, "length": 18, "classes": 3},
    "forecast": {"history": 20, "horizon": 5},
}
ALL = [
    (task, arch)
    for task in architectures.TASKS
    for arch in (*architectures.names(task), architectures.GUARD)
]
