"""Service, monitor and worker are killed at each step of the loop: the champion answers, nothing is
doubled, and the next run goes on.

Each step is reached from where the one before it was killed. A run halts behind the write that a
test names, and is killed there; what a killed machine ends, ends at once. Other places are killed
elsewhere: each write of a promotion and a trial in `tests/pipelines/promotion/test_killed_*.py`, of
a collect in `tests/pipelines/monitoring/test_collect.py`, the stages of a first run, its Bento and
the epochs of a fit in `tests/test_killed_runs.py`, those of DVC in `tests/data`, and the segments
of the log in `tests/serving/request_log`.
"""

import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

import deployed
import pytest
import yaml
from deployed import read
from killing import HALT, HALTED
from labelling import ask_and_label, on_trial
from logged import logged_records
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun
from project import (
    ON_A_SMALL_MACHINE,
    ROOT,
    answers,
    begun,
    command,
    declare_reviews,
    parameters,
    runs,
    store,
    until,
)

from data.sources import collected
from pipelines.processes.service import free_port
from pipelines.promotion import ledger

pytestmark = pytest.mark.slow

MODEL = "espalier-sentiment-reviews"
GOOD, BAD = "gripping", "tedious"  # which the first champion has never read


class Part:
    """A command in the project that is killed, with all that it has begun, and started again."""

    def __init__(self, project: Path, name: str, *command: str, **more: str):
        self.project, self.name, self.command, self.more = project, name, command, more
        self.starts = 0
        self._running = ExitStack()

    def start(self) -> None:
        self.starts += 1
        log = self.project / ".espalier" / "logs" / f"{self.name}-{self.starts}.log"
        started = begun(self.project, *self.command, log=log, **self.more)
        self.process, self.alive = self._running.enter_context(started)

    def kill(self) -> None:
        """End all of its processes by SIGKILL."""
        self._running.close()
        until(lambda: not self.alive(), f"the end of the {self.name}")


class Service(Part):
    """`espalier serve`, at one address however often it is started."""

    def __init__(self, project: Path):
        port = str(free_port())
        self.url = f"http://127.0.0.1:{port}"
        serve = command("serve", "--port", port)
        super().__init__(project, "service", *serve, ESPALIER_LOG_INPUTS="1")

    def start(self) -> None:
        super().start()
        until(lambda: answers(f"{self.url}/readyz"), "a ready service", 540)

    def ask(self, name: str, rows: range) -> set[str]:
        """Ask about texts that one word decides, and send back what was right; returns the
        versions that answered. name: of these requests."""
        return ask_and_label(self.url, name, rows, GOOD, BAD)

    def ask_killed(self, name: str) -> set[str]:
        """Ask 400 times, killed after half of them; a client repeats all that it had asked."""
        versions = self.ask(name, range(200))
        self.kill()
        self.start()
        versions |= self.ask(name, range(400))

        def ids() -> set[str]:
            records = logged_records(self.project / ".espalier" / "requests")
            return {one["request_id"] for one in records if one["request_id"].startswith(name)}

        until(lambda: len(ids()) == 400, "all requests in the log", 540)
        return versions

    def champion(self) -> str:
        """The version that answers now."""
        [version] = self.ask("now", range(1))
        return version


@pytest.fixture(scope="module")
def project(prepared_copy, tmp_path_factory) -> Path:
    """Own reviews, one architecture for them, and flows that halt where a test says."""
    folder = prepared_copy(tmp_path_factory.mktemp("killed") / "project")
    declare_reviews(folder)
    (folder / "models" / "sentiment" / "lstm.py").unlink()
    with parameters(folder) as params:
        quick = params["profiles"]["quick"]["sentiment"]
        del quick["lstm"]
        quick["perceptron"]["all"] |= {"words": 2000}
        params["retrain"] = {"reviews": {"cooldown": "0.0001h", "share": 1.0}}
    for name in ("halted_flows.py", "killing.py"):
        shutil.copy2(ROOT / "tests" / "support" / name, folder)
    declared = yaml.safe_load((folder / "prefect.yaml").read_text())
    of_task = [one for one in declared["deployments"] if one["name"] == "sentiment"]
    for one in of_task:
        one |= {"entrypoint": one["entrypoint"].replace("pipelines.flows", "halted_flows")}
        one |= {"schedules": []}
        if one["entrypoint"].endswith("retrain"):
            one["parameters"] |= {"package": False}  # a Bento takes a minute
    (folder / "prefect.yaml").write_text(yaml.safe_dump(declared | {"deployments": of_task}))
    return folder


