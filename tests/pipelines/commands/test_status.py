"""What serves and since when, what runs, and what it takes on the disk."""

from candidates import candidate, evaluation, hits

from pipelines.commands import status
from pipelines.experiments import registry
from pipelines.locks import lock
from pipelines.promotion import decision, ledger


def test_a_champion_a_running_task_and_the_disk_are_told(home, tmp_path):
    before = status.status()
    assert {one.path: one.version for one in before.serving} == {
        "/v1/image": None,
        "/v1/sentiment": None,
        "/v1/forecast": None,
    }
    record = candidate(tmp_path, hits(0.9), dataset="mnist_5k")
    version = registry.register("image", "mnist_5k", record)
    decision.decide(evaluation(version, None))
    [entry] = ledger.entries(version.name)
    with lock.hold("sentiment/imdb"):
        now = status.status()
    [image] = [one for one in now.serving if one.path == "/v1/image"]
    assert (image.dataset, image.model, image.version) == ("mnist_5k", version.name, "1")
    assert image.since == entry.at
    assert list(now.running) == ["sentiment/imdb"]
    assert now.disk["published"] > before.disk["published"]
