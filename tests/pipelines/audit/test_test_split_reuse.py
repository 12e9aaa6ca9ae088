"""How often a test split was used and with what inputs, from a real store, ledger and artifacts."""

from dataclasses import replace

import entries
import numpy as np
import pytest
from recorded import DIGITS, HASH, finished, fit
from small_data import FACTS, dated, digits, waves

from data import stored, versions
from models.examples import fit_inputs
from models.inputs.images import ImageInputs
from models.inputs.series import SeriesInputs
from pipelines.audit import audit, test_split_reuse
from pipelines.experiments import dataset as data
from pipelines.experiments import registry, scores, tracking, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.gate import spending
from pipelines.runtime.settings import UsageError

OLDER = "f" * 32 + ".dir"
PICTURES = ImageInputs(8, 8, 1, tuple(FACTS["image"]["labels"]))


def decide(count: int, **evidence) -> None:
    """Put decisions beside a champion on record, of which the difference was known to 0.02."""
    check = {"name": "champion", "passed": False, "evidence": "", "p": 0.5}
    check |= {"interval": [-0.01, 0.01]}
    for _ in range(count):
        entries.append(
            registry.model_name("image", "digits"),
            "refusal",
            evidence={"rules": {}, "checks": [check]} | evidence,
        )


def score(kind: str) -> None:
    import mlflow

    tags = {"espalier.kind": kind}
    with tracking.active(DIGITS, kind, tags, None):
        mlflow.log_metric("test_accuracy", 0.1)


def found(name: str):
    asked = DIGITS, digits(), FACTS["image"]
    [finding] = [one for one in test_split_reuse.findings(*asked) if one.name == name]
    return finding


