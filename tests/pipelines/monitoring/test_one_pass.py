"""What a look says of a fixed log that holds everything at once, and how often it reads the log."""

from datetime import datetime

import numpy as np
import orjson
import pytest
from candidates import RULES, candidate, evaluation, hits
from recorded import DIGITS, HASH
from sklearn.datasets import load_digits
from watched import write

from data import stored
from models.export.answering import Answering
from pipelines.commands import monitor
from pipelines.experiments import verification
from pipelines.lineage import request_log
from pipelines.monitoring.drift import references
from pipelines.promotion import contender, decision, ledger
from pipelines.promotion.decision import Terms

MODEL = "espalier-image-digits"
SECOND = 1_000_000


@pytest.fixture
def trial(home, tmp_path) -> ledger.Entry:
    """The entry of a shadow of the champion of `digits`, whose held-out rows are here."""
    pictures = (load_digits().images[:1000] * (255 / 16)).astype(np.uint8)[..., None]
    columns = {"image": pictures, "label": np.zeros(1000, np.int64)}
    few = {name: column[:5] for name, column in columns.items()}
    folder = home / "fetched" / HASH
    folder.mkdir(parents=True)
    splits = {"train": few, "validation": few, "test": columns}
    stored.write(folder, stored.Dataset({"name": "digits", "task": "image"}, splits))
    for seed, terms in ((0, None), (1, Terms())):
        entered = decision.enter(DIGITS, candidate(tmp_path, hits(0.9), seed), RULES)
        champion = contender.current_champion("image", "digits")
        entry = decision.decide(evaluation(entered, champion), terms=terms)
    return entry


def started(entry: ledger.Entry) -> int:
    return int(datetime.fromisoformat(entry.at).timestamp() * 1e6)


