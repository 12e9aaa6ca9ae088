import pytest

from pipelines import settings


def test_each_task_has_a_served_dataset_of_its_own_kind():
    assert set(settings.served()) == set(settings.TASKS)
    for task, dataset in settings.served().items():
        assert settings.task_of(dataset) == task


def test_the_served_dataset_is_the_default():
    assert settings.dataset_of("image", None) == settings.served()["image"]


@pytest.mark.parametrize(
    ("call", "near"),
    [
        (lambda: settings.dataset_of("imagery", None), "image"),
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
