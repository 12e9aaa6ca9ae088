"""What was decided, in Markdown, for MLflow's pages of a run and of a version."""

import re
from collections.abc import Sequence

from pipelines.promotion.ledger import Entry
from pipelines.reports import leaderboard

VERBS = {
    "promotion": "promoted",
    "force": "promoted by force",
    "rollback": "champion again",
    "refusal": "refused",
}
SIGNS = re.compile(r"([\\`*_{}\[\]<>#|~])")  # of Markdown


def decision(entry: Entry) -> str:
    """A decision of the ledger: what became of the version, why, and each check of the gate."""
    evidence = entry.evidence if isinstance(entry.evidence, dict) else {"checks": []}
    checks = [
        ("✓" if check["passed"] else "✗", check["name"], check["evidence"])
        for check in evidence["checks"]
    ]
    verdict = f"**Version {entry.to_version} {VERBS[entry.action]}**: {_plain(entry.reason or '')}"
    return f"{verdict}\n\n{_table(('', 'check', 'evidence'), checks)}"


def retraining(board: dict, verdict: str) -> str:
    """What a retraining came to.

    Args:
        board: of `pipelines.reports.leaderboard.compare`.
        verdict: the last decision in Markdown; empty where there was none.
    """
    rows = [
        (
            "★" if row.get("champion") else "first look" if row.get("look") else "",
            name,
            *(f"{row[split]['mean']:.4f}" for split in ("validation", "test")),
            f"{row['fit_seconds']:.1f}",
        )
        for name, row in [
            *leaderboard.named(leaderboard.shown(board)),
            *((rival["name"], rival) for rival in board["rivals"]),
        ]
    ]
    metric = board["metric"].replace("_", " ")
    head = ("", "architecture", f"{metric}, validation", "test", "fit s")
    more = "compare.html, under Artifacts, holds the whole comparison."
    return "\n\n".join(part for part in (verdict, _table(head, rows), more) if part)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_plain, line))} |" for line in lines)


def _plain(text: str) -> str:
    """A text that Markdown shows as it stands."""
    return SIGNS.sub(r"\\\1", " ".join(text.split()))
