"""Fits on the workers of Prefect's gpu pool: sent all at once, waited for together."""

import time

from pipelines.experiments.plan import Fit
from pipelines.runtime import console

POOL, DEPLOYMENT = "gpu", "train/gpu"
LOOK_SECONDS = 1.0


def fit_all(fits: list[Fit], parent: str) -> list[str | None]:
    """Have workers do the fits; returns for each why it failed, or None.

    Interrupted, it cancels what has not ended. Waits as long as there is something to wait for.
    """
    from prefect.client.orchestration import get_client
    from prefect.deployments import run_deployment

    with get_client(sync_client=True) as client:
        runs = {}
        try:
            for fit in fits:
                parameters = {
                    "task": fit.dataset.task,
                    "dataset": fit.dataset.name,
                    "dataset_hash": fit.dataset.hash,
                    "arch": fit.arch,
                    "seed": fit.seed,
                    "profile": fit.profile,
                    "parameters": fit.parameters,
                    "fingerprint": fit.fingerprint,
                    "look": fit.look,
                    "parent": parent,
                }
                # A timeout of 0 comes back at once, with the run's id.
                run = run_deployment(DEPLOYMENT, parameters=parameters, timeout=0)
                runs[run.id] = fit
            _say_who_waits(client, len(runs))
            return list(_ended(client, runs))
        except BaseException:
            _cancel(client, runs)
            raise


def _say_who_waits(client, count: int) -> None:
    workers = client.read_workers_for_work_pool(POOL)
    online = sum(worker.status == "ONLINE" for worker in workers)
    help_ = "" if online else f"; start one: prefect worker start --pool {POOL} --limit 1"
    console.line("sent", f"{count} fits to the {POOL} pool, polled by {online} workers{help_}")


def _ended(client, runs: dict):
    """Yield why each run failed, or None, in the order they were sent; a line as each ends."""
    states, start = {}, time.monotonic()
    while len(states) < len(runs):
        for run_id, fit in runs.items():
            state = client.read_flow_run(run_id).state
            if run_id not in states and state is not None and state.is_final():
                states[run_id] = state
                console.line(fit.arch, f"{state.name} on a worker", time.monotonic() - start)
        time.sleep(LOOK_SECONDS)
    for run_id in runs:
        state = states[run_id]
        yield None if state.is_completed() else (state.message or state.name)


def _cancel(client, runs: dict) -> None:
    from prefect.states import Cancelling

    for run_id in runs:
        state = client.read_flow_run(run_id).state
        if state is None or not state.is_final():
            client.set_flow_run_state(run_id, Cancelling(message="the retraining was stopped"))
