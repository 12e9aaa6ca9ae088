"""How surely a worse challenger is taken back, how rarely an equal one, and what a trial costs.

    make bench-trial                         (python -m benchmarks.trial)
    python -m benchmarks.trial verdicts      (simulated, through the judge: needs no champions)
    python -m benchmarks.trial service       (the real service with the published champions)

Verdicts: 100 challengers of each kind, looked at after every 100 requests, all of them labelled.
Service: requests leave at fixed times (open_loop.py), with a challenger and without in turn.
"""

import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree

import httpx
import numpy as np
import pyarrow

from benchmarks import open_loop
from benchmarks.open_loop import milliseconds
from benchmarks.serve import artifacts, raw
from benchmarks.served import served, until
from pipelines.monitoring import feedback, trial, trial_counts
from pipelines.monitoring.requests import schema
from pipelines.promotion.ledger import GENESIS, Entry
from pipelines.release import publish
from pipelines.runtime import console, environment, settings

TRIALS, REQUESTS, LOOK = 100, 2000, 100
GOOD, WORSE, CANARY = 0.98, 0.95, 10
RATE, CONNECTIONS, PAIRS, PAIR_SECONDS, TRIALS_SECONDS = 200, 16, 9, 8, 30

Draw = Callable[[np.random.Generator], Iterator[dict]]


def main(names: list[str]) -> None:
    environment.apply()
    for name in names or STEPS:
        for line in STEPS[name]():
            console.out().print(f"{name}: {line}")


def verdicts() -> Iterator[str]:
    """Of challengers that are worse or equal, how many are taken back, by the judge."""
    both_wrong = (1 - GOOD) * (1 - WORSE)
    for name, overlap in (("", both_wrong), (", wrong on all that the champion is", 1 - GOOD)):
        differ = 2 - GOOD - WORSE - 2 * overlap
        shadow = _share(_shadow(WORSE, overlap), 0, differ)
        yield f"shadow, {GOOD} and {WORSE}, differ on {differ:.1%}{name}: {shadow}"
    for overlap in ((1 - GOOD) ** 2, 0.01):
        differ = 2 * (1 - GOOD - overlap)
        yield f"shadow, equal, differ on {differ:.1%}: {_share(_shadow(GOOD, overlap), 0, differ)}"
    yield f"canary {CANARY} %, {GOOD} and {WORSE}: {_share(_canary(WORSE), CANARY, 0.068)}"
    yield f"canary {CANARY} %, equal: {_share(_canary(GOOD), CANARY, 0.039)}"


def _share(draw: Draw, share: int, differ: float) -> str:
    """Of so many challengers, how many are taken back, and by which request."""
    taken, promoted = [], 0
    for seed in range(TRIALS):
        rng = np.random.default_rng(seed)
        rows = 1000
        differing = {"differ": int(rng.binomial(rows, differ)), "rows": rows}
        began = _began(share, differing)
        verdict, answered = _judged(list(draw(rng)), began, differing)
        promoted += verdict == "promote"
        if verdict == "withdraw":
            taken.append(answered)
    median = f", half of them by request {statistics.median(taken):.0f}" if taken else ""
    return f"{len(taken)} of {TRIALS} taken back within {REQUESTS}{median}; {promoted} promoted"


def _judged(records: list[dict], began: Entry, differing: dict) -> tuple[str, int]:
    """The first verdict, and how many requests the challenger had answered."""
    labels = {record["request_id"]: "right" for record in records}
    table = pyarrow.Table.from_pylist(records, schema(feedback.OF_LABELLED)).flatten()
    step = LOOK if not began.evidence["share"] else LOOK * 100 // CANARY
    predicted = trial.bound(differing)
    for end in range(step, len(records) + step, step):
        asked = table.slice(0, end)
        newest_first = asked.take(np.arange(len(asked))[::-1])
        counts = trial_counts.count(began, asked, newest_first, labels)
        evidence = trial.capitals(counts, began.evidence["share"], predicted)
        verdict, _ = trial.decided(counts, evidence, predicted, over=False)
        if verdict != "continue":
            return verdict, counts.answered
    return "continue", counts.answered


def _began(share: int, differing: dict) -> Entry:
    evidence = {"share": share, "days": 7, "differing": differing}
    at = datetime.fromtimestamp(0, UTC).isoformat(timespec="milliseconds")
    action = "canary" if share else "shadow"
    facts = {"run_id": None, "fingerprint": None, "dataset_hash": None, "reason": "", "who": ""}
    chain = {"position": 2, "token": 0, "previous": GENESIS, "hash": GENESIS}
    return Entry("m", action, "1", "2", evidence=evidence, at=at, **facts, **chain)


def _answer(version: str, right: bool) -> dict:
    return {"model": "m", "version": version, "status": 200, "label": ["right" if right else "no"]}


