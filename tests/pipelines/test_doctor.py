from pipelines.commands import doctor


def test_a_healthy_place_has_nothing_to_mend(home):
    found = doctor.findings()
    assert [finding for finding in found if finding["mend"]] == []
    states = {finding["what"]: finding["state"] for finding in found}
    assert states["backend"].startswith("tensorflow on ")
    assert "tensorflow 2.21" in states["tools"]
    assert states["DVC remote"].startswith("local")


def test_what_is_wrong_is_named_with_its_remedy(home, monkeypatch):
    wrong = {
        "MLflow": ("MLFLOW_TRACKING_URI", "http://127.0.0.1:9"),
        "Prefect": ("PREFECT_API_URL", "http://127.0.0.1:9/api"),
        "telemetry": ("MLFLOW_DISABLE_TELEMETRY", "false"),
        "backend": ("KERAS_BACKEND", "abacus"),
    }
    for variable, value in wrong.values():
        monkeypatch.setenv(variable, value)
    published = home / "published"
    published.mkdir()
    (published / "image.json").write_text(
        '{"name": "espalier-image-digits", "version": "1", "artifact": "artifacts/0", '
        '"manifest_sha256": "0"}'
    )
    mended = {finding["what"]: finding["mend"] for finding in doctor.findings() if finding["mend"]}
    assert set(mended) == {*wrong, "champions"}
    for what, (variable, _) in wrong.items():
        assert variable in mended[what]
    assert "espalier run" in mended["champions"]


def test_the_state_database_is_named_also_when_it_is_away(home, monkeypatch):
    assert doctor._database().state == f"sqlite:///{home / 'espalier.db'}"
    monkeypatch.setenv("ESPALIER_DATABASE_URL", "postgresql+psycopg2://127.0.0.1:9/none")
    assert "ESPALIER_DATABASE_URL" in doctor._database().mend
