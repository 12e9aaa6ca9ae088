"""What `promote` does beside deciding: which fit it takes, how often it hashes an artifact."""

from collections import Counter
from dataclasses import replace

import pytest
from candidates import candidate, hits
from recorded import HASH, finished, fit

from data import versions
from models.artifact import artifact
from pipelines.commands import promote
from pipelines.experiments import registry, verification
from pipelines.promotion.contender import Summary
from pipelines.runtime.settings import UsageError

pytestmark = pytest.mark.slow

TASK, DATASET = "image", "mnist_5k"  # one that is served
# Nothing but a digest reads this file of an artifact: the service serves the graph.
WATCH = """
import os, sys

def noted(event, arguments):
    if event == "open" and str(arguments[0]).endswith("model.keras"):
        with open(os.environ["OPENED"], "a") as log:
            print(os.path.basename(os.path.dirname(str(arguments[0]))), file=log)

sys.addaudithook(noted)
"""


@pytest.fixture
def hashed(tmp_path, monkeypatch) -> Counter:
    """How often each artifact is hashed, in this process and in what it starts."""
    counts = Counter()

    def counted(folder, digest, check=artifact.check):
        if folder.is_dir():  # where there is nothing, nothing is hashed
            counts[digest] += 1
        return check(folder, digest)

    monkeypatch.setattr(artifact, "check", counted)
    monkeypatch.setattr(versions, "dataset_hash", lambda dataset: HASH)
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "watch"))
    monkeypatch.setenv("OPENED", str(tmp_path / "opened"))
    return counts


@pytest.mark.parametrize("better", [True, False])
def test_each_artifact_is_hashed_at_most_twice_in_all(home, tmp_path, hashed, better):
    first = candidate(tmp_path, hits(0.7), seed=0, dataset=DATASET)
    assert promote.promote(TASK, DATASET).promoted
    second = candidate(tmp_path, hits(0.9 if better else 0.6), seed=1, dataset=DATASET)
    hashed.clear()
    (tmp_path / "opened").unlink()
    outcome = promote.promote(TASK, DATASET, second.run_id)
    assert outcome.promoted is better
    opened = Counter((tmp_path / "opened").read_text().split())
    assert opened == {second.manifest_sha256: 1}
    total = hashed + opened
    assert set(total) == {first.manifest_sha256, second.manifest_sha256}
    assert max(total.values()) <= 2
    # What is published was hashed by nobody: it is a copy of what was.
    champion = registry.champion(TASK, DATASET)
    assert verification.whole(champion)


@pytest.mark.parametrize("dry_run", [False, True])
def test_the_champion_again_stays_so(dry_run):
    one = Summary("1", "perceptron", "f" * 64, {})
    again = promote.Promotion(TASK, DATASET, HASH, dry_run, one, one, False, "it is already")
    assert promote.sentence(again) == "perceptron v1 stays champion: nothing was decided"


def test_an_architecture_names_its_best_full_fit(home, tmp_path, monkeypatch):
    monkeypatch.setattr(versions, "dataset_hash", lambda dataset: HASH)
    candidate(tmp_path, hits(0.9), seed=0, arch="cnn", dataset=DATASET)
    wanted = candidate(tmp_path, hits(0.8), seed=1, arch="ann", dataset=DATASET)
    candidate(tmp_path, hits(0.7), seed=2, arch="ann", dataset=DATASET)
    look = replace(fit("lstm", dataset=DATASET), look=True)
    finished(look, tmp_path / "look", validation_accuracy=0.99)
    with pytest.raises(UsageError, match=r"has no full fit of lstm .* --arch lstm"):
        promote.promote(TASK, DATASET, "lstm", dry_run=True)
    with pytest.raises(UsageError, match=rf"has no blend .* `espalier run --dataset {DATASET}`"):
        promote.promote(TASK, DATASET, "blend", dry_run=True)
    assert promote.promote(TASK, DATASET, "ann").candidate.fingerprint == wanted.fingerprint
    blend = candidate(tmp_path, hits(0.6), seed=3, arch="blend", dataset=DATASET)
    named = promote.promote(TASK, DATASET, "blend", dry_run=True)
    assert named.candidate.fingerprint == blend.fingerprint