def _shadow(accuracy: float, overlap: float) -> Draw:
    """Requests that both answer; overlap: the share on which both are wrong."""

    def draw(rng: np.random.Generator) -> Iterator[dict]:
        parts = [overlap, 1 - GOOD - overlap, 1 - accuracy - overlap]
        kinds = rng.choice(4, REQUESTS, p=[*parts, 1 - sum(parts)])
        for number, kind in enumerate(kinds):
            ours, theirs = kind in (1, 3), kind in (2, 3)
            first = {"time": number, "request_id": str(number)} | _answer("1", theirs)
            yield first | {"challenger": _answer("2", ours)}

    return draw


def _canary(accuracy: float) -> Draw:
    """Requests that one of the two answers, until the challenger has answered `REQUESTS`."""

    def draw(rng: np.random.Generator) -> Iterator[dict]:
        answered = number = 0
        while answered < REQUESTS:
            ours = bool(rng.random() < CANARY / 100)
            right = bool(rng.random() < (accuracy if ours else GOOD))
            yield {"time": number, "request_id": str(number)} | _answer("2" if ours else "1", right)
            answered, number = answered + ours, number + 1

    return draw


def service() -> Iterator[str]:
    """Under 200 requests a second: what fails while trials begin and end, and what one costs."""
    with tempfile.TemporaryDirectory(prefix="espalier-") as scratch:
        home = Path(scratch)
        copytree(publish.folder(), publish.folder(home))
        requests = _requests(home)
        with served(home) as running:
            open_loop.drive(running.port, requests, RATE, PAIR_SECONDS, CONNECTIONS)
            yield _begun_and_ended(running, home, requests)
            ratios = []
            for _ in range(PAIRS):
                p99 = []
                for share in (None, 0):
                    _try(running.url, home, share)
                    outcomes = open_loop.drive(
                        running.port, requests, RATE, PAIR_SECONDS, CONNECTIONS
                    )
                    p99.append(milliseconds(outcomes, 99))
                ratios.append(p99[1] / p99[0])
            asked = _metric(running.url, "espalier_challenger_dropped_total")
    listed = ", ".join(f"{one:.2f}" for one in sorted(ratios))
    yield f"p99 with a shadow, as it stands to p99 without: {statistics.median(ratios):.2f}"
    yield f"the pairs: {listed}; {asked:.0f} requests whose challengers were not asked"


def _begun_and_ended(running, home: Path, requests: list[bytes]) -> str:
    done, begun = threading.Event(), 0
    outcomes: list[open_loop.Outcome] = []

    def ask() -> None:
        going_on = lambda: not done.is_set()  # noqa: E731
        rest = (RATE, 10 * TRIALS_SECONDS, CONNECTIONS, going_on)
        outcomes.extend(open_loop.drive(running.port, requests, *rest))

    asker = threading.Thread(target=ask)
    asker.start()
    began = time.monotonic()
    while time.monotonic() - began < TRIALS_SECONDS:
        for share in (0, CANARY, None):
            _try(running.url, home, share)
            begun += share is not None
            time.sleep(0.5)
    done.set()
    asker.join()
    failed = sum(one.status != 200 for one in outcomes)
    others = sum(one.version == "trial" for one in outcomes)
    return (
        f"{failed} of {len(outcomes):,} requests failed while {begun} trials began and ended for "
        f"each task; challengers answered {others}"
    )


def _try(url: str, home: Path, share: int | None) -> None:
    """Put each champion's own artifact on trial beside it, under another version; None: nobody."""
    for task in settings.TASKS:
        place = publish.folder(home) / f"{task}{publish.CHALLENGER}.json"
        if share is None:
            place.unlink(missing_ok=True)
        else:
            champion = publish.read_file(publish.folder(home) / f"{task}.json")
            pointer = replace(champion, version="trial", share=share)
            publish.write_whole(place, json.dumps(asdict(pointer)))
    wanted = [] if share is None else [share] * len(settings.TASKS)

    def known() -> bool:
        listed = httpx.get(f"{url}/v1/models").json()["on_trial"]
        return [one["share"] for one in listed] == wanted

    until(known, 30)


def _metric(url: str, name: str) -> float:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


def _requests(home: Path) -> list[bytes]:
    picture, words, history = raw(artifacts(home))
    made = []
    for number in range(64):
        text = json.dumps({"text": " ".join([str(number), *words])}).encode()
        series = json.dumps({"history": history}).encode()
        made += [
            open_loop.request("/v1/image", picture, "image/png"),
            open_loop.request("/v1/sentiment", text),
            open_loop.request("/v1/forecast", series),
        ]
    return made


STEPS: dict[str, Callable[[], Iterator[str]]] = {"verdicts": verdicts, "service": service}

if __name__ == "__main__":
    main(sys.argv[1:])
