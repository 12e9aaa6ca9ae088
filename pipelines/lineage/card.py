"""What a champion's card says: from the registry, the ledger, its run and its rows of test scores.

Kept with the run in MLflow, and beside what is published, from where a Bento takes it along.
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from data import versions
from models.artifact import artifact
from models.familiarity.familiarity import THRESHOLD
from pipelines.experiments import dataset as data
from pipelines.experiments import ranking, registry, scores, tracking, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.registry import Version
from pipelines.experiments.tracking import Record
from pipelines.gate import slices
from pipelines.lineage import records
from pipelines.processes import service
from pipelines.promotion import ledger
from pipelines.promotion.ledger import Entry
from pipelines.release import publish
from pipelines.reports import card as report
from pipelines.reports.card import Card, Section
from pipelines.runtime import console, environment, settings
from pipelines.runtime.settings import UsageError

if TYPE_CHECKING:
    from models.evaluation.metrics import Metric

PARTS = 8  # of the test rows, the worst, and as many confusions


def card(task: str, dataset: str | None = None, *, live: bool = True) -> Card:
    """The card of the champion.

    Args:
        task: image, sentiment or forecast.
        dataset: one of the task; by default the first that is served.
        live: with the live score, where there is one; without it the same champion has the same
            card.

    Raises UsageError where there is no champion.
    """
    name = settings.dataset_of(task, dataset)
    version = registry.champion(task, name)
    champions = ledger.champions(ledger.entries(registry.model_name(task, name)))
    if version is None or not champions:
        raise UsageError(f"{name} has no champion yet: `espalier run --dataset {name}` makes one")
    record, entry = tracking.record(version.run_id), champions[-1]
    of = DatasetVersion(task, name, version.dataset_hash)
    metric = _metric(of, record)
    score = f"{metric.text} {_interval(record, 'test', metric.name)} on the test split"
    sections = [
        _use(of),
        _data(of, record),
        _model(record),
        _scores(of, record),
        *_parts(of, version, record),
        _gate(entry),
        *(_live(of) if live else []),
        _limits(of),
        _lineage(version, record, entry),
    ]
    title = f"{version.arch} v{version.version}, champion of {name}"
    return Card(title, f"A model for {task}, fitted on {name}: {score}.", sections)


def keep_or_say(task: str, dataset: str) -> None:
    """`keep` after a decision, which stands whatever becomes of the card."""
    try:
        keep(task, dataset)
    except Exception as error:  # of servers, files and older records alike
        cause = f"{dataset}: not kept: {str(error) or type(error).__name__}"
        console.line("card", cause, failed=True)


def keep(task: str, dataset: str) -> None:
    """Keep the champion's card with its run in MLflow and beside what is published; repeatable."""
    version = registry.champion(task, dataset)
    if version is None:
        return
    made = card(task, dataset, live=False)
    client, place = tracking.connect(), publish.cards()
    place.mkdir(parents=True, exist_ok=True)
    for ending, text in (("md", report.markdown(made)), ("html", report.page(made))):
        client.log_text(version.run_id, text, f"card.{ending}")
        publish.write_whole(place / f"{version.manifest_sha256}.{ending}", text)


def _use(dataset: DatasetVersion) -> Section:
    served = settings.endpoint(dataset.task, dataset.name)
    about = str(settings.declared(dataset.name).get("about", ""))
    rows = [("endpoint", f"POST {service.path_of(served)}")] if served else []
    text = f"{about} " if about else ""
    text += "It is meant for inputs of that kind alone, and answers what it was trained to answer."
    return Section("Intended use", rows, text)


def _data(dataset: DatasetVersion, record: Record) -> Section:
    parent = tracking.connect().get_run(record.run_id).data.tags.get("mlflow.parentRunId")
    described = records.data(dataset, [parent] if parent else [])
    rows = [("dataset", dataset.name), ("version, as DVC names it", dataset.hash)]
    if described.commit:
        rows.append(("git commit that names it", described.commit))
    if described.checkout:
        rows.append(("to check it out", described.checkout))
    if versions.dataset_hash(dataset.name) == dataset.hash:
        with suppress(OSError):  # the data may lie in the DVC remote alone
            counts = data.facts(data.folder(dataset.name))["rows"].items()
            rows.append(("rows", ", ".join(f"{count:,} {split}" for split, count in counts)))
    return Section("Data", rows)


def _model(record: Record) -> Section:
    parameters = {k: v for k, v in record.parameters.items() if k != "members"}
    rows = [
        ("architecture", record.arch),
        ("profile and seed", f"{record.profile}, {record.seed}"),
        ("weights", f"{int(record.metrics['parameter_count']):,}"),
        ("fitted on", "training and validation rows" if record.refit else "training rows"),
        ("parameters", console.named(parameters)),
    ]
    if members := record.parameters.get("members"):
        rows.append(("mean of", ", ".join(f"{o['arch']} {o['fingerprint'][:8]}" for o in members)))
    return Section("Model", [row for row in rows if row[1]])


def _scores(dataset: DatasetVersion, record: Record) -> Section:
    metric = _metric(dataset, record)
    rows = [(split, _interval(record, split, metric.name)) for split in ("test", "validation")]
    known = {name: value for name, value in record.metrics.items() if name.startswith("test_")}
    if "test_floor" in known:
        naive = console.figure(known.pop("test_floor"))
        rows.append((f"the naive baseline on test, “{record.naive}”", naive))
    done = {f"test_{metric.name}{end}" for end in ("", "_low", "_high")}
    rows += [
        (name.removeprefix("test_").replace("_", " "), console.figure(value))
        for name, value in sorted(known.items())
        if name not in done
    ]
    better = "more" if metric.more_is_better else "less"
    text = f"{metric.text[:1].upper()}{metric.text[1:]}, {better} is better; intervals are 95 %."
    return Section("Scores", rows, text + " Below, other measures on the test split.")