@pytest.fixture(scope="module")
def api(project) -> Iterator[str]:
    with deployed.server(project) as url:
        yield url


@pytest.fixture(scope="module")
def worker(project, api) -> Iterator[Part]:
    small = (sys.executable, "-c", ON_A_SMALL_MACHINE)  # one process imports TensorFlow
    more = deployed.environment(project, api)
    part = Part(project, "worker", *small, *deployed.WORKER, **more)
    part.start()
    yield part
    part.kill()


@pytest.fixture(scope="module")
def service(project, api, worker) -> Iterator[Service]:
    """Of the first champion; what passes in a later retraining is its shadow."""
    assert ended(api, begin(api, "retrain")).state_name == "Promoted"
    with parameters(project) as params:
        params["gate"]["sentiment"]["all"] |= {"trial": "shadow"}
    part = Service(project)
    part.start()
    yield part
    part.kill()


def begin(api: str, flow: str, **given: object) -> str:
    """Begin a run of the deployment, and return its id."""
    return deployed.begun(api, f"{flow}/sentiment", **given)


def ended(api: str, run_id: str) -> FlowRun:
    """The run, once it has ended, however."""

    def over() -> FlowRun | None:
        run = client.read_flow_run(UUID(run_id))
        return run if run.state.is_final() else None

    with SyncPrefectClient(api) as client:
        return until(over, "the end of a run", 540, pause=0.5)


def halt_after(project: Path, module: str, name: str, calls: int = 1) -> None:
    """Have the next run halt once it has called a function so often."""
    wanted = project / ".espalier" / HALT
    wanted.write_text(f"{module} {name} {calls}", encoding="utf-8")


def halted(project: Path) -> int:
    """The process of the run that has halted."""
    told = project / ".espalier" / HALTED
    until(told.exists, "a run that has halted", 540)
    process = int(told.read_text(encoding="utf-8"))
    told.unlink()
    return process


def kill(process: int, api: str, worker: Part, run_id: str) -> None:
    """Kill the process of a run that has halted; its worker lives, and says so."""
    os.kill(process, signal.SIGKILL)
    assert ended(api, run_id).state_name == "Crashed"
    until(lambda: len(worker.alive()) == 1, "the end of what the run had started", 540)


def sent(api: str) -> Counter:
    """How often the server has each event, which it takes in a while after it acts on it."""
    events = read(api, "events", filter={"event": {"prefix": ["espalier."]}})["events"]
    return Counter(event["event"].removeprefix("espalier.") for event in events)


def automated(api: str) -> list[dict]:
    """The runs that an event began."""
    made = read(api, "flow_runs", sort="START_TIME_DESC")
    return [run for run in made if (run["created_by"] or {}).get("type") == "AUTOMATION"]


def collected_rows(project: Path) -> int:
    """How many rows were collected; none is there twice."""
    parts = collected.parts(project / "data" / "collected" / "reviews")
    keys = collected.read("sentiment", parts, ["request_id", "index"]).to_pylist()
    assert len(keys) == len({tuple(key.values()) for key in keys})
    return len(keys)


