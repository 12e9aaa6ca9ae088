"""What was decided, in Markdown without tables, for the pages of MLflow and Prefect."""

from collections.abc import Collection

from pipelines.promotion.ledger import Entry
from pipelines.reports import leaderboard
from pipelines.reports.card import plain
from pipelines.runtime import console

VERBS = {
    "promotion": "promoted",
    "force": "promoted by force",
    "rollback": "champion again",
    "refusal": "refused",
    "awaiting": "waits for a person",
    "shadow": "on trial, shadowing",
    "canary": "on trial, as a canary",
    "withdrawal": "taken back",
}


def decision(entry: Entry) -> str:
    """A decision of the ledger: what became of the version, why, and each check of the gate."""
    evidence = entry.evidence if isinstance(entry.evidence, dict) else {"checks": []}
    verdict = f"**Version {entry.to_version} {VERBS[entry.action]}**: {plain(entry.reason or '')}"
    checks = [
        f"- {'✓' if check['passed'] else '✗'} {plain(check['name'])}: {plain(check['evidence'])}"
        for check in evidence["checks"]
    ]
    return "\n".join([verdict, "", *checks])


def retraining(board: dict, verdict: str, left_out: Collection[str] = ()) -> str:
    """What a retraining came to.

    Args:
        board: of `pipelines.reports.leaderboard.compare`.
        verdict: the last decision in Markdown; empty where there was none.
        left_out: the fits for which a budget was too small.
    """
    fits = leaderboard.named(leaderboard.shown(board))
    rivals = [(rival["name"], rival) for rival in board["rivals"]]
    metric = board["metric"].replace("_", " ")
    rows = [
        f"- {'★ ' if row.get('champion') else ''}{plain(name)}"
        f"{' (first look)' if row.get('look') else ''}: {metric} "
        f"{console.figure(row['validation']['mean'])} on validation, "
        f"{console.figure(row['test']['mean'])} on test"
        for name, row in [*fits, *rivals]
    ]
    more = "compare.html, an artifact of the run in MLflow, holds the whole comparison."
    less = [f"The budget left out: {plain('; '.join(left_out))}.", ""] if left_out else []
    return "\n".join([verdict, "", "**Leaderboard**", "", *rows, "", *less, more])
