"""What a run logs, kept on this machine until MLflow's server has it.

A journal is a folder with an MLflow store of its own, a file, in which the run is logged as in any
other: nothing that a fit logs waits for a network. A thread sends what is new while the run lasts;
the rest goes when it ends. Sending anything twice changes nothing: MLflow keeps equal points once,
and a tag of the server's run names the journal. The folder goes when the server has all of it. What
a process leaves that was killed, or waited in vain, the next one sends.
"""

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse, urlsplit
from urllib.request import url2pathname
from uuid import uuid4

from filelock import FileLock, Timeout

from pipelines.locks import lock
from pipelines.runtime import environment

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

TAG = "espalier.journal"
STORE_SECONDS = 300  # for another process that makes or upgrades a store
SEND_SECONDS = 10  # between two looks at what is new, each of which takes some 0.1 s
POINTS, WORDS = 1000, 100  # metrics, and parameters or tags, in one request; MLflow takes no more


@dataclass
class Recording:
    """A run that is being logged.

    run_id: MLflow's; empty as long as its server has not answered since the run began.
    """

    run_id: str = ""


class Journal(Recording):
    """The journal of one run; `begun` and `left` hold its lock.

    place: the experiment of its store that the run is to be logged in.
    """

    place: str

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.uri = f"sqlite:///{folder / 'mlflow.db'}?timeout=60"
        self.lock = FileLock(folder.with_suffix(".lock"))
        self._sent: set[tuple] = set()

    @property
    def client(self) -> "MlflowClient":
        """A client of the journal's own store."""
        from mlflow import MlflowClient

        return MlflowClient(self.uri)

    def run(self) -> "Run | None":
        """The run as it was logged so far; None where the process ended before it began."""
        client = self.client
        places = [one.experiment_id for one in client.search_experiments()]
        return next(iter(client.search_runs(places)), None)

    @contextmanager
    def sending(self, send: Callable[[], object]) -> Iterator[None]:
        """Call `send` now and again, on a thread, while the block lasts."""
        ended = threading.Event()

        def repeat() -> None:
            while not ended.wait(SEND_SECONDS):
                with suppress(Exception):  # what is away is told by others; the end sends the rest
                    send()

        thread = threading.Thread(target=repeat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def send(self, server: "MlflowClient", experiment_id: str) -> None:
        """Send the points that were not sent yet, once there is a run for them."""
        from mlflow.entities import Metric

        if (run := self.run()) is None:
            return
        if not self.run_id:
            made = self.made(server, experiment_id)
            self.run_id = made[0] if made else self._make(server, experiment_id, run)
            self._describe(server, run)
        client = self.client
        points = [
            (one.key, one.value, one.timestamp, one.step)
            for name in run.data.metrics
            for one in client.get_metric_history(run.info.run_id, name)
        ]
        for some in _batches([one for one in points if one not in self._sent], POINTS):
            server.log_batch(self.run_id, [Metric(*one) for one in some])
            self._sent.update(some)

    def send_all(self, server: "MlflowClient", experiment_id: str) -> None:
        """Send all that is not sent yet, and that the run has ended.

        One that its process left RUNNING was killed.
        """
        self.send(server, experiment_id)
        if (run := self.run()) is None:
            return
        if run.inputs:
            server.log_inputs(self.run_id, run.inputs.dataset_inputs)
        artifacts = Path(url2pathname(urlparse(run.info.artifact_uri).path))
        if artifacts.exists():
            server.log_artifacts(self.run_id, str(artifacts))
        self._describe(server, run)
        status = "KILLED" if run.info.status == "RUNNING" else run.info.status
        server.set_terminated(self.run_id, status, run.info.end_time)
        # A request that came to an end after its time was up, and was sent again, made a run too.
        for double in set(self.made(server, experiment_id)) - {self.run_id}:
            server.delete_run(double)

    def discount(self) -> None:
        """Let the run count for nothing."""
        if run := self.run():
            self.client.set_terminated(run.info.run_id, "KILLED")

    def remove(self) -> None:
        """Remove the journal, once the server has all of it."""
        shutil.rmtree(self.folder)
        Path(self.lock.lock_file).unlink(missing_ok=True)

    def _make(self, server: "MlflowClient", experiment_id: str, run: "Run") -> str:
        tags = run.data.tags | {TAG: self.folder.name}
        made = server.create_run(experiment_id, run.info.start_time, tags, run.info.run_name)
        return made.info.run_id

    def made(self, server: "MlflowClient", experiment_id: str) -> list[str]:
        """The server's runs of this journal."""
        runs = server.search_runs([experiment_id], f"tags.`{TAG}` = '{self.folder.name}'")
        return [run.info.run_id for run in runs]

    def _describe(self, server: "MlflowClient", run: "Run") -> None:
        """Send parameters and tags, as they are now."""
        from mlflow.entities import Param, RunTag

        for some in _batches([Param(*one) for one in run.data.params.items()], WORDS):
            server.log_batch(self.run_id, params=some)
        for some in _batches([RunTag(*one) for one in run.data.tags.items()], WORDS):
            server.log_batch(self.run_id, tags=some)


@contextmanager
def begun() -> Iterator[Journal]:
    """A new journal for the time of the block, with the store of a run to come.

    What `remove` has not removed by then is one of `left`.
    """
    _place().mkdir(parents=True, exist_ok=True)
    template = _place() / "empty.db"  # a copy takes no time, making one takes seconds
    if not template.exists():
        with lock.hold("journal", STORE_SECONDS):
            make_store(f"sqlite:///{template}")
    journal = Journal(_place() / uuid4().hex)
    with journal.lock:  # before the folder: whoever finds it finds it locked
        journal.folder.mkdir()
        making = journal.folder / "making"
        shutil.copy(template, making)
        making.rename(journal.folder / "mlflow.db")
        artifacts = (journal.folder / "artifacts").as_uri()
        journal.place = journal.client.create_experiment(TAG, artifact_location=artifacts)
        yield journal


def left() -> Iterator[Journal]:
    """The journals for the present server that no living process keeps, each locked in its turn."""
    for folder in sorted(_place().glob("*/")):
        journal = Journal(folder)
        with suppress(Timeout), journal.lock.acquire(timeout=0):
            if (folder / "mlflow.db").exists():
                yield journal
            else:  # its process was killed before the run began
                journal.remove()


def make_store(uri: str) -> None:
    """Make the file of a new SQLite store, whole or not at all: MLflow refuses for ever what is
    left of one where it was killed between two tables."""
    from mlflow import MlflowClient

    address = urlsplit(uri)
    file = Path(address.path[1:])  # the first slash ends the empty host
    if not address.scheme.startswith("sqlite") or file.exists():
        return
    making = file.with_name(f"{file.name}.making")
    for remnant in file.parent.glob(f"{making.name}*"):
        remnant.unlink()
    MlflowClient(f"sqlite:///{making}").search_experiments(max_results=1)
    making.rename(file)


def _batches(items: Sequence, size: int) -> Iterator[Sequence]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _place() -> Path:
    """Where the journals for the present server lie."""
    server = os.environ[environment.MLFLOW]
    return environment.home() / "journal" / hashlib.sha256(server.encode()).hexdigest()[:12]
