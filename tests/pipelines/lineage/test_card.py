"""The card of a real tiny champion, in Markdown and HTML; what users wrote is escaped."""

import json
from xml.etree import ElementTree

import mlflow
import pytest
from candidates import candidate, evaluation, hits
from keys_of import pair
from recorded import HASH

from pipelines.commands import promote
from pipelines.experiments import registry, tracking, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.lineage import card
from pipelines.promotion import contender, decision, ledger
from pipelines.release import bento, publish
from pipelines.reports import card as report
from pipelines.runtime import keys, settings
from pipelines.runtime.settings import UsageError

TASK, DATASET, MODEL = "image", "mnist_5k", "espalier-image-mnist_5k"  # one that is served
VERSION = DatasetVersion(TASK, DATASET, HASH)
HOSTILE = "Digits <script>alert(1)</script> by *hand*, [a link](x)"


def promoted(record) -> registry.Version:
    version = registry.register(TASK, DATASET, record)
    decision.decide(evaluation(version, contender.current_champion(TASK, DATASET)))
    return registry.champion(TASK, DATASET)


@pytest.fixture
def champion(home, tmp_path, monkeypatch) -> registry.Version:
    monkeypatch.setattr(settings, "declared", lambda dataset: {"about": HOSTILE, "task": TASK})
    monkeypatch.setenv(keys.SIGNING_KEY, str(pair(tmp_path, "own")[0]))
    kind = {"espalier.kind": tracking.GUARD}
    with tracking.active(VERSION, tracking.GUARD, kind, None):
        mlflow.log_metric("test_familiar", 0.987)
    return promoted(candidate(tmp_path, hits(0.9), dataset=DATASET))


def rows(made: report.Card, title: str) -> dict[str, str]:
    [section] = [one for one in made.sections if one.title == title]
    return dict(section.rows)


def test_it_says_what_registry_ledger_and_scores_say(champion):
    made = card.card(TASK)
    assert made.title == "cnn v1, champion of mnist_5k"
    assert "accuracy 0.9000 (0.8900 to 0.9100) on the test split" in made.summary
    assert rows(made, "Intended use") == {"endpoint": "POST /v1/image"}
    assert rows(made, "Data")["version, as DVC names it"] == HASH
    assert rows(made, "Model")["weights"] == "640"
    assert rows(made, "Scores") == {
        "test": "0.9000 (0.8900 to 0.9100)",
        "validation": "0.9000 (0.8900 to 0.9100)",
        "the naive baseline on test, “always 0”": "0.1000",
    }
    parts, wrong = rows(made, "Parts of the test rows"), rows(made, "Taken for another")
    assert len(parts) == len(wrong) == card.PARTS
    right = {int(name.split()[-1]): float(value.split()[0]) for name, value in parts.items()}
    assert list(right.values()) == sorted(right.values())
    mistaken = {int(name.split()[0]): value for name, value in wrong.items()}
    for label in right.keys() & mistaken.keys():  # each is taken for the next one alone
        assert mistaken[label] == f"{round(100 * (1 - right[label]))} of 100"
    assert rows(made, "The gate's evidence") == {
        "✓ naive": "it is",
        "✓ golden": "8 golden requests",
    }
    assert rows(made, "Limits") == {"test rows that look familiar": "98.7%"}
    [entry] = ledger.entries(MODEL)
    lineage = rows(made, "Lineage")
    assert lineage["fingerprint"] == champion.fingerprint
    assert lineage["MLflow run"] == champion.run_id
    assert lineage["ledger's head when it became champion"] == f"entry 1, {entry.hash}"
    assert lineage["signature"].startswith("sha256 of the bundle ")


