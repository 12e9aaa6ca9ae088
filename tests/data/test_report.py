"""The report as text: complete, and told when it is torn."""

import pytest

from data import report
from data.errors import DataError

CHECK = {
    "expectation": "expect_column_values_to_be_in_set",
    "table": "texts",
    "column": "label",
    "rule": "labels are among bad, good",
    "severity": "critical",
    "done": None,
    "met": False,
    "failing": 2,
    "rows": 300,
    "observed": None,
    "examples": [{"label": "<script>", "id": 4}, {"label": "baad", "id": 7}],
}


@pytest.fixture
def refused() -> dict:
    check = CHECK | {"sentence": report.sentence(CHECK)}
    return {
        "dataset": "mine",
        "task": "sentiment",
        "success": False,
        "failed": [check],
        "notes": ["texts hold <br />: not so"],
        "checks": [check],
        "tables": {"texts": {"rows": 300, "values": [{"column": "words", "median": 12.5}]}},
    }


def test_a_refusal_names_expectation_column_rows_and_examples(refused):
    told = report.text(refused)
    assert "expectations not met: 1 of 1" in told
    assert "labels are among bad, good: not so for 2 of 300 texts" in told
    assert "expect_column_values_to_be_in_set on texts.label" in told
    assert "for example id 7, label 'baad'" in told
    assert "data/reports/mine/validation.html" in told


def test_a_check_of_a_whole_table_tells_what_was_observed():
    check = CHECK | {"failing": None, "observed": 12, "rule": "there are at least 50 texts"}
    assert report.sentence(check) == "there are at least 50 texts: not so, observed 12"


def test_a_torn_report_is_told(tmp_path, monkeypatch, refused):
    monkeypatch.chdir(tmp_path)
    report.path("mine").parent.mkdir(parents=True)
    report.path("mine").write_text('{"success": tr')
    with pytest.raises(DataError, match="cannot be read"):
        report.read("mine")
