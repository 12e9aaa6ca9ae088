"""The verdict on a challenger on trial, from records as the services write them."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import entries
import numpy as np
import orjson
import pytest
from candidates import RULES, candidate, evaluation, hits
from recorded import HASH

from pipelines.experiments import registry
from pipelines.experiments.dataset import DatasetVersion
from pipelines.monitoring import feedback, trial
from pipelines.monitoring.trial_counts import Counts
from pipelines.promotion import contender, decision, ledger
from pipelines.promotion.decision import Terms
from pipelines.runtime import environment

TASK, DATASET, MODEL = "image", "mnist_5k", "espalier-image-mnist_5k"
DIFFERING = {"differ": 40, "rows": 1000}
WEEK = timedelta(days=7)


def began(share: int = 0, differing: dict | None = DIFFERING) -> ledger.Entry:
    evidence = {"checks": [], "rules": {}, "share": share, "days": 7, "differing": differing}
    entries.append(MODEL, "promotion", "1")
    action = "canary" if share else "shadow"
    return entries.append(MODEL, action, "2", from_version="1", evidence=evidence)


def answer(version: str, right: bool = True, **more) -> dict:
    label = ["7" if right else "1"]
    return {"model": MODEL, "version": version, "status": 200, "label": label} | more


def record(entry: ledger.Entry, number: int, *answers: dict) -> dict:
    """The record of a request with one answer or two."""
    time = int(datetime.fromisoformat(entry.at).timestamp() * 1e6) + number + 1
    more = {"challenger": answers[1]} if len(answers) > 1 else {}
    return {"time": time, "request_id": f"r{number}", "task": TASK} | answers[0] | more


def shadowed(entry, champion, challenger) -> list[dict]:
    """Records of requests that both answered; each right or wrong, bool (request,)."""
    return [
        record(entry, number, answer("1", bool(one)), answer("2", bool(other)))
        for number, (one, other) in enumerate(zip(champion, challenger, strict=True))
    ]


def judged(records, labels=None, now=None) -> trial.Trial:
    """The verdict on a log of these records, and on labels of the same form as `by_request`'s."""
    for folder, lines in (("requests", records), ("labels", came(records, labels or {}))):
        place = environment.home() / folder
        place.mkdir(exist_ok=True)
        (place / "1.jsonl").write_bytes(b"\n".join(map(orjson.dumps, lines)) + b"\n{torn")
    return trial.judge(TASK, DATASET, feedback.answers(feedback.stored(), [TASK]), now)


EVERYTHING = "7"  # is the label of every request


def came(records, labels) -> Iterator[dict]:
    if labels == EVERYTHING:
        labels = {record["request_id"]: EVERYTHING for record in records}
    for request, label in labels.items():
        one = {"time": 1, "request_id": request}
        match label:
            case [str(), *_]:
                yield from (
                    one | {"index": place, "label": word} for place, word in enumerate(label)
                )
            case [*_]:
                yield one | {"values": label}
            case _:
                yield one | {"label": label}


def drawn(*accuracies: float, count: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.random(count) < accuracy for accuracy in accuracies]


def test_nobody_is_judged_where_nobody_is_on_trial(home):
    assert judged([]) is None
    entries.append(MODEL, "promotion", "1")
    assert judged([]) is None


def test_one_error_ends_it_whatever_the_labels_say(home):
    entry = began()
    good = shadowed(entry, *drawn(0.9, 1.0, count=300))
    failed = {"model": MODEL, "version": "2", "status": 500, "error": "internal_error"}
    one = judged([*good, record(entry, 900, answer("1"), failed)], EVERYTHING)
    assert (one.verdict, one.counts.failed) == ("withdraw", ["internal_error"])
    assert "internal_error, 1 times" in one.reason


def test_a_worker_that_found_a_canary_too_slow_is_believed(home):
    entry = began(10)
    slow = {"model": MODEL, "version": "2", "status": 503, "error": "too_slow"}
    assert judged([record(entry, 0, answer("2"), slow)]).verdict == "withdraw"


def test_an_error_that_both_make_is_the_clients(home):
    entry = began()
    wrong = {"model": MODEL, "version": "1", "status": 422, "error": "too_long"}
    one = judged([record(entry, 0, wrong)] * 50)
    assert (one.verdict, one.counts.answered) == ("continue", 0)


