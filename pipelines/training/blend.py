"""A blend: the mean of finished fits, measured, packaged and recorded as a fit of its own."""

import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from pipelines.experiments import dataset as data
from pipelines.experiments import plan, tracking, verification
from pipelines.experiments.plan import Fit
from pipelines.experiments.tracking import Record
from pipelines.runtime import environment
from pipelines.training import fit as fitting
from pipelines.training.fit import Result
from pipelines.training.guard import Guard


def make(planned: Fit, finished: Iterable[Record], guarded: Guard, parent: str | None) -> Result:
    """Make a planned blend in this process and record it below the run `parent`.

    finished: fits, the members among them. guarded: the guard that is packaged with the blend.
    Raises RuntimeError where this process would make another one, ModelError, ArtifactError.
    """
    import mlflow

    from models.evaluation import decision
    from models.export import blend

    environment.apply()
    plan.require_same(planned)
    start, dataset = time.monotonic(), data.rows(planned.dataset)
    known = {record.fingerprint: record for record in finished}
    members = [known[one["fingerprint"]] for one in planned.parameters["members"]]
    with ExitStack() as held:
        if done := fitting.done_already(planned, held):
            return done
        run = held.enter_context(tracking.child(planned, parent))
        folders = [verification.verify(member) for member in members]
        blended = blend.blend(folders, dataset.splits, dataset.facts)
        inputs = decision.deciding(blended.run, blended.inputs, dataset.splits, dataset.facts)
        write = partial(blend.write, blended=replace(blended, inputs=inputs))
        scores = fitting.record_artifact(run, planned, inputs, write, dataset, guarded)
        # What one has to do and to keep to have it: all that its members took.
        whole = ("fit_seconds", "parameter_count")
        mlflow.log_metrics({name: sum(one.metrics[name] for one in members) for name in whole})
        fitting.record_plots(planned, scores["test"], dataset.facts)
    of = f"of {', '.join(member.arch for member in members)}"
    line = fitting.line_of(planned, of, scores, time.monotonic() - start)
    return Result(tracking.record(run.run_id), line)
