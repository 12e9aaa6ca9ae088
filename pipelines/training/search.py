"""A budgeted search over an architecture's parameters: TPE proposes, the median stops what lags.

    espalier train --task sentiment --arch gru --search 20 --set units=16..128

Needs the extra `search`. Interrupted or killed, the same command goes on with the same study.
Sources: Bergstra, Bardenet, Bengio and Kégl, Algorithms for Hyper-Parameter Optimization, NeurIPS
2011; the median rule: Golovin et al., Google Vizier, KDD 2017.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models import architectures
from models.errors import ModelError
from pipelines.experiments import dataset as data
from pipelines.experiments import plan, ranking, tracking, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.plan import Fit
from pipelines.experiments.tracking import PrunedError
from pipelines.locks import lock
from pipelines.reports import leaderboard
from pipelines.runtime import console, environment, settings
from pipelines.runtime.settings import UsageError
from pipelines.training import baselines, guard, parameter_grid
from pipelines.training import fit as fitting
from pipelines.training.fit import OnEpoch
from pipelines.training.guard import Guard
from pipelines.training.parameter_grid import Choice, Range

if TYPE_CHECKING:
    import optuna

STARTUP_TRIALS = 5  # drawn at random, and never pruned
WARMUP_EPOCHS = 1
STORE_SECONDS = 60
FAILED = "failed"  # the attribute of a trial whose fit failed: why


class MissingExtraError(RuntimeError):
    """A package is not installed that only this command needs; the message names the extra."""


@dataclass(frozen=True)
class Space:
    """What is searched in: one architecture on one version of a dataset, choices by parameter."""

    dataset: DatasetVersion
    arch: str
    profile: str
    choices: Mapping[str, Choice]

    def fit(self, chosen: Mapping) -> Fit:
        """The fit of one point."""
        archs, changes = [self.arch], {**chosen}
        [fit] = plan.fits(self.dataset, profile=self.profile, archs=archs, changes=changes)
        return fit

    def name(self) -> str:
        """The study's name: equal for equal data, code, profile and choices."""
        choices = {name: repr(choice) for name, choice in sorted(self.choices.items())}
        identity = hashlib.sha256(json.dumps([self.fit({}).fingerprint, choices]).encode())
        return f"{self.dataset.task}/{self.dataset.hash}/{self.arch}/{identity.hexdigest()[:16]}"


def search(
    task: str,
    arch: str,
    dataset: str | None,
    profile: str,
    trials: int,
    choices: Mapping[str, Choice],
) -> dict:
    """Bring the study of these choices to `trials` trials, those of earlier commands included.

    Returns their part of the leaderboard, with `search`: the study's name, how many of its trials
    were fitted to their end or pruned, and the parameters of the best; and with `failed`: a
    sentence for each that failed.
    """
    _require_optuna()
    if not choices:
        raise UsageError("--search needs what to search in, like --set units=16..128")
    dataset = settings.dataset_of(task, dataset)
    plan.check(task, arch, dataset, profile, parameter_grid.ends(choices))
    with lock.hold(lock.of_dataset(task, dataset)):
        tracking.mend(task, dataset)
        version = data.version(task, dataset)
        space = Space(version, arch, profile, choices)
        study = _study(space)
        _requeue(study)
        done = len(_ended(study))
        console.line("search", f"{done} of {trials} trials are on record")
        if done < trials:
            with tracking.parent(version, profile, "search") as parent:
                guarded = guard.ensure(version, parent)
                console.show(*guarded.lines)
                for number in range(done + 1, trials + 1):
                    _try_one(study, space, f"{number} of {trials}", guarded, parent)
                for source in baselines.unscored(version):
                    console.show(*baselines.score(source, parent))
    return _board(study, space)


