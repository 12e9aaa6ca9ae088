"""What two hosts are worth, and what the death of one costs: python -m benchmarks.hosts WHAT [N]

Needs what `make cluster` needs, which it starts, with the digits and short fits.

kill: N retrainings for each of SIGKILL and SIGTERM, in each of which the host that does not run the
flow is ended at a random moment, and comes back after the run has ended.
queue: N fits over both hosts, of which each tenth is sent twice at once.
rate: rounds of fits over both hosts and over one, each with a core; N pairs of rounds.
"""

import argparse
import itertools
import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil

from deploy import cluster as deployed
from deploy.cluster import Cluster
from pipelines.runtime import environment

if TYPE_CHECKING:
    from mlflow.entities import Run

sys.path.append(str(environment.ROOT / "tests/support"))  # which makes a small project
import project

HOSTS = ("host-a", "host-b")
ARCHS = ("perceptron", "ann", "cnn")
EPOCHS = 4  # of the first retraining; each one after it has one more
END_SECONDS = 900
LEFT_SECONDS = 120  # by when no run may be RUNNING any more
TWICE = 10  # each tenth fit is sent two times
ALONE = 10  # fits one by one
ROUND = 20  # fits over both hosts, and half as many over one
# What makes a host one of the cluster: without them a run is local.
SHARED = (
    "MLFLOW_TRACKING_URI",
    "PREFECT_API_URL",
    "ESPALIER_DATABASE_URL",
    "ESPALIER_CLUSTER",
    "DASK_CONFIG",
)


def kill(cluster: Cluster, hosts: ExitStack, times: int) -> None:
    """Retrain undisturbed, then as often as asked with each signal; print each."""
    draw = random.Random(0)
    quiet, _ = _retrain(cluster, hosts, 0)
    wrong, took = 0, []
    for number in range(1, 2 * times + 1):
        ending = (signal.SIGKILL, signal.SIGTERM)[number % 2]
        seconds, problems = _retrain(cluster, hosts, number, ending, draw.uniform(0, quiet))
        took.append(seconds)
        wrong += bool(problems)
    last, _ = _retrain(cluster, hosts, 2 * times + 1)
    print(f"undisturbed {quiet:.0f} s before and {last:.0f} s after; {_locally(cluster)}")
    print(f"{2 * times - wrong} of {2 * times} without a hand; at most {max(took) - quiet:+.0f} s")


def _retrain(
    cluster: Cluster, hosts: ExitStack, number: int, ending: int | None = None, after: float = 0
) -> tuple[float, list[str]]:
    """Retrain with an epoch more than before; returns the seconds, and what is wrong after it."""
    for host in HOSTS:
        with project.parameters(cluster.checkout(host)) as params:
            params["profiles"]["quick"]["image"] = _profile(EPOCHS + number)
    start, before = time.monotonic(), _processor(cluster)
    command = ("prefect", "deployment", "run", "retrain/image")
    subprocess.run(cluster.on("host-a", *command), check=True, capture_output=True)
    name = "undisturbed"
    if ending is not None:
        flow_host = project.until(lambda: _flow_host(cluster), "a host that took the flow")
        time.sleep(max(0.0, after - (time.monotonic() - start)))
        [other] = set(HOSTS) - {flow_host}
        name = f"{other} {signal.Signals(ending).name} after {time.monotonic() - start:.0f} s"
        _end(cluster, other, ending)
    run = project.until(lambda: _ended_run(cluster, number), "the end of the run", END_SECONDS)
    seconds, spent = time.monotonic() - start, _spent(cluster, before)
    problems = _problems(cluster, run, EPOCHS + number)
    text = f"{name}: {run['state_name']} after {seconds:.0f} s"
    print(f"{number}: {text}, {spent:.0f} s of a processor by what lives", *problems, flush=True)
    if ending is not None:
        _start(cluster, hosts, other)
    return seconds, problems


