"""Finished fits with a real, tiny artifact and test rows as one wishes, without training."""

from pathlib import Path

import numpy as np
import tiny
from recorded import fit

from pipelines.experiments import tracking, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.registry import Version
from pipelines.gate.checks import Check
from pipelines.gate.rules import Rules
from pipelines.promotion import ledger
from pipelines.promotion.contender import Contender
from pipelines.promotion.evaluation import Evaluation

RULES = Rules(
    alpha=0.05, floor=0.5, margin=0.01, cheaper=0.2, slice=0.05,
    latency_ms=50, memory_mb=500, size_mb=100,
)  # fmt: skip


def rows_of(correct: np.ndarray) -> dict[str, np.ndarray]:
    """Rows of `models.evaluation.measure.Scores` with these hits, on ten classes in turn."""
    label = np.arange(len(correct)) % 10
    predicted = np.where(correct, label, (label + 1) % 10)
    confusion = np.zeros((10, 10), np.int64)
    np.add.at(confusion, (label, predicted), 1)
    return {
        "label": label,
        "probabilities": np.eye(10)[predicted],
        "correct": correct,
        "naive_correct": label == 0,
        "confusion": confusion,
    }


def hits(share: float, count: int = 1000, seed: int = 0) -> np.ndarray:
    """So many of `count` rows answered rightly, which ones by chance."""
    correct = np.arange(count) < round(share * count)
    return np.random.default_rng(seed).permutation(correct)


def candidate(scratch: Path, correct: np.ndarray, seed: int = 0, **planned) -> tracking.Record:
    """Record a fit with these hits on both splits; each seed has an artifact of its own.

    planned: as `recorded.fit` takes it.
    """
    import mlflow

    folder, kept = scratch / f"artifact-{seed}", scratch / f"scores-{seed}"
    folder.mkdir()
    kept.mkdir()
    accuracy = float(correct.mean())
    metrics = {"parameter_count": 640, "fit_seconds": 1.0, "latency_ms": 0.01, "test_floor": 0.1}
    for split in ("validation", "test"):
        np.savez(kept / f"{split}.npz", **rows_of(correct))
        metrics |= {
            f"{split}_accuracy": accuracy,
            f"{split}_accuracy_low": accuracy - 0.01,
            f"{split}_accuracy_high": accuracy + 0.01,
        }
    with tracking.child(fit(seed=seed, **planned), None) as run:
        digest = tiny.write(folder, "image", seed)
        mlflow.log_artifacts(str(folder), tracking.MODEL)
        mlflow.log_artifacts(str(kept), tracking.SCORES)
        mlflow.log_metrics(metrics)
        mlflow.set_tags({"espalier.manifest_sha256": digest, "espalier.naive": "always 0"})
    return tracking.record(run.run_id)


def evaluation(
    version: Version, champion: Contender | None, passed: bool = True, golden: bool = True
) -> Evaluation:
    """An evaluation of two checks, beside the ledger as it is now."""
    checks = [
        Check("naive", passed, "it is" if passed else "it is not"),
        Check("golden", golden, "8 golden requests"),
    ]
    candidate = Contender(version, verification.verify(tracking.record(version.run_id)))
    head = ledger.head(ledger.entries(version.name))
    dataset = DatasetVersion("image", version.name.split("-")[-1], version.dataset_hash)
    return Evaluation(candidate, champion, head, dataset, RULES, checks)
