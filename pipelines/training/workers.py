"""What is asked of the workers of a Dask scheduler that is named."""

from pipelines.experiments import fingerprint
from pipelines.processes import dask_cluster
from pipelines.runtime import environment


def for_fits() -> dict[str, float]:
    """What a fit asks of a worker."""
    return for_tasks() | environment.resources()


def for_tasks() -> dict[str, float]:
    """What each task asks of a worker: the code and packages of this process."""
    return dask_cluster.needs(fingerprint.of_checkout()) if dask_cluster.named() else {}
