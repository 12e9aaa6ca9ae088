"""What the decisions on record mean for the next one."""

import entries
import pytest
from recorded import HASH

from pipelines.gate import spending
from pipelines.promotion import history, ledger

MODEL = "espalier-image-digits"
RULES = {"alpha": 0.05}


def promote(version: str, over: str | None, difference: float, p: float = 0.5, **facts) -> None:
    check = {"name": "champion", "passed": True, "evidence": "", "difference": difference, "p": p}
    evidence = {"rules": RULES, "checks": [check | facts] if over else []}
    entries.append(MODEL, to_version=version, from_version=over, evidence=evidence)


@pytest.fixture
def chain(home) -> list[ledger.Entry]:
    """The first champion; two cheaper ones; a better one; a cheaper one; a rollback."""
    promote("1", None, 0.0)
    promote("2", "1", -0.001, outcome="cannot tell")
    entries.append(MODEL, "refusal", "3", from_version="2")
    promote("4", "2", 0.002)  # of before: without an outcome
    promote("5", "4", 0.01, p=0.001)
    promote("6", "5", -0.002, outcome="cannot tell")
    entries.append(MODEL, "rollback", "4", from_version="6")
    entries.append(MODEL, "force", "7", from_version="4", evidence={"rules": RULES, "checks": []})
    return ledger.entries(MODEL)


@pytest.mark.parametrize(
    ("champion", "expected"),
    [("1", "1"), ("2", "1"), ("4", "1"), ("5", "5"), ("6", "5"), ("7", "7"), ("9", "9")],
)
def test_the_anchor_is_the_last_that_was_better(chain, champion, expected):
    assert history.anchor(chain, champion) == expected


def test_decisions_beside_a_champion_count_by_the_part_of_the_rows_that_they_share(home):
    """Also those of other versions of the data; older entries say only which version it was."""
    other = "fedcba9876543210.dir"
    split = [f"row {number}" for number in range(100)]
    compared = {"name": "champion", "passed": False, "evidence": "", "p": 0.5}

    def decide(checks: list[dict], test_rows=None, **changes) -> None:
        evidence = {"rules": {}, "checks": checks, "test_rows": test_rows}
        entries.append(MODEL, "refusal", evidence=evidence, **changes)

    decide([], spending.sketch(split))  # no champion was there
    decide([compared], spending.sketch(split[:50]), dataset_hash=other)
    decide([compared], spending.sketch(split))
    decide([compared])
    decide([compared], dataset_hash=other)
    counted = history.decisions_by(spending.sketch(split), ledger.entries(MODEL), HASH)
    assert counted == 2.5
