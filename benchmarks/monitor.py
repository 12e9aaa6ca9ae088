"""What it takes to look: `feedback` of 100,000 labels, and `monitor` over a million requests.

    make bench-monitor        (python -m benchmarks.monitor)

In a home of its own, whose log holds 900,000 classified pictures and 100,000 forecasts of 50 named
series, as services write them, and whose champions have artifacts and held-out rows. Then the same
pictures again, all of them answered by a challenger on trial as well. Each command is a process of
its own, as a person types it.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import orjson
import pytest
from sklearn.datasets import load_digits

from data import stored
from models.export.answering import Answering
from pipelines.experiments import registry, verification
from pipelines.experiments.registry import Version
from pipelines.lineage import request_log
from pipelines.monitoring.drift import references
from pipelines.promotion import contender, decision
from pipelines.promotion.decision import Terms
from pipelines.runtime import console, environment

sys.path.append(str(environment.ROOT / "tests/support"))  # which records fits without training any
import candidates
import homes
import recorded
import tiny
import watched

PICTURES, FORECASTS, LABELS = 900_000, 100_000, 100_000
IN_A_FILE = 30_000  # some 16 MB, as a service writes them
SERIES = 50
BOUNDS = {"feedback": (20, 1000), "monitor": (10, 1000)}  # seconds, megabytes
MONITOR = ["monitor", "--since", "90d"]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="espalier-") as scratch:
        folder = Path(scratch)
        with pytest.MonkeyPatch.context() as patch:
            store = folder / "empty.db"
            _empty_store(store)
            with homes.living_in(folder / "home", patch, store) as home:
                _measure(home)


def _empty_store(store: Path) -> None:
    from mlflow import MlflowClient

    MlflowClient(f"sqlite:///{store}").search_experiments(max_results=1)


def _measure(home: Path) -> None:
    picture, challenger = _digits(home)
    series = watched.forecaster(home / "fits" / "glucose", write=_write_forecaster)
    _held_out(home, series.dataset_hash, {"value": _wave(2000)} | _whole(2000), "forecast")
    table = console.table(f"{PICTURES + FORECASTS:,} requests")
    for name in ("command", "log in MB", "seconds", "at most", "of a processor", "MB", "at most"):
        table.add_column(name, justify="left" if name == "command" else "right")

    def run(name: str, arguments: list[str]) -> None:
        seconds, busy, memory = _run(arguments)
        most = BOUNDS[arguments[0]]
        figures = (f"{megabytes:.0f}", f"{seconds:.1f}", f"{most[0]}", f"{busy:.1f}")
        table.add_row(name, *figures, f"{memory:.0f}", f"{most[1]}")

    megabytes = _write_log(_records(picture, series, None))
    labels = home / "labels.csv"
    with labels.open("w", encoding="utf-8") as file:
        file.write("request_id,label\n")
        for place, record in zip(range(LABELS), _records(picture, series, None), strict=False):
            right = record["label"][0] if place % 20 else str(place % 10)
            file.write(f"{record['request_id']},{right}\n")
    for name in ("feedback", "feedback, again"):
        run(name, ["feedback", str(labels)])
    run("monitor, the first time", MONITOR)
    run("monitor", [*MONITOR, "--html", str(home / "page.html")])
    _decide(challenger, Terms())
    megabytes = _write_log(_records(picture, series, registry.version(picture.name, "2")))
    run("monitor, during a trial", MONITOR)
    console.out().print(table)


def _digits(home: Path) -> tuple[Version, recorded.tracking.Record]:
    """A champion of the digits, and a fit that may challenge it."""
    made = [
        candidates.candidate(home, candidates.hits(right), seed)
        for seed, right in enumerate((0.95, 0.96))
    ]
    _decide(made[0])
    rows = (load_digits().images[:1000] * (255 / 16)).astype(np.uint8)[..., None]
    columns = {"image": rows, "label": np.zeros(len(rows), np.int64)}
    _held_out(home, recorded.HASH, columns, "image")
    version = registry.champion("image", "digits")
    assert version is not None
    return version, made[1]


def _decide(fit: recorded.tracking.Record, terms: Terms | None = None) -> None:
    version = decision.enter(recorded.DIGITS, fit, candidates.RULES)
    champion = contender.current_champion("image", "digits")
    decision.decide(candidates.evaluation(version, champion), terms=terms)


def _write_forecaster(folder: Path) -> str:
    return tiny.write(folder, "forecast", 0, dataset="glucose")


def _held_out(home: Path, dataset_hash: str, test: dict[str, np.ndarray], task: str) -> None:
    """The prepared data, as if it had been fetched."""
    folder = home / "fetched" / dataset_hash
    folder.mkdir(parents=True)
    few = {name: column[:5] for name, column in test.items()}
    splits = {"train": few, "validation": few, "test": test}
    stored.write(folder, stored.Dataset({"name": "held out", "task": task}, splits))


def _whole(count: int) -> dict[str, np.ndarray]:
    """The columns of a series without a gap."""
    return {"observed": np.ones(count, bool), "segment": np.zeros(count, np.int64)}


def _wave(count: int) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 0.3, count)
    return 6 + 2 * np.sin(np.arange(count) / 4) + noise


def _run(arguments: list[str]) -> tuple[float, float, float]:
    """Run a command; returns its seconds, those of a processor, and its peak in megabytes."""
    command = [sys.executable, "-m", "pipelines.cli", *arguments]
    begun = time.perf_counter()
    process = subprocess.Popen(command, cwd=environment.ROOT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}")
    seconds = time.perf_counter() - begun
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000


def _write_log(records: Iterator[dict]) -> float:
    """Write a log anew; returns how many megabytes it takes."""
    folder = request_log.folder()
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(0, PICTURES + FORECASTS, IN_A_FILE):
        with (folder / f"{number:07}.jsonl").open("wb") as file:
            for _, record in zip(range(IN_A_FILE), records, strict=False):
                file.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
    return sum(file.stat().st_size for file in folder.iterdir()) / 1e6


def _records(picture: Version, series: Version, challenger: Version | None) -> Iterator[dict]:
    """What services log, one request a millisecond from now on: a trial that is on has begun."""
    random, now = np.random.default_rng(0), int(datetime.now(UTC).timestamp() * 1e6)
    known = _answers(picture, (load_digits().images * (255 / 16)).astype(np.uint8)[..., None])
    sizes = {"bytes": 702, "familiar": [True]}
    for place, row in enumerate(random.integers(0, len(known), PICTURES).tolist()):
        asked = _request(place, now + place * 1000, "image", picture) | sizes | known[row]
        if challenger is not None:
            own = {"label", "probability", "familiar", "familiarity"} & asked.keys()
            asked["challenger"] = _identity(challenger) | {name: asked[name] for name in own}
        yield asked
    known = _answers(series, np.lib.stride_tricks.sliding_window_view(_wave(5000), tiny.HISTORY))
    for place, row in enumerate(random.integers(0, len(known), FORECASTS).tolist(), PICTURES):
        named = {"series": f"s{place % SERIES}", "last_time": place // SERIES * 300_000_000}
        forecast = random.normal(6, 1, tiny.HORIZON)
        yield (
            _request(place, now + place * 1000, "forecast", series)
            | known[row]
            | {"first": known[row]["last"], "min": 4.0, "max": 8.0, "forecast_last": 6.0}
            | {name: (forecast + by).tolist() for name, by in (("forecast", 0), ("lower", -2))}
            | {"upper": (forecast + 2).tolist(), **named, "interval": 300_000_000}
            | {"history": _wave(tiny.HISTORY).tolist()}
        )


def _answers(version: Version, rows: np.ndarray) -> list[dict]:
    model = Answering(verification.verify(version))
    known = references.records(model, rows).to_pylist()
    return [{name: value for name, value in one.items() if value is not None} for one in known]


def _identity(version: Version) -> dict:
    facts = asdict(version)
    return {name: facts[name] for name in ("version", "fingerprint")} | {
        "model": version.name,
        "status": 200,
    }


def _request(place: int, moment: int, task: str, version: Version) -> dict:
    return {
        "time": moment,
        "request_id": f"{place:032x}",
        "route": f"/v1/{task}",
        "task": task,
        "latency_ms": 0.5123,
        "client": f"shop-{place % 5}",
    } | _identity(version)


if __name__ == "__main__":
    main()