def test_labels_take_back_a_worse_shadow_and_promote_a_better_one(home):
    entry = began()
    champion, worse, better = drawn(0.90, 0.80, 0.99, count=1000)
    one = judged(shadowed(entry, champion, worse), EVERYTHING)
    assert one.verdict == "withdraw"
    assert "worse by what came back" in one.reason
    other = judged(shadowed(entry, champion, better), EVERYTHING)
    assert (other.verdict, other.evidence["better"] >= 20) == ("promote", True)
    told = other.to_dict()
    assert told["counts"]["labelled"] == {"both": 1000, "challenger": 0, "champion": 0}
    assert told["counts"]["better"] + told["counts"]["worse"] + told["counts"]["same"] == 1000


def test_without_labels_a_shadow_that_differs_as_on_the_test_split_goes_on(home):
    entry = began()
    champion, challenger = drawn(0.98, 0.98, count=3000)
    one = judged(shadowed(entry, champion, challenger))
    assert one.verdict == "continue"
    assert one.predicted == pytest.approx(0.115, abs=0.01)
    champion, challenger = drawn(1.0, 0.8, count=500)
    one = judged(shadowed(entry, champion, challenger))
    assert one.verdict == "withdraw"
    assert "test split predicts" in one.reason


def test_disagreement_says_nothing_against_a_challenger_that_labels_prove_better(home):
    entry = began(differing={"differ": 0, "rows": 1000})
    one = judged(shadowed(entry, *drawn(0.5, 0.99, count=500)), EVERYTHING)
    assert one.evidence["differing"] > 20
    assert one.verdict == "promote"


def alone(entry, share: int, champion: float, challenger: float, count: int, seed=0) -> list[dict]:
    """Records of requests that one of the two answered, `count` of them the challenger."""
    rng = np.random.default_rng(seed)
    records = []
    while count:
        by_challenger = rng.random() < share / 100
        right = rng.random() < (challenger if by_challenger else champion)
        records.append(record(entry, len(records), answer("2" if by_challenger else "1", right)))
        count -= by_challenger
    return records


def test_a_canary_is_judged_by_what_each_alone_answered(home):
    entry = began(10)
    worse = judged(alone(entry, 10, 0.98, 0.90, 1000), EVERYTHING)
    assert worse.verdict == "withdraw"
    assert "wrong" in worse.reason
    better = judged(alone(entry, 10, 0.80, 0.95, 1000), EVERYTHING)
    assert better.verdict == "promote"
    same = judged(alone(entry, 10, 0.95, 0.95, 1000), EVERYTHING)
    assert (same.verdict, same.counts.answered) == ("continue", 1000)


def test_a_session_that_the_challenger_got_whole_does_not_count_against_it(home):
    """Half of all requests came from one session: of them only so many are set beside others."""
    entry = began(10)
    records = alone(entry, 10, 0.8, 0.8, 100)
    rng = np.random.default_rng(1)
    more = [
        record(entry, 10_000 + number, answer("2", rng.random() < 0.8)) for number in range(1000)
    ]
    one = judged([*records, *more], EVERYTHING)
    assert sum(one.counts.ours) > sum(one.counts.theirs)
    assert one.verdict == "continue"


def test_the_limit_of_time_promotes_what_was_tried_and_takes_back_what_was_not(home):
    entry = began()
    over = datetime.fromisoformat(entry.at) + WEEK
    enough = shadowed(entry, *drawn(0.98, 0.98, count=trial.LEAST))
    assert judged(enough, now=over - timedelta(seconds=1)).verdict == "continue"
    assert judged(enough, now=over).verdict == "promote"
    few = judged(enough[:-1], now=over)
    assert (few.verdict, few.counts.answered) == ("withdraw", trial.LEAST - 1)


def test_a_home_that_heard_nothing_of_the_model_gives_no_verdict(home):
    entry = began()
    over = datetime.fromisoformat(entry.at) + WEEK
    [other] = shadowed(entry, [True], [True])
    one = judged([other | {"model": "espalier-image-digits"}], now=over)
    assert one.verdict == "continue"
    assert str(home) in one.reason
    assert "espalier rollback --challenger" in one.reason
    assert judged([other], now=over).verdict == "withdraw"


def test_what_is_not_of_the_trial_does_not_count(home):
    entry = began()
    [one] = shadowed(entry, [True], [False])
    others = [
        one | {"time": one["time"] - 10_000_000},  # before it
        one | {"model": "espalier-image-digits"},
        one | {"version": "9", "challenger": answer("8")},
    ]
    assert judged(others, EVERYTHING).counts == Counts(seen=1)


