from serving import settings


def test_a_bento_serves_the_champions_that_it_carries(tmp_path, monkeypatch):
    monkeypatch.delenv("ESPALIER_TASKS", raising=False)
    monkeypatch.setattr(settings, "BESIDE", tmp_path)
    assert settings.wanted_tasks() == ("image", "sentiment", "forecast")
    (tmp_path / "forecast.json").write_text("{}")
    assert settings.wanted_tasks() == ("forecast",)
    monkeypatch.setenv("ESPALIER_TASKS", "image")
    assert settings.wanted_tasks() == ("image",)
