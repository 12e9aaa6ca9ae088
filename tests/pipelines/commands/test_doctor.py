from pipelines.commands import doctor


def test_a_healthy_place_has_nothing_to_mend(home):
    findings = doctor.findings()
    assert [finding for finding in findings if finding["mend"]] == []
    states = {finding["what"]: finding["state"] for finding in findings}
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
    assert set(mended) == {*wrong, "champions", "variables"}
    for what, (variable, _) in wrong.items():
        assert variable in mended[what]
    assert "espalier run" in mended["champions"]


def test_what_is_set_aside_or_unusable_is_shown(home, monkeypatch):
    states = {finding["what"]: finding for finding in doctor.findings(["MLFLOW_RUN_ID"])}
    assert "MLFLOW_RUN_ID" in states["variables"]["state"]
    assert not states["variables"]["mend"]
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert "KERAS_BACKEND" in doctor._variables([]).mend


def test_the_state_database_is_named_also_when_it_is_away(home, monkeypatch):
    assert doctor._database().state == f"sqlite:///{home / 'espalier.db'}"
    monkeypatch.setenv("ESPALIER_DATABASE_URL", "postgresql+psycopg2://127.0.0.1:9/none")
    assert "ESPALIER_DATABASE_URL" in doctor._database().mend
