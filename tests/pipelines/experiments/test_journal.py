"""Runs outlast their MLflow server: a real one, stopped, killed, and before a store that fails."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import disks
import httpx
import mlflow_server
import pytest
from homes import living_in
from project import answers, until
from recorded import DIGITS, finished, fit

from models.artifact.artifact import ArtifactError
from pipelines.experiments import journal, tracking, verification
from pipelines.experiments.plan import Fit
from pipelines.locks import lock
from pipelines.processes import servers
from pipelines.processes.service import free_port
from pipelines.runtime import disk, environment

pytestmark = pytest.mark.slow

EPOCHS, METRICS = 100, 100


class Mlflow:
    """An MLflow server that can be away: stopped, or killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.running = folder, free_port(), ExitStack()
        self.start()

    def start(self) -> None:
        server = mlflow_server.running(self.folder, self.port)
        self.url, self.alive = self.running.enter_context(server)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        stopped = self.alive()
        for process in stopped:
            process.suspend()
        try:
            yield
        finally:
            for process in stopped:
                process.resume()
            until(lambda: answers(f"{self.url}/health"), "the server, again")


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory) -> Iterator[Mlflow]:
    server = Mlflow(tmp_path_factory.mktemp("mlflow"))
    with server.running:
        yield server


@pytest.fixture
def home(mlflow, tmp_path, monkeypatch, empty_store) -> Iterator[Path]:
    """A home of a machine that records in the server."""
    monkeypatch.setattr(journal, "SEND_SECONDS", 0.5)
    with living_in(tmp_path / "home", monkeypatch, empty_store) as folder:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow.url)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
        yield folder


def runs_of(fingerprint: str) -> list:
    """The server's runs of a fit that count."""
    place = [tracking.experiment(DIGITS.task, DIGITS.name)]
    alike = f"tags.`espalier.fingerprint` = '{fingerprint}'"
    return list(tracking.connect().search_runs(place, alike))


def kept(home: Path) -> list[Path]:
    return list((home / "journal").glob("*/*/mlflow.db"))


def test_no_point_of_ten_thousand_is_lost_over_two_outages(mlflow, home, tmp_path):
    """Stopped, until epochs that do not wait for it are over; then killed until after the end."""
    import mlflow as client

    planned = fit(arch="journaled")

    def epochs() -> None:
        with ExitStack() as away:
            for epoch in range(EPOCHS):
                client.log_metrics({f"m{i}": epoch + i / 7 for i in range(METRICS)}, step=epoch)
                if epoch == EPOCHS // 4:
                    until(lambda: runs_of(planned.fingerprint), "the run, while it lasts")
                    away.enter_context(mlflow.stopped())
                elif epoch == EPOCHS // 2:
                    away.close()
        for process in mlflow.alive():
            process.kill()
        threading.Timer(3, mlflow.start).start()

    record = finished(planned, tmp_path / "artifact", epochs=epochs)
    [run] = runs_of(planned.fingerprint)
    assert (run.info.run_id, run.info.status) == (record.run_id, "FINISHED")
    for number in range(METRICS):
        points = tracking.connect().get_metric_history(record.run_id, f"m{number}")
        assert [(p.step, p.value) for p in sorted(points, key=lambda p: p.step)] == [
            (epoch, epoch + number / 7) for epoch in range(EPOCHS)
        ]
    assert verification.verify(record)
    assert kept(home) == []


def test_a_fit_that_the_server_never_saw_is_recorded_by_the_next_run(
    mlflow, home, tmp_path, monkeypatch, capsys
):
    planned = fit(arch="unseen")
    tracking.connect()
    monkeypatch.setattr(servers, "WAIT_SECONDS", 4)
    with mlflow.stopped():
        with pytest.raises(environment.ServerError, match="did not take the record of unseen"):
            finished(planned, tmp_path / "artifact")
        assert "waiting" in capsys.readouterr().out
    [store] = kept(home)
    # A request that was sent again, though the first one came to an end later.
    tags = {journal.TAG: store.parent.name, "espalier.fingerprint": planned.fingerprint}
    place = tracking.experiment(DIGITS.task, DIGITS.name)
    for _ in range(2):
        tracking.connect().create_run(place, tags=tags)
    tracking.mend(DIGITS.task, DIGITS.name)
    [run] = runs_of(planned.fingerprint)
    record = verification.reusable([planned])[planned.fingerprint]
    assert (record.run_id, run.info.status) == (run.info.run_id, "FINISHED")
    assert kept(home) == []


