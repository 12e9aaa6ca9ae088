"""The margin is measured from the last champion that was promoted for being better."""

import entries
import pytest

from pipelines.promotion import anchor, ledger

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
def test_it_is_the_last_that_was_better(chain, champion, expected):
    assert anchor.of(chain, champion) == expected