def test_killed_between_an_event_and_its_note(project, api, worker, service):
    """The service while it is asked; worker and monitor once the event that asks for a retraining
    is sent; then the retraining that it began, once a part of what was collected is written."""
    assert service.ask_killed("drifted") == {"1"}
    halt_after(project, "pipelines.processes.events", "emit", 3)
    begin(api, "monitor")
    halted(project)
    worker.kill()
    assert service.champion() == "1"
    [asked] = until(lambda: automated(api), "a retraining by the event", 540, pause=0.5)
    events = {"promotion": 1, "drift": 1, "live-score": 1, "retrain": 1}
    until(lambda: sent(api) == events, "each event once", 540, pause=0.5)

    halt_after(project, "data.sources.collected", "write")
    worker.start()
    kill(halted(project), api, worker, asked["id"])
    assert (collected_rows(project), service.champion()) == (401, "1")

    again = ended(api, begin(api, "monitor"))
    assert again.state_name == "Retrain", again.state.message
    assert (sent(api), len(automated(api))) == (events, 1)


def test_killed_in_a_fit_and_once_a_trial_is_on_record(project, api, worker, service):
    """The worker, with the run and its cluster, both times. No service knows of the trial then: the
    monitor begins it."""
    begin(api, "retrain", reasoned=True)
    checkpoints = project / ".espalier" / "checkpoints"
    until(lambda: list(checkpoints.glob("*.npz")), "a checkpoint", 540)
    worker.kill()
    assert service.champion() == "1"

    halt_after(project, "pipelines.promotion.ledger", "append")
    worker.start()
    begin(api, "retrain", reasoned=True)
    halted(project)
    worker.kill()
    assert (service.champion(), on_trial(service.url)) == ("1", [])

    with parameters(project) as params:
        params["retrain"]["reviews"]["cooldown"] = "6h"  # the trial's labels ask for the next one
    worker.start()
    assert ended(api, begin(api, "monitor")).state_name == "Nothing to do"
    until(lambda: on_trial(service.url), "a challenger", 540)
    assert service.champion() == "1"


def test_killed_once_a_promotion_is_on_record(project, api, worker, service):
    """The service in the trial; then monitor and service, which answers as it was published. The
    night makes it true."""
    [tried] = on_trial(service.url)
    assert service.ask_killed("tried") == {"1"}
    assert on_trial(service.url) == [tried]
    halt_after(project, "pipelines.promotion.ledger", "append")
    run = begin(api, "monitor")
    process = halted(project)
    service.kill()
    kill(process, api, worker, run)
    service.start()
    assert service.champion() == "1"

    assert ended(api, begin(api, "retrain")).state_name == "Nothing new"
    until(lambda: service.champion() == tried, "the new champion", 540, pause=0.5)
    until(lambda: not on_trial(service.url), "the end of the trial", 540, pause=0.5)


def test_nothing_is_doubled_and_nothing_left(project, api, service, monkeypatch):
    monkeypatch.setenv("ESPALIER_HOME", str(project / ".espalier"))
    first, trial, promotion = ledger.entries(MODEL)
    assert (first.action, trial.action, promotion.action) == ("promotion", "shadow", "promotion")
    assert trial.to_version == promotion.to_version == service.champion()
    labelled = promotion.evidence["trial"]["counts"]["labelled"]
    # Each request once; a shadow is asked while there is time for it.
    assert labelled["both"] + labelled["champion"] == 401
    assert labelled["both"] > 0
    assert labelled["challenger"] == 0

    made = runs(project, "sentiment", "reviews")
    assert {run.info.status for run in made} == {"FINISHED", "KILLED"}
    fits = Counter(
        run.data.tags["espalier.fingerprint"]
        for run in made
        if (run.info.status, run.data.tags["espalier.kind"]) == ("FINISHED", "fit")
    )
    assert set(fits.values()) == {1}
    versions = store(project).search_model_versions(f"name = '{MODEL}'")
    assert {one.tags["espalier.fingerprint"]: str(one.version) for one in versions} == {
        entry.fingerprint: entry.to_version for entry in (first, promotion)
    }
    assert len(versions) == 2

    events = {"promotion": 2, "shadow": 1, "drift": 1, "live-score": 1, "retrain": 1}
    assert (sent(api), len(automated(api))) == (events, 1)
    assert collected_rows(project) == 401
    assert not list((project / ".espalier" / "checkpoints").iterdir())
    assert not list((project / "data" / "collected").glob(".*.parquet"))