def test_every_use_of_the_split_is_counted_and_no_other(home, tmp_path):
    finished(fit("cnn", size=8), tmp_path / "full", inputs=PICTURES)
    finished(fit("ann", dataset_hash=OLDER), tmp_path / "other data")
    look = replace(fit("ann", size=8), look=True)
    finished(look, tmp_path / "look", inputs=PICTURES)
    for kind in (tracking.BASELINE, tracking.RIVAL, tracking.GUARD):
        score(kind)
    rows = scores.names_of("image", digits()["test"])
    decide(2, test_rows=spending.sketch(rows[: len(rows) // 2]))  # half of them have come since
    decide(1, test_rows=spending.sketch(["another"]))
    decide(1)  # of before, by the hash of the data
    decide(1, checks=[])  # no champion was there
    assert found("looks at the test split").facts == {
        "full fits": 1,
        "first looks": 1,
        "baselines": 1,
        "rivals": 1,
        "scored again": 0,
        "decisions of the gate": pytest.approx(2, abs=0.1),
    }


def test_a_champion_that_is_scored_on_newer_data_has_used_it_once(home, tmp_path):
    old = finished(fit("cnn", dataset_hash=OLDER), tmp_path / "old")
    assert test_split_reuse.uses(DIGITS)["scored again"] == 0
    tracking.connect().set_tag(old.run_id, scores.RESCORED + HASH, "2026-11-21T12:00:00+00:00")
    assert test_split_reuse.uses(DIGITS)["scored again"] == 1


def test_a_fit_that_failed_before_it_was_scored_has_not_used_it(home, tmp_path):
    def fails() -> None:
        raise RuntimeError("the loss became nan")

    with pytest.raises(RuntimeError):
        finished(fit("cnn"), tmp_path / "failed", epochs=fails)
    assert test_split_reuse.uses(DIGITS)["full fits"] == 0


def test_a_split_is_used_up_by_many_decisions(home):
    for more, ok in ((1, True), (23, True), (1, False), (35, False)):
        decide(more)
        finding = found("looks at the test split")
        assert finding.ok is ok, finding.facts
    # The best of 60 looks 2.32 standard errors of a paired difference better, of 0.01 / 1.96.
    assert "the best of 60 equal candidates looks better by 0.0118" in finding.result


def test_a_candidate_that_was_scored_again_is_shown(home, tmp_path):
    for number, arch in enumerate(("cnn", "cnn", "ann")):
        finished(fit(arch, size=8), tmp_path / str(number), inputs=PICTURES)
    finding = found("scored once")
    assert not finding.ok
    assert finding.examples == [{"fingerprint": fit("cnn", size=8).fingerprint, "times": 2}]
    assert finding.facts == {"candidates": 2, "again": 1}


WAVES = DatasetVersion("forecast", FACTS["forecast"]["name"], HASH)


@pytest.fixture
def splits() -> dict:
    return dated(waves())


def fitted_with(inputs, folder, share: float = 1.0) -> None:
    planned = replace(fit("gru", share=share), dataset=WAVES)
    scores = {"test_relative_mae": 0.8, "validation_relative_mae": 0.8}
    finished(planned, folder, inputs=inputs, **scores)


def judged(splits):
    return test_split_reuse.findings(WAVES, splits, FACTS["forecast"])[-1]


def test_a_scaler_of_the_training_rows_passes(home, tmp_path, splits):
    for share in (1.0, 0.5):
        values = splits["train"]["value"]
        used = values[len(values) - round(share * len(values)) :]
        inputs = SeriesInputs.fit(used, FACTS["forecast"]["history"], FACTS["forecast"]["horizon"])
        fitted_with(inputs, tmp_path / str(share), share)
    assert judged(splits).ok
    assert judged(splits).facts == {"fits": 2, "other": 0, "unread": 0}


@pytest.mark.parametrize("peeked", ["validation", "test"])
def test_a_scaler_that_saw_a_later_split_is_found(home, tmp_path, splits, peeked):
    seen = (splits["train"], splits[peeked])
    both = {name: np.concatenate([one[name] for one in seen]) for name in ("value", "series")}
    fitted_with(fit_inputs(both, FACTS["forecast"], {}), tmp_path / "peeked")
    finding = judged(splits)
    assert not finding.ok
    assert finding.result == "1 were not fitted on it alone"
    assert finding.examples[0]["arch"] == "gru"


def test_an_artifact_that_is_damaged_is_told_and_not_read(home, tmp_path, splits):
    fitted_with(fit_inputs(splits["train"], FACTS["forecast"], {}), tmp_path / "whole")
    [record] = tracking.records(WAVES)
    (verification.artifact_folder(record.run_id) / "inputs.json").write_text("{}")
    assert judged(splits).result == "each was fitted on it alone; 1 cannot be read"


def test_the_present_version_is_audited_in_whole(home, tmp_path, monkeypatch, splits, capsys):
    rows = {name: len(split["value"]) for name, split in splits.items()}
    place = tmp_path / "prepared"
    place.mkdir()
    stored.write(place, stored.Dataset(FACTS["forecast"] | {"rows": rows}, splits))
    monkeypatch.setattr(versions, "dataset_hash", lambda _: HASH)
    monkeypatch.setattr(data, "folder", lambda _: place)
    audited = audit.audit("forecast", "waves").to_dict()
    assert audited["ok"]
    assert [one["name"] for one in audited["findings"]] == [
        "equal windows",
        "order in time",
        "windows over a cut",
        "looks at the test split",
        "scored once",
        "inputs from train",
    ]
    splits["test"]["time"] = splits["train"]["time"][: len(splits["test"]["time"])]
    stored.write(place, stored.Dataset(FACTS["forecast"] | {"rows": rows}, splits))
    audit.show(audit.audit("forecast", "waves"))
    shown = capsys.readouterr().out
    assert "look at it order in time" in shown
    assert "order in time: Cut all series at the same instants" in shown


def test_a_dataset_without_a_version_cannot_be_audited(monkeypatch):
    monkeypatch.setattr(versions, "dataset_hash", lambda _: None)
    with pytest.raises(UsageError, match="espalier run --dataset digits"):
        audit.audit("image", "digits")
