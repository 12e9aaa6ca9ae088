"""What it takes to look: `feedback` of 100,000 labels, and `monitor` over a million requests.

    make bench-monitor        (python -m benchmarks.monitor)

In a home of its own, whose log holds 900,000 classified pictures and 100,000 forecasts of 50 named
series, and whose champions have test rows on record. Each command is a process of its own, as a
person types it.
"""

import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import orjson
import pytest

from pipelines.runtime import console, environment

sys.path.append(str(environment.ROOT / "tests/support"))  # which records fits without training any
import homes
import watched

PICTURES, FORECASTS, LABELS = 900_000, 100_000, 100_000
IN_A_FILE = 50_000
SERIES, WINDOW, HORIZON = 50, 24, 12
BOUNDS = {"feedback": (20, 1000), "monitor": (10, 1000)}  # seconds, megabytes


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="espalier-") as scratch:
        folder = Path(scratch)
        with pytest.MonkeyPatch.context() as patch:
            store = folder / "empty.db"
            _empty_store(store)
            with homes.living_in(folder / "home", patch, store) as home:
                watched.champion(home / "fits" / "digits", right=0.98)
                watched.forecaster(home / "fits" / "glucose")
                _measure(home)


def _empty_store(store: Path) -> None:
    from mlflow import MlflowClient

    MlflowClient(f"sqlite:///{store}").search_experiments(max_results=1)


def _measure(home: Path) -> None:
    megabytes = _write_log(home / "requests") / 1e6
    file = home / "labels.csv"
    rows = (f"{number:032x},{'dog' if number % 50 else 'cat'}\n" for number in range(LABELS))
    file.write_text("request_id,label\n" + "".join(rows))
    table = console.table(f"{PICTURES + FORECASTS:,} records of {megabytes:,.0f} MB")
    for name in ("command", "seconds", "at most", "of a processor", "MB", "at most"):
        table.add_column(name, justify="left" if name == "command" else "right")
    again = "feedback, again"
    for name, arguments in (
        ("feedback", ["feedback", str(file)]),
        (again, ["feedback", str(file)]),
        ("monitor", ["monitor", "--since", "90d", "--html", str(home / "page.html")]),
    ):
        seconds, busy, memory = _run(arguments)
        most = BOUNDS[arguments[0]]
        figures = (f"{seconds:.1f}", f"{most[0]}", f"{busy:.1f}", f"{memory:.0f}", f"{most[1]}")
        table.add_row(name, *figures)
    console.out().print(table)


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


def _write_log(folder: Path) -> int:
    """Write the records of a month; returns how many bytes they take."""
    folder.mkdir(parents=True)
    random, now = np.random.default_rng(0), int(datetime.now(UTC).timestamp() * 1e6)
    step = 30 * 86_400_000_000 // (PICTURES + FORECASTS)
    for number in range(0, PICTURES + FORECASTS, IN_A_FILE):
        with (folder / f"{number:07}.jsonl").open("wb") as file:
            for place in range(number, number + IN_A_FILE):
                moment = now - step * (PICTURES + FORECASTS - place)
                record = (
                    _picture(place, moment, random)
                    if place < PICTURES
                    else _forecast(place, moment, random)
                )
                file.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
    return sum(file.stat().st_size for file in folder.iterdir())


def _answer(place: int, moment: int, task: str, dataset: str) -> dict:
    return {
        "time": moment,
        "request_id": f"{place:032x}",
        "route": f"/v1/{task}",
        "task": task,
        "latency_ms": 0.5123,
        "inputs": 1,
        "client": f"shop-{place % 5}",
        "model": f"espalier-{task}-{dataset}",
        "version": "1",
        "fingerprint": "f" * 64,
        "status": 200,
    }


def _picture(place: int, moment: int, random: np.random.Generator) -> dict:
    sure = random.random()
    return _answer(place, moment, "image", "digits") | {
        "width": 28,
        "height": 28,
        "bytes": 702,
        "label": ["dog"],
        "probability": [sure],
        "familiar": [sure > 0.01],
        "familiarity": [sure],
    }


def _forecast(place: int, moment: int, random: np.random.Generator) -> dict:
    values = random.normal(100, 10, WINDOW + HORIZON).round(1).tolist()
    forecast = random.normal(100, 1, HORIZON)
    return _answer(place, moment, "forecast", "glucose") | {
        "values": WINDOW,
        "first": values[0],
        "last": values[WINDOW - 1],
        "horizon": HORIZON,
        "level": 0.95,
        "forecast": forecast.tolist(),
        "lower": (forecast - 20).tolist(),
        "upper": (forecast + 20).tolist(),
        "series": f"s{place % SERIES}",
        "last_time": place // SERIES * 300_000_000,
        "interval": 300_000_000,
        "history": values[:WINDOW],
    }


if __name__ == "__main__":
    main()
