from serving import settings


def test_an_empty_home_is_none(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for said in ("", "state"):
        monkeypatch.setenv("ESPALIER_HOME", said)
        assert settings.home() == tmp_path / (said or ".espalier")


def test_a_bento_serves_the_champions_that_it_carries(tmp_path, monkeypatch):
    monkeypatch.delenv("ESPALIER_TASKS", raising=False)
    monkeypatch.setattr(settings, "BESIDE", tmp_path)
    assert settings.wanted_tasks() == ("image", "sentiment", "forecast")
    (tmp_path / "forecast.json").write_text("{}")
    assert settings.wanted_tasks() == ("forecast",)
    monkeypatch.setenv("ESPALIER_TASKS", "image")
    assert settings.wanted_tasks() == ("image",)