def test_of_a_request_id_that_comes_again_the_newest_answer_is_labelled(home):
    entry = began()
    [one] = shadowed(entry, [True], [False])
    again = one | {"time": one["time"] + 1, "label": ["1"], "challenger": answer("2", right=True)}
    elsewhere = one | {"time": one["time"] + 2, "model": "espalier-image-digits"}
    refused = one | {"time": one["time"] + 3, "status": 422, "error": "too_long"}
    assert judged([again, refused, one], EVERYTHING).counts.better == 1
    assert judged([again, refused, one], EVERYTHING).counts.worse == 0
    counts = judged([again, elsewhere, one], EVERYTHING).counts  # it is of another model now
    assert (counts.both, counts.better, counts.worse) == (2, 0, 0)


def test_forecasts_are_compared_by_their_errors_and_differ_beyond_a_distance(home):
    entry = began(differing={"differ": 10, "rows": 1000, "beyond": 2.0})

    def forecast(version: str, value: float) -> dict:
        of = {"model": MODEL, "version": version, "status": 200, "horizon": 2}
        return of | {"forecast": [value, value], "forecast_mean": value}

    pairs = [record(entry, n, forecast("1", 5.0), forecast("2", 8.0)) for n in range(100)]
    one = judged(pairs, {f"r{n}": [5.5, 5.5] for n in range(100)})
    assert (one.counts.worse, one.counts.differing) == (100, 100)
    near = [record(entry, n, forecast("1", 5.0), forecast("2", 6.0)) for n in range(100)]
    one = judged(near, {f"r{n}": [7.0, 7.0] for n in range(100)})
    assert (one.counts.better, one.counts.differing) == (100, 0)
    assert one.verdict == "promote"


def test_labels_of_another_kind_and_values_that_did_not_come_are_left_out(home):
    entry = began()
    forecasts = [
        {"model": MODEL, "version": version, "status": 200, "forecast": [value, value, value]}
        for version, value in (("1", 100.0), ("2", 101.0))
    ]
    pair = [record(entry, 0, *forecasts)]
    assert judged(pair, {"r0": [101.5, None, 99]}).counts.same == 1  # both are off by 1.25
    assert judged(pair, {"r0": [102.5, None, None]}).counts.better == 1
    for label in ("7", ["7"], [None, None, None]):
        assert judged(pair, {"r0": label}).counts == Counts(seen=1, answered=1, both=1)
    [classes] = shadowed(entry, [True], [False])
    assert judged([classes], {"r0": [101.5]}).counts.same == 0


def test_looking_after_every_request_takes_an_equal_one_back_in_one_of_twenty_at_most():
    """By chance alone, in 300 trials of 1,000 requests on which the two differ."""
    rng, of, taken = np.random.default_rng(0), np.arange(1, 1001), 0
    for _ in range(300):
        worse = np.cumsum(rng.random(1000) < 0.5)
        taken += (trial.capital(worse, of - worse, 0.5) >= 1 / trial.ALPHA).any()
    assert taken <= 15


@pytest.mark.parametrize("verdict", ["promote", "withdraw", "continue"])
def test_a_verdict_is_made_true_and_stays_on_record(home, tmp_path, verdict):
    version = DatasetVersion(TASK, DATASET, HASH)
    for seed, terms in ((0, None), (1, Terms())):
        made = candidate(tmp_path, hits(0.9), seed=seed, dataset=DATASET)
        standing = contender.current_champion(TASK, DATASET)
        decision.decide(evaluation(decision.enter(version, made, RULES), standing), terms=terms)
    entry = ledger.entries(MODEL)[-1]
    accuracy = {"promote": 1.0, "withdraw": 0.5, "continue": 0.9}[verdict]
    one = judged(shadowed(entry, *drawn(0.9, accuracy, count=400)), EVERYTHING)
    assert one.verdict == verdict
    ended = trial.end(one)
    champion = registry.champion(TASK, DATASET).version
    if ended is None:
        assert (verdict, champion) == ("continue", "1")
        return
    assert (ended.action, champion) == (
        ("promotion", "2") if verdict == "promote" else ("withdrawal", "1")
    )
    assert ended.evidence["trial"]["counts"]["both"] == 400
    assert ended.reason == one.reason
    with pytest.raises(ledger.LedgerMovedError):  # a second monitor, that judged before
        trial.end(one)