def test_what_a_killed_process_left_is_sent_and_counts_for_nothing(home):
    """As a kill leaves it: logged, not ended, and its lock free."""
    import mlflow as client

    with journal.begun() as left:
        before = client.MlflowClient(left.uri)
        tags = {"espalier.task": "image", "espalier.dataset": "digits"}
        tags |= {"espalier.dataset_hash": DIGITS.hash, "espalier.fingerprint": "killed"}
        run_id = before.create_run(left.place, tags=tags | {"espalier.kind": "fit"}).info.run_id
        before.log_metric(run_id, "loss", 0.5, step=1)
        tracking.send_journals()  # its process lives
        assert runs_of("killed") == []
    tracking.send_journals()
    [run] = runs_of("killed")
    assert (run.info.status, run.data.metrics) == ("KILLED", {"loss": 0.5})
    assert tracking.records(DIGITS) == [
        one for one in tracking.records(DIGITS) if one.fingerprint != "killed"
    ]


@pytest.fixture
def left(mlflow, home, tmp_path, monkeypatch) -> tuple[Fit, Path]:
    """A fit that ended while the server was away, and its journal, set aside: its host is down."""
    planned = fit(arch=f"left-{tmp_path.name}")
    tracking.connect()
    monkeypatch.setattr(servers, "WAIT_SECONDS", 1)
    with mlflow.stopped(), pytest.raises(environment.ServerError):
        finished(planned, tmp_path / "artifact")
    [store] = kept(home)
    aside = store.parent.rename(tmp_path / store.parent.name)
    return planned, aside


def come_back(home: Path, aside: Path) -> None:
    [place] = (home / "journal").iterdir()
    shutil.copytree(aside, place / aside.name)
    tracking.send_journals()
    assert kept(home) == []


def test_a_fit_that_was_done_elsewhere_meanwhile_counts_for_nothing(left, home, tmp_path):
    planned, aside = left
    record = finished(planned, tmp_path / "elsewhere")
    come_back(home, aside)
    runs = {run.info.run_id: run.info.status for run in runs_of(planned.fingerprint)}
    assert runs.pop(record.run_id) == "FINISHED"
    assert list(runs.values()) == ["KILLED"]
    assert verification.reusable([planned])[planned.fingerprint] == record


def test_a_fit_that_another_process_does_counts_for_nothing(left, home):
    planned, aside = left
    with lock.hold(lock.of_fit(planned.fingerprint)):
        come_back(home, aside)
    assert [run.info.status for run in runs_of(planned.fingerprint)] == ["KILLED"]
    assert verification.reusable([planned]) == {}


def test_a_record_that_is_sent_again_counts_once(left, home):
    """As where its process was killed once the server had all, before the journal was removed."""
    planned, aside = left
    for _ in range(2):
        come_back(home, aside)
        assert [run.info.status for run in runs_of(planned.fingerprint)] == ["FINISHED"]
    assert verification.reusable([planned])


@contextmanager
def failing_store(url: str) -> Iterator[tuple[str, threading.Event]]:
    """An address that passes requests on to a server, and an event: while it is set the store of
    artifacts answers 500."""
    broken = threading.Event()

    class Between(BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {k: v for k, v in self.headers.items() if k != "Host"}
            if broken.is_set() and "mlflow-artifacts" in self.path:
                status, content = 500, b"SlowDown"
            else:
                answer = httpx.request(self.command, url + self.path, content=body, headers=headers)
                status, content = answer.status_code, answer.content
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Between) as between:
        serving = threading.Thread(target=between.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{between.server_port}", broken
        between.shutdown()
        serving.join()


def test_an_artifact_that_cannot_be_reached_is_not_damaged(
    mlflow, home, tmp_path, monkeypatch, capsys
):
    with failing_store(mlflow.url) as (between, broken):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", between)
        record = finished(fit(arch="remote"), tmp_path / "artifact")
        broken.set()
        monkeypatch.setattr(servers, "WAIT_SECONDS", 1)
        with pytest.raises(environment.ServerError, match="cannot be reached"):
            verification.whole(record)
        monkeypatch.setattr(servers, "WAIT_SECONDS", 60)
        threading.Timer(5, broken.clear).start()
        start = time.monotonic()
        assert verification.whole(record)
        assert 5 <= time.monotonic() - start < 15
        assert f"for {between} to bring model" in capsys.readouterr().out
        shutil.rmtree(next((mlflow.folder / "artifacts").glob(f"**/{record.run_id}")))
        assert verification.whole(record)  # from what was fetched
        shutil.rmtree(home / "fetched")
        with pytest.raises(ArtifactError):
            verification.verify(record)


def test_a_full_disk_here_is_neither_waited_for_nor_damage(mlflow, home, tmp_path):
    record = finished(fit(arch="large"), tmp_path / "artifact")
    with disks.mounted(home / "fetched", 1024) as fetched:
        disks.fill(fetched)
        with pytest.raises(disk.DiskFullError, match=f"of {fetched}, where"):
            verification.whole(record)
        assert [path for path in fetched.rglob("*") if path.is_file()] == [fetched / disks.FILLER]
        disks.free(fetched)
        assert verification.whole(record)