def _problems(cluster: Cluster, run: dict, epochs: int) -> list[str]:
    """What is wrong after a run: its state, fits that are missing or doubled, what is left."""
    if run["state_type"] != "COMPLETED":
        return [f"{run['state_name']}: {run['state']['message']}"]
    problems, runs = [], _runs(cluster.url("mlflow"))
    deadline = time.monotonic() + LEFT_SECONDS
    while left := [one.info.run_name for one in runs if one.info.status == "RUNNING"]:
        if time.monotonic() > deadline:
            problems.append(f"RUNNING: {left}")
            break
        time.sleep(1)
        runs = _runs(cluster.url("mlflow"))
    if (waited := LEFT_SECONDS - (deadline - time.monotonic())) > 2:
        problems.append(f"RUNNING for {waited:.0f} s")
    done = Counter(map(_fingerprint, _finished(runs)))
    full = [one for one in _finished(runs) if _epochs(one) == epochs]
    if lost := set(ARCHS) - {one.data.tags["espalier.arch"] for one in full}:
        problems.append(f"lost: {lost}")
    problems += [f"{one[:8]} {count} times" for one, count in done.items() if count > 1]
    return problems + _half_registered(cluster)


def _half_registered(cluster: Cluster) -> list[str]:
    from mlflow import MlflowClient

    versions = MlflowClient(cluster.url("mlflow")).search_model_versions()
    pending = [one.version for one in versions if one.tags.get("espalier.state") == "pending"]
    return [f"version {one} is pending" for one in pending]


def _locally(cluster: Cluster) -> str:
    """Whether the newest retraining has the fingerprints that it has on one machine by itself."""
    home = cluster.folder / "host-a" / "local"
    alone = ("env", *(f"--unset={name}" for name in SHARED), f"ESPALIER_HOME={home}")
    subprocess.run(
        cluster.on("host-a", *alone, "espalier", "run", "--task", "image"),
        check=True,
        capture_output=True,
    )
    local = {_fingerprint(one) for one in _finished(_runs(f"sqlite:///{home}/mlflow.db"))}
    everywhere = {_fingerprint(one) for one in _finished(_runs(cluster.url("mlflow")))}
    return f"{len(local & everywhere)} of {len(local)} fingerprints of a local run are the same"


def _runs(store: str) -> list["Run"]:
    from mlflow import MlflowClient

    client = MlflowClient(store)
    place = client.get_experiment_by_name("espalier/image/digits")
    return client.search_runs([place.experiment_id], max_results=5000)


def _finished(runs: Sequence["Run"]) -> list["Run"]:
    """The fits among runs that ended well."""
    fits = [one for one in runs if one.data.tags.get("espalier.kind") == "fit"]
    return [one for one in fits if one.info.status == "FINISHED"]


def _fingerprint(run: "Run") -> str:
    return run.data.tags["espalier.fingerprint"]


def _epochs(run: "Run") -> int | None:
    return json.loads(run.data.tags["espalier.parameters"]).get("epochs")


def _flow_host(cluster: Cluster) -> str | None:
    """The host that runs the flow of the newest run, once it has begun."""
    newest = max(_flow_runs(cluster), key=lambda run: run["created"])
    if newest["state_type"] != "RUNNING":
        return None
    logs = {host: cluster.folder / "logs" / f"{host}-flows.log" for host in HOSTS}
    return next((host for host, log in logs.items() if newest["id"] in log.read_text()), None)


def _ended_run(cluster: Cluster, number: int) -> dict | None:
    runs = sorted(_flow_runs(cluster), key=lambda run: run["created"])
    ended = ("COMPLETED", "CRASHED", "FAILED", "CANCELLED")
    return runs[number] if len(runs) > number and runs[number]["state_type"] in ended else None


def _flow_runs(cluster: Cluster) -> list[dict]:
    time.sleep(1)  # those who ask do so again and again
    url = f"{cluster.url('prefect')}/api/flow_runs/filter"
    runs = httpx.post(url, json={}, trust_env=False, timeout=60).raise_for_status().json()
    return [run for run in runs if not run["auto_scheduled"]]


