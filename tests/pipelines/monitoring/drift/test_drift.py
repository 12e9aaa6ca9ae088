"""Requests to a champion for digits, as its service logs them: what is drift, and what it says."""

import json
from datetime import UTC, datetime

import numpy as np
import orjson
import pyarrow
import pytest
import tiny
from candidates import candidate, hits
from sklearn.datasets import load_digits

from data import stored
from models.export.answering import Answering
from pipelines.commands import monitor
from pipelines.experiments import registry, verification
from pipelines.lineage import request_log
from pipelines.monitoring import feedback, gauges
from pipelines.monitoring.drift import drift, references, signals

START = 1_700_000_000  # seconds since 1970
HASH = "0123456789abcdef0123456789abcdef.dir"


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Held-out rows and others like them: uint8 (picture, 8, 8, 1)."""
    data = load_digits().images * (255 / 16)
    order = np.random.default_rng(0).permutation(len(data))
    pictures = data[order].astype(np.uint8)[..., None]
    return pictures[:1000], pictures[1000:]


@pytest.fixture
def champion(home, tmp_path) -> registry.Version:
    """A champion of the dataset `digits`, whose data is nowhere."""
    version = registry.register("image", "digits", candidate(tmp_path, hits(0.9)))
    registry.ready(version, "")
    registry.set_champion(version)
    return version


@pytest.fixture
def data(home, digits):
    """The prepared data, as if it had been fetched."""
    folder = home / "fetched" / HASH
    folder.mkdir(parents=True)
    held_out = {"image": digits[0], "label": np.zeros(len(digits[0]), np.int64)}
    few = {name: column[:5] for name, column in held_out.items()}
    splits = {"train": few, "validation": few, "test": held_out}
    stored.write(folder, stored.Dataset({"name": "digits", "task": "image"}, splits))
    return folder


class Service:
    """Logs what a service would of pictures drawn at random, one a second."""

    def __init__(self, version: registry.Version, rows: np.ndarray):
        self.version, self.rows = version, rows
        self.model = Answering(verification.verify(version))
        self.random, self.sent = np.random.default_rng(1), 0
        request_log.folder().mkdir(exist_ok=True)

    def asked(self, count: int, change=lambda rows: rows, **fields) -> None:
        """Log `count` requests; fields: over what is logged of each."""
        known = references.records(self.model, change(self.rows)).to_pylist()
        lines = []
        for row in self.random.integers(0, len(known), count).tolist():
            named = {"time": (START + self.sent) * 1_000_000, "request_id": f"r{self.sent}"}
            whose = {"model": self.version.name, "version": self.version.version}
            record = {key: value for key, value in known[row].items() if value is not None}
            lines.append(orjson.dumps(record | named | whose | fields) + b"\n")
            self.sent += 1
        with (request_log.folder() / "1.jsonl").open("ab") as file:
            file.writelines(lines)


@pytest.fixture
def service(champion, data, digits) -> Service:
    return Service(champion, digits[1])


def seen() -> drift.Drift:
    """What is said of the champion by the log."""
    answers = feedback.answers(feedback.stored(), ["image"])
    asked = answers.asked.get("espalier-image-digits", feedback.no_requests("image"))
    return drift.of("image", "digits", registry.champion("image", "digits"), asked)


def brighter(rows: np.ndarray) -> np.ndarray:
    return np.minimum(rows.astype(int) + 40, 255).astype(np.uint8)


def test_without_a_champion_nothing_is_known(home):
    found = seen()
    assert (found.version, found.drifted) == (None, None)
    assert found.unknown == "digits has no champion"


def test_without_its_data_it_says_so(champion):
    found = seen()
    assert found.drifted is None
    assert "v1 are not on this machine" in found.unknown
    assert HASH in found.unknown


def test_requests_like_the_held_out_rows_raise_no_alarm(service):
    assert seen().looked == 0
    service.asked(5050)
    found = seen()
    assert (found.requests, found.looked, found.alarms, found.unknown) == (5050, 5000, [], None)
    assert found.evidence < 2
    assert set(found.signals) == {signal.name for signal in signals.SIGNALS["image"]}


def test_the_reference_is_made_once(service, data):
    service.asked(100)
    before = seen()
    gone = data.rename(data.with_name("gone"))
    assert seen() == before
    gone.rename(data)
    [kept] = references.folder().iterdir()
    kept.write_bytes(b"torn")
    assert seen() == before


def test_an_alarm_says_what_moved_from_what_to_what_since_when(service):
    service.asked(1500)
    service.asked(600, brighter)
    found = seen()
    alarm = next(one for one in found.alarms if one.signal == "brightness")
    assert alarm.says == (
        "the median of the brightness of a picture (0 to 1) went from 0.304 to 0.444 since "
        "2023-11-14 22:38 UTC"
    )
    assert alarm.before[1] == pytest.approx(alarm.after[1] - 40 / 255, abs=0.03)
    assert alarm.since == datetime.fromtimestamp(START + 1500, UTC).isoformat()
    assert 1600 <= alarm.requests <= 1800
    assert datetime.fromisoformat(alarm.noticed).timestamp() == START + alarm.requests - 1
    assert len(set(alarm.examples)) == 5
    assert all(1500 <= int(one[1:]) < 2100 for one in alarm.examples)
    assert found.drifted.startswith(found.alarms[0].says)
    assert json.loads(json.dumps(found.to_dict()))["drifted"] == found.drifted


def test_who_looks_later_sees_the_same_alarm(service):
    service.asked(300)
    service.asked(500, brighter)
    first = seen().alarms
    service.asked(2000)
    later = seen().alarms
    assert [(one.signal, one.since, one.noticed) for one in first] == [
        (one.signal, one.since, one.noticed) for one in later[: len(first)]
    ]


def test_only_the_champions_requests_count(service):
    service.asked(500)
    service.asked(500, brighter, version="7")
    service.asked(500, brighter, model="espalier-image-digits2")
    assert seen().alarms == []
    service.asked(500, brighter)
    assert seen().alarms


def test_what_the_model_cannot_read_is_a_signal_and_a_full_service_is_none(service):
    nothing = {"label": [], "probability": [], "familiarity": [], "signals": None, "width": None}
    service.asked(500)
    service.asked(500, status=503, **nothing)
    assert seen().alarms == []
    service.asked(100, status=400, **nothing)
    [alarm] = seen().alarms
    assert alarm.says.startswith("requests that were refused went from 0.0% to 100.0% since")
    assert (alarm.before, alarm.after) == ([0], [1])


def test_a_batch_counts_once(service):
    """A hundred alike in one request are no more evidence than one."""
    service.asked(500)
    alike = {"label": ["3"] * 100, "probability": [0.4] * 100, "familiarity": [0.001] * 100}
    service.asked(3, inputs=100, **alike)
    service.asked(97)
    assert seen().alarms == []


def forecasts(rows: list[dict]) -> pyarrow.Table:
    types = [("series", "string"), ("last_time", "int64"), ("interval", "int64")]
    return pyarrow.Table.from_pylist(rows, pyarrow.schema([*types, ("mean", "float64")]))


def test_a_named_series_counts_once_in_the_time_of_a_history():
    step = 300_000_000
    named = [("a", hour * 12 * step + step * five) for hour in range(4) for five in range(12)]
    rows = [{"series": name, "last_time": time, "interval": step} for name, time in named]
    rows += [{"series": "b", "last_time": 0, "interval": step}, {}, {}]
    kept = signals.independent(tiny.series_inputs(), forecasts(rows)).to_pylist()
    assert [(one["series"], one["last_time"]) for one in kept] == [
        ("a", 0), ("a", 24 * step), ("b", 0), (None, None), (None, None),
    ]  # fmt: skip


@pytest.mark.parametrize("sensors", [1, 7, 40])
def test_series_without_a_name_count_only_where_they_do_not_come_in_order(sensors):
    """Sensors in turn, each of which moves slowly; the same levels by chance; and these with a
    change in the middle, which looks like an order to a correlation."""
    random = np.random.default_rng(sensors)
    slow = random.normal(0, 3, sensors) + np.cumsum(random.normal(0, 0.1, (50, sensors)), axis=0)
    levels = np.resize(slow, 2000) + random.normal(0, 0.01, 2000)
    by_chance = random.permutation(random.normal(0, 3, 2000))
    changed = by_chance + 20 * (np.arange(2000) > 250)
    for level, is_in_order in ((levels, True), (by_chance, False), (changed, False)):
        table = forecasts([{"mean": one} for one in level.tolist()])
        assert signals.in_order(table) == is_in_order
        kept = signals.independent(tiny.series_inputs(), table)
        assert len(kept) == (0 if is_in_order else 2000)


def test_the_monitor_tells_it_and_asks_for_what_can_be_learned_from(service, champion):
    service.asked(500)
    service.asked(500, brighter)
    [look] = monitor.monitor("image", "digits", "9000d").looks
    assert look.drift == seen()
    assert look.drift.alarms
    written = json.loads(gauges.file("image", "digits").read_text())
    assert written["drift"] == look.drift.evidence > 100
    assert look.retrain.facts.drifted == look.drift.drifted
    assert (look.trial, look.retrain.facts.champion) == (None, f"{champion.arch} v1")