def _require_optuna() -> None:
    try:
        import optuna
    except ModuleNotFoundError:
        raise MissingExtraError(
            "--search needs Optuna, the extra `search`: uv pip install 'optuna>=5,<6'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def _study(space: Space) -> "optuna.Study":
    import optuna

    folder = environment.home()
    with lock.hold("optuna", STORE_SECONDS):  # one process at a time makes the tables
        study = optuna.create_study(
            storage=f"sqlite:///{folder / 'optuna.db'}?timeout=60",
            study_name=space.name(),
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(STARTUP_TRIALS, WARMUP_EPOCHS),
        )
    # Another seed for each command: one that goes on would draw the first points once more.
    seed = len(study.get_trials(deepcopy=False))
    study.sampler = optuna.samplers.TPESampler(n_startup_trials=STARTUP_TRIALS, seed=seed)
    return study


def _requeue(study: "optuna.Study") -> None:
    """Let the trial that a kill or an interrupt left be tried again: its fit has a checkpoint."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.enqueue_trial(trial.params)
        study.tell(trial.number, state=TrialState.FAIL)


def _ended(study: "optuna.Study") -> list:
    """The trials that count: fitted, pruned or failed, and not merely left by a kill."""
    from optuna.trial import TrialState

    return [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or FAILED in trial.user_attrs
    ]


def _try_one(study: "optuna.Study", space: Space, number: str, guarded: Guard, parent: str) -> None:
    from optuna.trial import TrialState

    trial, defaults = study.ask(), architectures.defaults(space.dataset.task, space.arch)
    chosen = {
        name: _proposed(trial, name, choice, defaults[name])
        for name, choice in space.choices.items()
    }
    console.line("trial", f"{number}: {console.named(chosen)}")
    planned = space.fit(chosen)
    try:
        value = _loss(planned, guarded, parent, _pruner(trial))
    except PrunedError as pruned:
        console.line(space.arch, str(pruned))
        study.tell(trial, state=TrialState.PRUNED)
    except ModelError as error:
        console.line(space.arch, f"failed: {error}", failed=True)
        trial.set_user_attr(FAILED, str(error))
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, value)


def _proposed(trial: "optuna.Trial", name: str, choice: Choice, default: Any) -> Any:
    """The value to try; a range of a parameter that takes any number is one of numbers: 0..1."""
    if not isinstance(choice, Range):
        return trial.suggest_categorical(name, choice)
    if isinstance(choice.low, int) and not isinstance(default, float):
        return trial.suggest_int(name, int(choice.low), int(choice.high))
    return trial.suggest_float(name, choice.low, choice.high, log=choice.logarithmic)


def _pruner(trial: "optuna.Trial") -> OnEpoch:
    """After each epoch: end the fit when its validation loss lags behind the other trials'."""

    def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
        trial.report(metrics["val_loss"], epoch)
        if trial.should_prune():
            raise PrunedError(
                f"pruned after epoch {epoch}: val_loss {metrics['val_loss']:.4f} lags behind"
            )

    return on_epoch


def _loss(planned: Fit, guarded: Guard, parent: str, on_epoch: OnEpoch) -> float:
    """The fit's deciding validation score, smaller is better; one on record is not done again."""
    record = verification.reusable([planned]).get(planned.fingerprint)
    if record is None:
        result = fitting.fit(planned, guarded, parent, on_epoch)
        console.show(result.line)
        record = result.record
    metric = ranking.metric(planned.dataset)
    return -metric.sign * record.metrics[f"validation_{metric.name}"]


def _board(study: "optuna.Study", space: Space) -> dict:
    from optuna.trial import TrialState

    ended = _ended(study)
    fitted = [trial for trial in ended if trial.state is TrialState.COMPLETE]
    pruned = sum(trial.state is TrialState.PRUNED for trial in ended)
    fits = [space.fit(trial.params) for trial in fitted]
    board = leaderboard.compare(space.dataset, only=fits)
    best = study.best_trial.params if fitted else None
    failed = [trial.user_attrs[FAILED] for trial in ended if FAILED in trial.user_attrs]
    summary = {"study": study.study_name, "fitted": len(fitted), "pruned": pruned, "best": best}
    return board | {"search": summary, "failed": failed}