def _processes(cluster: Cluster, host: str) -> Iterator[psutil.Process]:
    command = ["ip", "netns", "pids", cluster.namespace(host)]
    for pid in subprocess.run(command, capture_output=True, text=True).stdout.split():
        with suppress(psutil.NoSuchProcess):
            yield psutil.Process(int(pid))


def _processor(cluster: Cluster) -> dict[int, float]:
    """What each process of both hosts, with its children that ended, has had of a processor."""
    seconds = {}
    for process in itertools.chain.from_iterable(_processes(cluster, host) for host in HOSTS):
        with suppress(psutil.NoSuchProcess):
            seconds[process.pid] = sum(process.cpu_times()[:4])
    return seconds


def _spent(cluster: Cluster, before: Mapping[int, float]) -> float:
    """What the processes that live have had of a processor since."""
    return sum(one - before.get(pid, 0) for pid, one in _processor(cluster).items())


def _end(cluster: Cluster, host: str, ending: int) -> None:
    """End all that runs on a host, as its reboot would, or the loss of its power."""
    ended = list(_processes(cluster, host))
    for process in ended:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(ending)
    for process in psutil.wait_procs(ended, timeout=60)[1]:  # as what supervises them would
        process.kill()


def _start(cluster: Cluster, hosts: ExitStack, host: str, *fits: str, core: str = "") -> None:
    """Start a host's workers, as its supervisor would. fits: options of `espalier worker`."""
    commands: dict[str, tuple[str, ...]] = {"fits": ("espalier", "worker", *fits)}
    if core:
        commands["fits"] = ("taskset", "--cpu-list", core, *commands["fits"])
    else:
        commands["flows"] = ("prefect", "worker", "start", "--pool", "cpu", "--limit", "1")
    for name, command in commands.items():
        log = cluster.folder / "logs" / f"{host}-{name}.log"
        before = log.stat().st_size
        running = deployed.process(cluster, f"{host}-{name}", cluster.on(host, *command))
        hosts.enter_context(running)
        word = {"fits": b"Registered to", "flows": b"started!"}[name]
        project.until(lambda log=log, n=before, w=word: w in log.read_bytes()[n:], f"{host}, again")


def queue(cluster: Cluster, hosts: ExitStack, fits: int) -> None:
    """Send short fits to both hosts; print what each costs beside itself, and what was lost."""
    home = cluster.folder / "host-a" / "local"
    local = ("env", *(f"--unset={name}" for name in SHARED), f"ESPALIER_HOME={home}")
    for seeds in ("0:2", "2:4"):  # what is imported, and the guard
        _send(cluster, seeds)
    alone = _send(cluster, f"4:{4 + ALONE}:alone", *local)
    before = _processor(cluster)
    both = _send(cluster, f"20:{20 + fits}")
    spent = (_spent(cluster, before) + both["processor"]) / fits
    slot = len(HOSTS) * both["seconds"] / fits
    print(f"one by one without servers: {alone['own']:.2f} s a fit, of a processor", end=" ")
    print(f"{alone['processor'] / ALONE:.2f}")
    print(f"two hosts: {fits} fits in {both['seconds']:.0f} s; a worker takes {slot:.2f} s for one")
    print(f"  of {both['own']:.2f} s, so {slot - both['own']:.2f} s beside it")
    print(f"  of a processor {spent:.2f}: {spent - alone['processor'] / ALONE:+.2f}")
    print(f"missing {both['missing']}, doubled {both['doubled']}, of {fits} fits")


