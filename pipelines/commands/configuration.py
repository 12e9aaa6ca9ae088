"""What is wrong with params.yaml, own datasets and architectures: all of it at once, for doctor."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from data import declared, versions
from data.errors import DataError
from models import architectures
from models.errors import ModelError
from pipelines.experiments import architectures as files
from pipelines.gate import rules
from pipelines.runtime import environment, settings
from pipelines.runtime.settings import TASKS, UsageError

SECTIONS = ("datasets", "split", "serve", "gate", "retrain", "collect", "notify", "profiles")


class Faults(list[tuple[str, str, str]]):
    """What a fault is of, its cause, and the remedy; each once."""

    @contextmanager
    def noting(self, what: str = "params.yaml", mend: str = "mend params.yaml") -> Iterator[None]:
        """Note the error of the block, if there is one."""
        try:
            yield
        except (DataError, UsageError, ModelError) as error:
            if (fault := (what, str(error), mend)) not in self:
                self.append(fault)


def faults() -> Faults:
    """Every fault; where params.yaml is no YAML that alone."""
    found = Faults()
    params: dict = {}
    with found.noting():
        params = declared.params(environment.ROOT)
    if not params:
        return found
    for key in params:
        with found.noting():
            settings.one_of("section of params.yaml", str(key), SECTIONS)
    for kind in ("classes", "series"):
        with found.noting():
            declared.shares(kind, environment.ROOT)
    _note_datasets(found, params["datasets"])
    _note_served(found, params["datasets"])
    for task in TASKS:
        _note_gate(found, task)
        _note_architectures(found, task)
    for section, read in (("retrain", settings.retrain), ("collect", settings.collect)):
        with found.noting():
            for dataset in settings.named(section):
                with found.noting():
                    known = ["all", *params["datasets"]]
                    read(settings.one_of(f"dataset under {section}", dataset, known))
    with found.noting():
        settings.notify()
    with found.noting():
        for profile in settings.profiles():
            _note_profile(found, profile)
    return found


def _note_datasets(found: Faults, datasets: Mapping) -> None:
    """The entries, and the source of each that is one."""
    for name in map(str, datasets):
        file, _ = declared.place_of(name, environment.ROOT)
        with found.noting(f"dataset {name}", f"mend {file}, or remove the dataset there"):
            declared.entry(name, environment.ROOT)
            versions.check_source(name)


def _note_served(found: Faults, datasets: Mapping) -> None:
    with found.noting():
        for task, named in settings.serve().items():
            for dataset in named:
                with found.noting():
                    settings.check_served(task, dataset, datasets)


def _note_gate(found: Faults, task: str) -> None:
    known, place = _datasets(task), f"gate.{task} in params.yaml"
    with found.noting():
        for dataset in settings.gate(task):
            with found.noting():
                settings.one_of(f"dataset under {place}", dataset, ["all", *known])
        for dataset in known:
            with found.noting():
                rules.of(task, dataset)


def _note_architectures(found: Faults, task: str) -> None:
    for arch in (*architectures.names(task), architectures.GUARD):
        with found.noting(f"architecture {arch}", "mend the file, or remove it"):
            files.check(task, arch)


def _note_profile(found: Faults, name: str) -> None:
    """What a profile says of architectures, datasets and parameters that there are not."""
    with found.noting():
        profile = settings.profile(name)
        for task in TASKS:
            place, archs = f"profiles.{name}.{task} in params.yaml", architectures.names(task)
            for arch, by_dataset in getattr(profile, task).items():
                with found.noting():
                    settings.one_of(f"architecture under {place}", arch, ["all", *archs])
                    for dataset, parameters in by_dataset.items():
                        known = ["all", *_datasets(task)]
                        settings.one_of(f"dataset under {place}", dataset, known)
                        for each in archs if arch == "all" else [arch]:
                            architectures.resolve(task, each, parameters, {})


def _datasets(task: str) -> list[str]:
    return [name for name, of in settings.datasets().items() if of == task]
