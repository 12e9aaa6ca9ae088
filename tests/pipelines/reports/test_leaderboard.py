"""What a leaderboard calls its rows, and which of very many it shows."""

from dataclasses import replace

import pytest
from recorded import DIGITS, classified, finished, fit

from pipelines.reports import leaderboard


def row(arch: str, score: float = 0.9, **changes) -> dict:
    parameters = changes.pop("parameters", {"epochs": 1})
    interval = {"mean": score, "low": score - 0.01, "high": score + 0.01}
    return {
        "arch": arch,
        "dataset_hash": "0123456789abcdef.dir",
        "rescored": False,
        "profile": "quick",
        "code": "c0ffee00" * 8,
        "look": False,
        "refit": False,
        "measures": {},
        "share": 1.0,
        "seeds": 1,
        "validation": interval,
        "test": interval,
        "parameters": parameters,
        "parameter_count": 10,
        "fit_seconds": 1.0,
        "latency_ms": 0.1,
        "champion": False,
        "pareto": False,
        "runs": [],
    } | changes


def board(*rows: dict, rivals=()) -> dict:
    """A board of the image task with these rows, which come best first."""
    return {
        "task": "image",
        "dataset": "digits",
        "dataset_hash": "0123456789abcdef.dir",
        "metric": "accuracy",
        "higher_is_better": True,
        "floor": {"name": "always 0", "test": 0.1},
        "champion": None,
        "rows": list(rows),
        "rivals": list(rivals),
        "failures": [],
    }


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        (
            [row("cnn"), row("ann", parameters={"units": 8}), row("ann", parameters={"units": 16})],
            ["cnn", "ann units=8", "ann units=16"],
        ),
        ([row("cnn"), row("cnn", profile="best")], ["cnn (quick)", "cnn (best)"]),
        (
            [row("cnn"), row("cnn", code="0" * 64), row("cnn", code="")],
            [f"cnn (quick) ({one})" for one in ("code c0ffee00", "code 00000000", "older code")],
        ),
        (  # the champion before the data changed, beside the same architecture on today's
            [row("cnn"), row("cnn", rescored=True, dataset_hash="fedcba9876543210.dir")],
            ["cnn", "cnn of data fedcba98"],
        ),
        (  # older code did not have each parameter
            [
                row("cnn", parameters={"epochs": 1, "clip": 0.5}),
                row("cnn", parameters={"epochs": 2}),
            ],
            ["cnn epochs=1", "cnn epochs=2"],
        ),
    ],
)
def test_an_architecture_is_named_with_what_tells_its_rows_apart(rows, names):
    assert leaderboard.named(rows) == list(zip(names, rows, strict=True))


def test_fits_of_two_versions_of_the_code_are_two_rows(home, tmp_path):
    for seed, code in enumerate(["old", "new", "new"]):
        planned = replace(fit(seed=seed), code=code)
        finished(planned, tmp_path / str(seed), rows=classified(0.9, ["a", "b"], seed))
    rows = leaderboard.compare(DIGITS)["rows"]
    assert sorted((row["code"], row["seeds"]) for row in rows) == [("new", 2), ("old", 1)]


def test_of_very_many_rows_the_best_are_shown_and_those_that_stand_for_others(capsys):
    searched = [row("cnn", 0.9 - n / 1000, parameters={"units": n}) for n in range(200)]
    searched[150]["champion"] = True
    last = row("ann", 0.2)
    look = row("lstm", 0.1, look=True, share=0.2)
    many = board(*searched, last, look)
    shown = leaderboard.shown(many)
    assert len(shown) == leaderboard.SHOWN
    assert shown == [*searched[: leaderboard.SHOWN - 2], searched[150], last]
    leaderboard.show(many)
    printed = capsys.readouterr().out
    assert "and 162 more, in --json" in printed
    assert "★ cnn units=150" in printed
    assert "units=100 " not in printed


def test_few_rows_are_all_shown_in_eighty_columns(capsys):
    wide = row("ann_batchnorm", profile="quick", seeds=3, parameter_count=9_235_146)
    few = board(wide | {"fit_seconds": 123.4, "latency_ms": 12.345}, row("ann", look=True))
    assert leaderboard.shown(few) == few["rows"]
    leaderboard.show(few)
    printed = capsys.readouterr().out
    assert "more, in --json" not in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_a_mark_says_how_a_row_does_beside_the_champion():
    outcomes = {"cnn": "better", "lstm": "worse", "ann": "cannot tell"}
    rows = [row(arch, verdict={"outcome": outcome}) for arch, outcome in outcomes.items()]
    rows[0]["version"], best = "12", row("deep_cnn", champion=True, verdict=None, version="3")
    table = leaderboard.table(board(best, *rows))
    assert list(table.columns[0].cells) == ["★ v3 deep_cnn", "▲ v12 cnn", "▼ lstm", "= ann"]