def rate(cluster: Cluster, hosts: ExitStack, pairs: int) -> None:
    """Take turns between both hosts and one, each with a core of its own; print the ratios."""
    for core, host in enumerate(HOSTS):
        _end(cluster, host, signal.SIGTERM)
        _start(cluster, hosts, host, *(["--resources", "ONE=1"] * (core == 0)), core=str(core))
    for seeds in ("0:2", "2:4"):
        _send(cluster, seeds)
    ratios, first = [], 10
    for _ in range(pairs):
        middle, last = first + ROUND, first + ROUND + ROUND // 2
        both = _send(cluster, f"{first}:{middle}")["seconds"] / ROUND
        one = _send(cluster, f"{middle}:{last}", "env", "ESPALIER_RESOURCES=ONE=1")["seconds"]
        ratios.append(one / (ROUND // 2) / both)
        print(f"two hosts: {both:.2f} s a fit; {ratios[-1]:.2f} times the rate of one", flush=True)
        first = last
    print(f"median {statistics.median(ratios):.2f} of {pairs} pairs")


def _send(cluster: Cluster, seeds: str, *before: str) -> dict[str, float]:
    command = (*before, "python", "-m", "benchmarks.hosts", "send", seeds)
    done = subprocess.run(cluster.on("host-a", *command), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def send(seeds: str) -> None:
    """On a host: do perceptrons of the digits with these seeds; print what came of them."""
    import prefect

    from pipelines import flows
    from pipelines.experiments import dataset as data
    from pipelines.experiments import plan, tracking
    from pipelines.training import fit as fitting
    from pipelines.training import guard

    environment.apply()
    first, last, *alone = seeds.split(":")
    version, chosen = data.version("image", "digits"), range(int(first), int(last))
    planned = plan.fits(version, profile="quick", archs=["perceptron"], seeds=chosen)
    sent = [one for one in planned for _ in range(1 if alone or one.seed % TWICE else 2)]

    @prefect.flow(task_runner=flows.RUNNER)
    def side_by_side(guarded: guard.Guard, parent: str) -> list[fitting.Result]:
        futures = [flows.submit_fit(flows.fit_on_worker, 1, one, guarded, parent) for one in sent]
        return [future.result() for future in futures]

    with tracking.parent(version, "quick", "train") as parent:
        guarded = guard.ensure(version, parent)
        if alone:  # the first one imports TensorFlow
            fitting.fit(plan.fits(version, profile="quick", archs=["ann"])[0], guarded, parent)
        start, processor = time.monotonic(), time.process_time()
        if alone:
            results = [fitting.fit(one, guarded, parent) for one in sent]
        else:
            results = side_by_side(guarded, parent)
        took = {"seconds": time.monotonic() - start, "processor": time.process_time() - processor}
    own = [one.line.seconds for one in results if "meanwhile" not in one.line.text]
    done = Counter(map(_fingerprint, tracking.runs(version, "fit", "FINISHED")))
    counts = [done[one.fingerprint] for one in planned]
    took |= {"own": statistics.mean(own), "missing": counts.count(0)}
    print(json.dumps(took | {"doubled": sum(count > 1 for count in counts)}))


def _profile(epochs: int) -> dict[str, Any]:
    return {arch: {"all": {"epochs": epochs}} for arch in ARCHS}


@contextmanager
def _cluster() -> Iterator[Cluster]:
    """A cluster of this checkout, in which the digits are fitted in a few epochs."""
    with tempfile.TemporaryDirectory(prefix="espalier-hosts-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL is another user
        repository = project.small(folder / "origin")
        commit = [*project.GIT, "commit", "-qam", "shorter"]  # hosts have what is committed
        subprocess.run(commit, cwd=repository, check=True)
        cluster = Cluster(folder, "espalier-image-digits", repository)
        with deployed.started(cluster):
            yield cluster


def main() -> None:
    what: dict[str, Callable[[Cluster, ExitStack, int], None]]
    what = {"kill": kill, "queue": queue, "rate": rate}
    asked = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    asked.add_argument("what", choices=[*what, "send"])
    asked.add_argument("number", nargs="?", default="10")
    arguments = asked.parse_args()
    if arguments.what == "send":
        return send(arguments.number)
    if problem := deployed.missing():
        raise SystemExit(f"a cluster on one machine needs {problem}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _cluster() as cluster, ExitStack() as hosts:
        what[arguments.what](cluster, hosts, int(arguments.number))
    return None


if __name__ == "__main__":
    main()