def requests(entry: ledger.Entry, count: int = 2000) -> list[dict]:
    """Requests from before the trial until after it began, half of them to brighter pictures, in
    the order in which they were answered; some were refused, some hold two inputs."""
    model = Answering(verification.verify(contender.current_champion("image", "digits").version))
    pictures = (load_digits().images[1000:] * (255 / 16)).astype(np.uint8)[..., None]
    bright = np.minimum(pictures.astype(int) + 40, 255).astype(np.uint8)
    known = [references.records(model, rows).to_pylist() for rows in (pictures, bright)]
    random, made = np.random.default_rng(3), []
    for number in range(count):
        known_one = known[number >= count // 2][random.integers(len(pictures))]
        record = {name: value for name, value in known_one.items() if value is not None} | {
            "time": started(entry) + (number - 500) * SECOND,
            "request_id": f"r{number}",
            "task": "image",
            "model": MODEL,
            "version": "1",
            "client": f"shop-{number % 3}",
            "familiar": [True],
        }
        other = str(random.integers(10)) if random.random() < 0.05 else record["label"][0]
        if number >= 500:
            shadow = {"model": MODEL, "version": "2", "status": 200, "label": [other]}
            record["challenger"] = shadow
        if number % 50 == 1:
            answer = ("label", "probability", "familiarity", "familiar", "challenger")
            record = {name: value for name, value in record.items() if name not in answer}
            record |= {"status": 422, "error": "not_an_image"}
        elif number % 50 == 2:
            for name in ("label", "probability", "familiarity", "familiar"):
                record[name] = record[name] * 2
            record["inputs"] = 2
        made.append(record)
    return made


def labels(records: list[dict]) -> list[dict]:
    """What came back: every third, one in ten of them wrong, of two inputs with their places."""
    random, came = np.random.default_rng(4), []
    for record in records[::3]:
        for index, label in enumerate(record.get("label", ["0"])):
            right = label if random.random() > 0.1 else str(random.integers(10))
            place = {"index": index} if record["inputs"] == 2 else {}
            one = {"time": record["time"] + 5, "request_id": record["request_id"], "label": right}
            came.append(one | place)
    return came


def figures(value: float) -> float:
    """Five figures: processors do not agree on the last ones."""
    return float(f"{value:.5g}")


def found() -> dict:
    """What a look says, without what is of the moment."""
    report = monitor.monitor("image", "digits", "9000d")
    (score,), (look,) = report.found.scores, report.looks
    counts = look.trial.to_dict()["counts"]
    return {
        "score": (score.requests, score.labelled, figures(score.score.score), score.mistakes),
        "labels": report.found.labels,
        "drift": {name: figures(one) for name, one in look.drift.signals.items()},
        "looked": (look.drift.requests, look.drift.looked),
        "alarms": [(one.signal, one.requests, one.examples[:2]) for one in look.drift.alarms],
        "seen": {name: one for name, one in counts.items() if name not in ("labelled", "wrong")},
        "labelled": (counts["labelled"], counts["wrong"]),
        "trial": {name: figures(one) for name, one in look.trial.evidence.items()},
        "verdict": (look.trial.verdict, look.retrain.retrain),
    }


def test_everything_that_a_look_says_of_a_fixed_log(home, trial):
    records = requests(trial)
    elsewhere = records[700] | {"model": "espalier-image-mnist", "request_id": "elsewhere"}
    for worker in (0, 1):  # whose segments hold neighbours of each other's records
        lines = [orjson.dumps(one) for one in [*records, elsewhere][worker::2]]
        request_log.folder().mkdir(exist_ok=True)
        (request_log.folder() / f"{worker}.jsonl").write_bytes(b"\n".join([*lines, b"{torn"]))
    write(home, "labels", *labels(records), {"time": 1, "request_id": "nobody", "label": "1"})
    assert found() == {
        "score": (1960, 667, 0.91004, 60),
        "labels": {"stored": 681, "matched": 667, "unknown": 14, "unusable": 0, "foreign": 0},
        "drift": {
            "refused": 0.6629,
            "unfamiliar": 0.7543,
            "familiarity": 1e6,
            "label": 0.69707,
            "confidence": 1e6,
            "pixels": 0.73197,
            "brightness": 1e6,
            "contrast": 1e6,
        },
        "looked": (2000, 2000),
        "alarms": [
            ("brightness", 1100, ["r1999", "r1997"]),
            ("familiarity", 1100, ["r1999", "r1997"]),
            ("contrast", 1100, ["r1953", "r1942"]),
            ("confidence", 1500, ["r1868", "r1629"]),
        ],
        "seen": {
            "seen": 1500,
            "answered": 1470,
            "failed": 0,
            "differing": 98,
            "both": 1470,
            "better": 0,
            "worse": 25,
            "same": 455,
        },
        "labelled": (
            {"both": 480, "challenger": 0, "champion": 10},
            {"challenger": 0, "champion": 1},
        ),
        "trial": {"worse": 2581100.0, "better": 0.038462, "differing": 1.0},
        "verdict": ("withdraw", True),
    }


def test_a_look_reads_the_log_and_the_labels_once(home, trial, monkeypatch):
    write(home, "requests", *requests(trial, 200))
    read, files = [], request_log.files

    def counted(place=None):
        read.append(place)
        return files(place)

    monkeypatch.setattr(request_log, "files", counted)
    report = monitor.monitor("image", "digits", "9000d")
    assert (report.failure, report.looks[0].drift.looked) == ("", 200)
    assert sorted(read, key=str) == [request_log.labels(), None]


def test_of_an_id_that_was_used_twice_the_newest_answer_counts_for_everyone(home, trial):
    [first] = requests(trial, 1)
    wrong, right = ("1", "7")
    first |= {"time": started(trial) + SECOND, "request_id": "twice"}
    newest = first | {"time": first["time"] + SECOND, "label": [wrong]}
    newest["challenger"] = {"model": MODEL, "version": "2", "status": 200, "label": [right]}
    write(home, "requests", newest, first | {"label": [right]})
    write(home, "labels", {"time": 1, "request_id": "twice", "label": right})
    report = monitor.monitor("image", "digits", "9000d")
    counts = report.looks[0].trial.counts
    assert report.found.scores[0].score.score == 0
    assert (counts.better, counts.worse, counts.same, counts.theirs) == (1, 0, 0, [])
