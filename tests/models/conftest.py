"""One small dataset for each task, made once."""

import os

import pytest
import small_data

# TensorFlow reads this once, when it is first imported: its greeting is no test's business.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session")
def splits() -> dict[str, dict]:
    """The prepared splits of one small dataset for each task."""
    return {
        "image": small_data.digits(),
        "sentiment": small_data.reviews(),
        "forecast": small_data.waves(),
    }
