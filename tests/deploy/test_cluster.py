"""A retraining over two hosts, of which one dies in the middle, is served on a third.

The hosts are network namespaces; they share PostgreSQL, S3, MLflow, Prefect and Dask, nothing else.
"""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping

import httpx
import pytest
from deployed import read
from mlflow import MlflowClient
from project import GIT, KEPT, ROOT, parameters, small, until

from deploy import cluster as deployed
from serving.http import metrics

MISSING = deployed.missing()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(MISSING), reason=f"it needs {MISSING}")]

FOLLOWED = "espalier-image-digits"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[deployed.Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    for above in (folder, *list(folder.parents)[:3]):
        above.chmod(0o755)  # PostgreSQL is another user
    repository = small(tmp_path_factory.mktemp("origin") / "espalier")
    with parameters(repository) as params:
        params["profiles"]["quick"]["image"]["cnn"] = {"all": {"epochs": 40}}
    subprocess.run([*GIT, "commit", "-qam", "shorter"], cwd=repository, check=True)
    running = deployed.Cluster(folder, FOLLOWED, repository)
    with deployed.started(running):
        yield running


def on(cluster: deployed.Cluster, host: str, *command: str) -> str:
    """What a command prints that runs on a host."""
    done = subprocess.run(cluster.on(host, *command), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def processes(cluster: deployed.Cluster, host: str) -> list[int]:
    """All that runs on a host."""
    command = ["ip", "netns", "pids", cluster.namespace(host)]
    return list(map(int, subprocess.run(command, capture_output=True, text=True).stdout.split()))


def fits(cluster: deployed.Cluster, status: str) -> list[Mapping[str, str]]:
    """The tags of the fits that MLflow has with that status."""
    client = MlflowClient(cluster.url("mlflow"))
    places = [one.experiment_id for one in client.search_experiments()]
    alike = f"tags.`espalier.kind` = 'fit' and attributes.status = '{status}'"
    return [run.data.tags for run in client.search_runs(places, alike)]


def asked(cluster: deployed.Cluster, what: str, **filters: dict) -> list[dict]:
    return read(f"{cluster.url('prefect')}/api", what, **filters)


def test_a_host_dies_and_the_champion_serves_on_another(cluster):
    on(cluster, "host-a", "prefect", "deployment", "run", "retrain/image")
    logs = {host: cluster.folder / "logs" / f"{host}-flows.log" for host in ("host-a", "host-b")}

    def runs_the_flow() -> str | None:
        return next((host for host, log in logs.items() if "submitted" in log.read_text()), None)

    other = {"host-a": "host-b", "host-b": "host-a"}[until(runs_the_flow, "a host that took it")]

    def fits_there() -> list:
        return [one for one in fits(cluster, "RUNNING") if one["espalier.host"] == other]

    until(fits_there, "a fit on the other host", 300)
    for process in processes(cluster, other):
        os.kill(process, signal.SIGKILL)

    def ended() -> list[dict]:
        begun = [run for run in asked(cluster, "flow_runs") if not run["auto_scheduled"]]
        return [run for run in begun if run["state_type"] in ("COMPLETED", "CRASHED", "FAILED")]

    [run] = until(ended, "the end of the run", 300)
    assert run["state_name"] == "Promoted", run["state"]["message"]
    assert fits(cluster, "RUNNING") == []  # though its host never comes back
    done = [one["espalier.fingerprint"] for one in fits(cluster, "FINISHED")]
    assert len(done) == len(set(done))
    names = [task["name"] for task in asked(cluster, "task_runs")]
    hosts = {name.rpartition(" · ")[2] for name in names if name.startswith("fit ")}
    assert hosts
    assert hosts <= {"host-a", "host-b"}
    [host] = {"host-a", "host-b"} - {other}
    board = json.loads(on(cluster, host, "espalier", "compare", "--task", "image", "--json"))
    assert {row["arch"] for row in board["rows"]} >= set(KEPT["image"])

    ask = ("curl", "-s", "http://127.0.0.1:3000/v1/models")
    served = until(lambda: json.loads(on(cluster, "host-c", *ask))["models"], "a champion")
    assert served[0]["version"] == board["champion"]["version"]
    assert served[0]["fingerprint"] == board["champion"]["fingerprint"]
    page = on(cluster, "host-c", "curl", "-s", "http://127.0.0.1:3000/metrics")
    page += httpx.get(f"http://{cluster.address}:8787/metrics", trust_env=False).text
    dashboard = (ROOT / "deploy" / "monitoring" / "dashboard.json").read_text()
    counters = {f"{name}_total" for name in metrics.SERIES}  # on the page once they count
    series = set(re.findall(r"\b(?:bentoml|dask|espalier)_\w+", dashboard)) - counters
    assert series
    assert [name for name in series if name not in page] == []

    # Nothing is fitted twice, by a run outside of Prefect's schedule either.
    again = json.loads(on(cluster, host, "espalier", "run", "--task", "image", "--json"))
    assert again["tasks"]["image"]["trained"] == 0
