"""What a leaderboard calls its rows, and which of very many it shows."""

from pipelines.reports import leaderboard


def row(arch: str, score: float = 0.9, **changes) -> dict:
    parameters = changes.pop("parameters", {"epochs": 1})
    interval = {"mean": score, "low": score - 0.01, "high": score + 0.01}
    return {
        "arch": arch,
        "profile": "quick",
        "look": False,
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


def test_an_architecture_is_named_with_what_tells_its_rows_apart():
    rows = [
        row("cnn"),
        row("ann", parameters={"units": 8, "epochs": 1}),
        row("ann", parameters={"units": 16, "epochs": 1}),
    ]
    assert leaderboard.names(rows) == ["cnn", "ann units=8", "ann units=16"]


def test_where_no_parameter_does_the_profile_tells_rows_apart():
    rows = [row("cnn"), row("cnn", profile="best"), row("ann")]
    assert leaderboard.names(rows) == ["cnn (quick)", "cnn (best)", "ann"]


def test_a_parameter_that_older_code_did_not_have_tells_nothing():
    rows = [row("cnn", parameters={"epochs": 1, "clip": 0.5}), row("cnn", parameters={"epochs": 2})]
    assert leaderboard.names(rows) == ["cnn epochs=1", "cnn epochs=2"]


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


def test_few_rows_are_all_shown(capsys):
    few = board(row("cnn"), row("ann", look=True))
    assert leaderboard.shown(few) == few["rows"]
    leaderboard.show(few)
    assert "more, in --json" not in capsys.readouterr().out


def test_a_mark_says_how_a_row_does_beside_the_champion():
    outcomes = {"cnn": "better", "lstm": "worse", "ann": "cannot tell"}
    rows = [row(arch, verdict={"outcome": outcome}) for arch, outcome in outcomes.items()]
    table = leaderboard.table(board(row("deep_cnn", champion=True, verdict=None), *rows))
    assert list(table.columns[0].cells) == ["★ deep_cnn", "▲ cnn", "▼ lstm", "= ann"]


def test_a_table_fits_into_eighty_columns(capsys):
    wide = row("ann_batchnorm", profile="quick", seeds=3, parameter_count=9_235_146)
    leaderboard.show(board(wide | {"fit_seconds": 123.4, "latency_ms": 12.345}))
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
