import pytest

from pipelines import doctor


def _found(what: str) -> dict:
    return next(finding for finding in doctor.findings() if finding["what"] == what)


def test_a_healthy_place_has_nothing_to_mend(home):
    found = doctor.findings()
    assert [finding for finding in found if finding["mend"]] == []
    states = {finding["what"]: finding["state"] for finding in found}
    assert states["backend"].startswith("tensorflow on ")
    assert "tensorflow 2.21" in states["tools"]
    assert states["DVC remote"].startswith("local")


@pytest.mark.parametrize(
    ("variable", "value", "what"),
    [
        ("MLFLOW_TRACKING_URI", "http://127.0.0.1:9", "MLflow"),
        ("PREFECT_API_URL", "http://127.0.0.1:9/api", "Prefect"),
        ("MLFLOW_DISABLE_TELEMETRY", "false", "telemetry"),
        ("KERAS_BACKEND", "abacus", "backend"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(home, monkeypatch, variable, value, what):
    monkeypatch.setenv(variable, value)
    assert variable in _found(what)["mend"]


def test_a_damaged_champion_is_named(home):
    published = home / "published"
    published.mkdir()
    (published / "image.json").write_text(
        '{"name": "espalier-image-digits", "version": "1", "artifact": "artifacts/0", '
        '"manifest_sha256": "0"}'
    )
    assert "espalier run" in _found("champions")["mend"]


def test_the_state_database_is_named_also_when_it_is_away(home, monkeypatch):
    assert doctor._database().state == f"sqlite:///{home / 'espalier.db'}"
    monkeypatch.setenv("ESPALIER_DATABASE_URL", "postgresql+psycopg2://127.0.0.1:9/none")
    assert "ESPALIER_DATABASE_URL" in doctor._database().mend
