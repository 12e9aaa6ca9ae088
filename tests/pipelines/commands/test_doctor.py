import pytest

from pipelines.commands import doctor


def test_a_healthy_place_has_nothing_to_mend(home):
    findings = doctor.findings(["MLFLOW_RUN_ID"])
    assert [finding for finding in findings if finding["mend"]] == []
    states = {finding["what"]: finding["state"] for finding in findings}
    assert states["backend"].startswith("tensorflow on ")
    assert "tensorflow 2.21" in states["tools"]
    assert states["DVC remote"].startswith("local")
    assert states["state database"] == f"sqlite:///{home / 'espalier.db'}"
    assert "MLFLOW_RUN_ID" in states["variables"]  # set aside


@pytest.fixture
def damaged(home):
    """A home whose published champion has no artifact."""
    (home / "published").mkdir()
    (home / "published" / "image.json").write_text(
        '{"name": "espalier-image-digits", "version": "1", "artifact": "artifacts/0", '
        '"manifest_sha256": "0"}'
    )


def test_what_is_wrong_is_named_with_its_remedy(damaged, monkeypatch):
    wrong = {
        "MLflow": ("MLFLOW_TRACKING_URI", "http://127.0.0.1:9"),
        "Prefect": ("PREFECT_API_URL", "http://127.0.0.1:9/api"),
        "telemetry": ("MLFLOW_DISABLE_TELEMETRY", "false"),
        "backend": ("KERAS_BACKEND", "abacus"),
        "variables": ("KERAS_BACKEND", "abacus"),
        "state database": ("ESPALIER_DATABASE_URL", "postgresql+psycopg2://127.0.0.1:9/none"),
    }
    for variable, value in wrong.values():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("PATH", "")  # as if neither git nor dvc were installed
    remedies = {one["what"]: one["mend"] for one in doctor.findings() if one["mend"]}
    assert set(remedies) == {*wrong, "champions", "git"}
    for what, (variable, _) in wrong.items():
        assert variable in remedies[what]
    assert "espalier run" in remedies["champions"]