def _metric(dataset: DatasetVersion, record: Record) -> "Metric":
    """What the champion was decided by, though the dataset is decided by another metric now."""
    from models.evaluation import metrics

    present = ranking.metric(dataset)
    known = (present, *metrics.METRICS.values())
    return next((one for one in known if f"test_{one.name}_low" in record.metrics), present)


def _interval(record: Record, split: str, metric: str) -> str:
    mean, low, high = (
        console.figure(record.metrics[f"{split}_{metric}{end}"]) for end in ("", "_low", "_high")
    )
    return f"{mean} ({low} to {high})"


def _parts(dataset: DatasetVersion, version: Version, record: Record) -> list[Section]:
    """The worst parts of the test rows, and what is taken for what."""
    try:
        rows = scores.rows_of(record.run_id, "test", artifact_uri=record.artifact_uri)
        inputs = artifact.read_inputs(verification.artifact_folder(version.run_id))
    except (OSError, BadZipFile, ValueError, KeyError):  # the rows are gone, or cut off
        return []
    metric, labels = _metric(dataset, record), list(getattr(inputs, "labels", ()))
    parts = slices.score(metric, [rows], labels)
    parts.sort(key=lambda part: metric.sign * part.score)
    named = [(p.name, f"{console.figure(p.score)} on {p.rows:,} rows") for p in parts[:PARTS]]
    text = f"The worst {len(named)} of {len(parts)}; small parts vary by chance."
    sections = [Section("Parts of the test rows", named, text)] if named else []
    if "confusion" in rows:
        sections += _confusion(rows["confusion"], labels)
    return sections


def _confusion(counts: np.ndarray, labels: list[str]) -> list[Section]:
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    most = np.argsort(-wrong, axis=None, kind="stable")[:PARTS]
    pairs = [divmod(int(one), wrong.shape[1]) for one in most if wrong.flat[one]]
    rows = [
        (f"{labels[true]} as {labels[said]}", f"{wrong[true, said]:,} of {counts[true].sum():,}")
        for true, said in pairs
    ]
    return [Section("Taken for another", rows, "Of the test rows.")] if rows else []


def _gate(entry: Entry) -> Section:
    evidence: Mapping[str, Any] = entry.evidence if isinstance(entry.evidence, dict) else {}
    rows = [
        (f"{'✓' if check['passed'] else '✗'} {check['name']}", str(check["evidence"]))
        for check in evidence.get("checks", ())
    ]
    verb = "A person forced it" if entry.action == "force" else "It became champion"
    return Section("The gate's evidence", rows, f"{verb} on {entry.at}: {entry.reason or ''}")


def _live(dataset: DatasetVersion) -> list[Section]:
    """The live score, as the monitor last wrote it down."""
    file = environment.home() / "monitor" / f"{dataset.task}-{dataset.name}.json"
    try:
        noted = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    rows = [(name.replace("_", " "), _text(value)) for name, value in noted.items()]
    return [Section("Live score", [row for row in rows if row[1]], "On requests whose label came.")]


def _text(value: object) -> str:
    """A value of a monitor's note; empty for lists of more than a few."""
    if isinstance(value, float):
        return console.figure(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(one)}" for name, one in value.items())
    if isinstance(value, list):
        return " to ".join(map(_text, value)) if len(value) == 2 else ""
    return "" if value is None else str(value)


def _limits(dataset: DatasetVersion) -> Section:
    guards = [one for one in tracking.ended(dataset, tracking.GUARD) if one.status == "FINISHED"]
    rows = []
    if guards:
        share = guards[-1].metrics["test_familiar"]
        rows = [("test rows that look familiar", f"{share:.1%}")]
    text = (
        "An autoencoder that was fitted on the training rows looks at each input. An answer is "
        f"marked as not familiar where fewer than {THRESHOLD:.0%} of the validation rows are as "
        "strange: do not rely on it then. Scores are of the test rows, and say nothing of inputs "
        "of another kind."
    )
    return Section("Limits", rows, text)


def _lineage(version: Version, record: Record, entry: Entry) -> Section:
    tags = tracking.connect().get_run(record.run_id).data.tags
    commit = tags.get("mlflow.source.git.commit", "none")
    if tags.get("espalier.git_dirty") == "true":
        commit += " and changes"
    signed = "no"
    if version.signature:
        digest = hashlib.sha256(version.signature.encode()).hexdigest()
        signed = f"sha256 of the bundle {digest}"
    rows = [
        ("registered as", f"{version.name}/{version.version}"),
        ("fingerprint", version.fingerprint),
        ("manifest, sha256", version.manifest_sha256),
        ("MLflow run", version.run_id),
        ("code, git commit", commit),
        ("ledger's head when it became champion", f"entry {entry.position}, {entry.hash}"),
        ("decided by", entry.who),
        ("signature", signed),
    ]
    return Section("Lineage", rows)


def write(made: Card, html: Path | None, markdown: Path | None) -> None:
    """Write the card into files. Raises UsageError where one cannot be written."""
    for option, file, render in (
        ("--html", html, report.page),
        ("--markdown", markdown, report.markdown),
    ):
        try:
            if file is not None:
                file.write_text(render(made), encoding="utf-8")
                console.line("card", str(file))
        except OSError as error:
            raise UsageError(
                f"{option} {file} cannot be written ({error.strerror}): name a file in a folder of "
                "yours"
            ) from None
