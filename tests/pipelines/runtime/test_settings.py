import pytest
import yaml

from models import architectures
from pipelines.runtime import environment, settings


def test_each_task_has_a_served_dataset_of_its_own_kind():
    assert set(settings.served()) == set(settings.TASKS)
    for task, datasets in settings.served().items():
        assert {settings.task_of(dataset) for dataset in datasets} == {task}


def test_the_served_dataset_is_the_default():
    assert settings.dataset_of("image", None) == settings.served()["image"][0]


@pytest.mark.parametrize(
    ("call", "near"),
    [
        (lambda: settings.dataset_of("imagery", None), "image"),
        (lambda: settings.dataset_of("sentimnt", "imdb"), "sentiment"),
        (lambda: settings.dataset_of("image", "digit"), "digits"),
        (lambda: settings.task_of("imbd"), "imdb"),
        (lambda: settings.overrides("quik", "image", "cnn", "digits"), "quick"),
    ],
)
def test_an_unknown_name_is_told_the_nearest(call, near):
    with pytest.raises(settings.UsageError, match=f"did you mean '{near}'"):
        call()


def test_a_dataset_of_another_task_is_refused():
    with pytest.raises(settings.UsageError, match="one for sentiment, not for image"):
        settings.dataset_of("image", "imdb")


@pytest.mark.parametrize(
    ("said", "units"),
    [
        ({"all": {"all": {"units": 1}}}, 1),
        ({"all": {"all": {"units": 1}, "digits": {"units": 2}}}, 2),
        ({"all": {"digits": {"units": 2}}, "cnn": {"all": {"units": 3}}}, 3),
        ({"cnn": {"all": {"units": 3}, "digits": {"units": 4}}}, 4),
        ({"ann": {"all": {"units": 5}}, "cnn": {"mnist": {"units": 6}}}, None),
    ],
)
def test_the_more_particular_goes_over_the_more_general(monkeypatch, said, units):
    monkeypatch.setattr(settings, "_read", lambda: {"profiles": {"own": {"image": said}}})
    assert settings.overrides("own", "image", "cnn", "digits").get("units") == units


SERVE = {"image": "digits", "sentiment": "imdb", "forecast": "glucose"}


def test_a_task_may_serve_several_datasets(monkeypatch):
    datasets: dict[str, dict] = {"digits": {}, "mnist": {}, "imdb": {}, "glucose": {}}
    serve = SERVE | {"image": ["mnist", "digits"]}
    monkeypatch.setattr(settings, "_read", lambda: {"datasets": datasets, "serve": serve})
    assert settings.served()["image"] == ["mnist", "digits"]
    assert settings.served()["sentiment"] == ["imdb"]
    assert list(settings.endpoints()) == ["image", "image-digits", "sentiment", "forecast"]
    assert settings.dataset_of("image", None) == "mnist"
    assert [settings.endpoint("image", name) for name in ("mnist", "digits", "x")] == [
        "image",
        "image-digits",
        None,
    ]


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"serve": {"image": "digits", "sentiment": "imdb"}},
            r"serve in params\.yaml lacks forecast",
        ),
        ({"serve": SERVE | {"image": "digit"}}, "'digits'"),
        ({"serve": SERVE | {"image": ["digits", "digit"]}}, "'digits'"),
        ({"serve": SERVE | {"image": []}}, r"serve\.image .* is \[\], expected a dataset"),
        ({"serve": SERVE | {"image": ["digits", "digits"]}}, "expected .* different ones"),
        ({"serve": SERVE | {"image": 3}}, r"serve\.image .* is 3"),
        ({"serve": SERVE | {"image": "imdb"}}, "serve.image .* names 'imdb', one for sentiment"),
        ({"profiles": {"quick": {"imge": {}}}}, "unknown key 'imge'"),
        ({"profiles": {"quick": {"image": {"cnn": {"epochs": 3}}}}}, r"image\.cnn\.epochs .* is 3"),
        ({"profiles": {"quick": {"first_look": {"image": {"share": 2}}}}}, r"share .* is 2"),
    ],
)
def test_a_wrong_section_is_told_by_key(monkeypatch, sections, message):
    datasets = {"digits": {}, "imdb": {"task": "sentiment"}, "glucose": {}}
    monkeypatch.setattr(settings, "_read", lambda: {"datasets": datasets, **sections})
    read = settings.served if "serve" in sections else lambda: settings.profile("quick")
    with pytest.raises(settings.UsageError, match=message):
        read()


def test_a_dataset_s_rules_of_retraining_go_over_those_of_all(monkeypatch):
    said = {"all": {"cooldown": "2h", "rows": 7}, "digits": {"rows": 9}}
    monkeypatch.setattr(settings, "_read", lambda: {"retrain": said})
    assert settings.retrain("digits").model_dump() == {
        "cooldown": "2h",
        "share": 0.1,
        "oldest": "90d",
        "rows": 9,
    }
    assert settings.retrain("imdb").rows == 7
    monkeypatch.setattr(settings, "_read", dict)  # of before
    assert (settings.retrain("imdb").cooldown, settings.notify()) == ("6h", {})


def test_what_is_kept_of_requests_is_said_likewise(monkeypatch):
    said = {"all": {"days": 30}, "digits": {"rows": 9}}
    monkeypatch.setattr(settings, "_read", lambda: {"collect": said})
    assert settings.collect("digits").model_dump() == {"days": 30, "rows": 9}
    said["all"] = {"days": 0}
    with pytest.raises(settings.UsageError, match=r"collect\.all\.days .* is 0"):
        settings.collect("digits")


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"retrain": {"all": {"cooldown": "6"}}}, r"retrain\.all\.cooldown .* is '6', expected a"),
        ({"retrain": {"all": {"share": 2}}}, r"retrain\.all\.share .* is 2"),
        ({"retrain": {"all": {"often": True}}}, "unknown key 'often'"),
        ({"retrain": [1]}, r"retrain in params\.yaml is \[1\], expected names"),
        ({"notify": {"team": {"kind": "slack"}}}, r"notify\.team .* lacks secret"),
        ({"notify": {"team": {"kind": "slack", "secret": "a/b"}}}, "is no name of an environment"),
        ({"notify": {"team": {"kind": "email", "secret": "KEY"}}}, "expected both or none"),
    ],
)
def test_what_watches_is_told_by_key(monkeypatch, sections, message):
    monkeypatch.setattr(settings, "_read", lambda: sections)
    with pytest.raises(settings.UsageError, match=message):
        settings.retrain(), settings.notify()


@pytest.mark.parametrize("profile", ["quick", "full", "best"])
@pytest.mark.parametrize("task", settings.TASKS)
def test_profiles_name_architectures_datasets_and_parameters_that_there_are(profile, task):
    declared = yaml.safe_load((environment.ROOT / "params.yaml").read_text())["datasets"]
    known = {name for name, entry in declared.items() if entry["task"] == task}
    for arch, said in getattr(settings.profile(profile), task).items():
        assert arch in ("all", *architectures.names(task))
        assert said.keys() <= {"all", *known}
    for arch in architectures.names(task):
        for dataset in known:
            architectures.resolve(
                task, arch, settings.overrides(profile, task, arch, dataset), {"name": dataset}
            )
