"""`espalier train`: one architecture, with every point of a parameter grid and every seed."""

from collections.abc import Iterable, Sequence

from models.errors import ModelError
from pipelines.experiments import dataset as data
from pipelines.experiments import plan, tracking, verification
from pipelines.experiments.plan import Fit
from pipelines.locks import lock
from pipelines.reports import leaderboard
from pipelines.runtime import console, settings
from pipelines.training import baselines, guard
from pipelines.training import fit as fitting


def train(
    task: str,
    arch: str,
    dataset: str | None,
    profile: str,
    seeds: int,
    changes: Sequence[dict],
    force: bool = False,
) -> dict:
    """Train one architecture with each of `changes` and with seeds 0 … seeds - 1.

    changes: parameters over the profile's, one dict for each point of a grid.
    force: do the fits again that are on record; the newest record is the one that counts.
    Returns these fits' part of the leaderboard, with `failed`: a sentence for each that failed.
    Raises what the last one raised when none succeeded.
    """
    dataset = settings.dataset_of(task, dataset)
    plan.check(task, arch, dataset, profile, changes)
    with lock.hold(lock.of_dataset(task, dataset)):
        tracking.mend(task, dataset)
        version = data.version(task, dataset)
        planned = [
            fit
            for change in changes
            for fit in plan.fits(
                version, profile=profile, archs=[arch], seeds=range(seeds), changes=change
            )
        ]
        reused = {} if force else verification.reusable(planned)
        missing = [fit for fit in planned if fit.fingerprint not in reused]
        console.reused(len(planned), len(missing))
        failed = []
        if missing or baselines.unscored(version):
            with tracking.parent(version, profile, "train") as parent:
                failed = _fit_each(missing, parent, changes[0], force) if missing else []
                for source in baselines.unscored(version):
                    console.show(*baselines.score(source, parent))
    board = leaderboard.compare(version, only=planned)
    return board | {"failed": failed}


def _fit_each(fits: list[Fit], parent: str, varied: Iterable[str], again: bool) -> list[str]:
    """Do the fits; returns why those failed that did. Raises when none succeeded.

    varied: the parameters that tell the fits apart. again: whether they are on record.
    """
    failed: list[str] = []
    guarded = guard.ensure(fits[0].dataset, parent)
    console.show(*guarded.lines)
    for number, planned in enumerate(fits):
        if len(fits) > 1:
            point = {name: planned.parameters[name] for name in varied} | {"seed": planned.seed}
            console.line("fit", f"{number + 1} of {len(fits)}: {console.named(point)}")
        try:
            console.show(fitting.fit(planned, guarded, parent, again=again).line)
        except ModelError as error:
            if len(failed) == number == len(fits) - 1:
                raise
            failed.append(str(error))
            console.line(planned.arch, f"failed: {error}", failed=True)
    return failed