def test_markdown_and_page_say_the_same_and_escape_what_users_wrote(champion):
    made = card.card(TASK)
    markdown, page = report.markdown(made), report.page(made)
    tree = ElementTree.fromstring(page[page.index("<html") :])  # well-formed, and loads nothing
    assert not [one for one in tree.iter() if one.tag in ("script", "link", "img", "a")]
    texts = [" ".join("".join(cell.itertext()).split()) for cell in tree.iter()]
    for section in made.sections:
        for label, value in section.rows:
            assert f"- {report.plain(label)}: {report.plain(value)}\n" in markdown
            assert {" ".join(label.split()), " ".join(value.split())} <= set(texts)
    assert r"&lt;script&gt;alert(1)&lt;/script&gt; by \*hand\*, \[a link\](x)" in markdown
    assert "&lt;script&gt;" in page
    assert "<script" not in markdown + page
    assert markdown.startswith("# cnn v1, champion of mnist\\_5k\n\nA model for image")


def test_the_same_champion_has_the_same_card_whatever_is_decided_later(champion, tmp_path):
    before = card.card(TASK, live=False)
    other = registry.register(TASK, DATASET, candidate(tmp_path, hits(0.8), 1, dataset=DATASET))
    standing = contender.current_champion(TASK, DATASET)
    decision.decide(evaluation(other, standing, passed=False))
    assert card.card(TASK, live=False) == before


def test_a_live_score_stands_there_where_the_monitor_wrote_one(champion, home):
    assert "Live score" not in [section.title for section in card.card(TASK).sections]
    (home / "monitor").mkdir()
    note = {"score": 0.95, "interval": [0.94, 0.96], "labels": 1200, "days": [1, 2, 3]}
    (home / "monitor" / f"{TASK}-{DATASET}.json").write_text(json.dumps(note))
    assert rows(card.card(TASK), "Live score") == {
        "score": "0.9500", "interval": "0.9400 to 0.9600", "labels": "1200",
    }  # fmt: skip
    assert "Live score" not in [one.title for one in card.card(TASK, live=False).sections]


def test_it_is_kept_with_the_run_and_goes_into_the_bento(champion, tmp_path):
    card.keep(TASK, DATASET)
    made = card.card(TASK, live=False)
    for ending, text in (("md", report.markdown(made)), ("html", report.page(made))):
        kept = verification.artifact_of(champion.run_id, f"card.{ending}")
        assert kept.read_text(encoding="utf-8") == text
        bento.fill(tmp_path / ending, bento.published(TASK))
        carried = tmp_path / ending / "cards" / f"{TASK}.{ending}"
        assert carried.read_text(encoding="utf-8") == text
    first = publish.cards() / f"{champion.manifest_sha256}.md"
    assert first not in publish.unused(2e9)
    promoted(candidate(tmp_path, hits(0.95), 1, dataset=DATASET))
    assert first in publish.unused(2e9)


def test_a_champion_keeps_the_metric_that_it_was_decided_by(champion, monkeypatch):
    other = {"task": TASK, "metric": "macro_f1"}
    monkeypatch.setattr(settings, "declared", lambda dataset: other)
    made = card.card(TASK)
    assert "accuracy 0.9000 (0.8900 to 0.9100)" in made.summary
    assert rows(made, "Scores")["test"] == "0.9000 (0.8900 to 0.9100)"
    assert rows(made, "Parts of the test rows")


def test_rows_that_were_cut_off_are_left_out(champion):
    file = verification.artifact_of(champion.run_id, f"{tracking.SCORES}/test.npz")
    file.write_bytes(file.read_bytes()[:-100])
    assert "Parts of the test rows" not in [section.title for section in card.card(TASK).sections]


def test_a_card_that_cannot_be_made_undoes_no_decision(champion, tmp_path, monkeypatch, capsys):
    promoted(candidate(tmp_path, hits(0.95), 1, dataset=DATASET))
    promote.rollback(TASK, DATASET, "slow")
    assert (publish.cards() / f"{champion.manifest_sha256}.md").exists()
    promoted(candidate(tmp_path, hits(0.96), 2, dataset=DATASET))
    monkeypatch.setattr(card, "card", lambda *_, **__: {}["f1"])
    assert promote.rollback(TASK, DATASET, "slow").to == "1"
    assert "mnist_5k: not kept: 'f1'" in capsys.readouterr().err


def test_without_a_champion_there_is_no_card(home):
    with pytest.raises(UsageError, match="mnist_5k has no champion yet: `espalier run"):
        card.card(TASK)
    card.keep(TASK, DATASET)
