"""Where state lives, and what every tool is told before it is imported or started.

`apply()` is called once by each entry point (the command, a flow that a worker started). It only
fills in what is not set, so each tool's own variables win.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# One table for all six tools and ONNX Runtime. Their own configuration files say the same for
# native use: .dvc/config, [tool.prefect] in pyproject.toml, dvc.yaml, the preamble of
# serving/service.py.
TELEMETRY_OFF = {
    "BENTOML_DO_NOT_TRACK": "True",
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime asks for Microsoft's collector since 1.29
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}

# Libraries' chatter that would bury the lines meant for a person.
QUIET = {
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "1",  # the default of 10 s misses short fits
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


def home() -> Path:
    """The folder that holds all state: ESPALIER_HOME, or `.espalier` in the project."""
    return Path(os.environ.get("ESPALIER_HOME") or ROOT / ".espalier").resolve()


def apply() -> None:
    """Set the variables that this process and its children need; keep those already set."""
    folder = home()
    os.environ["ESPALIER_HOME"] = str(folder)  # children start in other folders
    defaults = {
        **TELEMETRY_OFF,
        **QUIET,
        "BENTOML_HOME": str(folder / "bentoml"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}?timeout=60",
        "PREFECT_HOME": str(folder / "prefect"),
        "MPLCONFIGDIR": str(folder / "matplotlib"),
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    tools = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", "").split(os.pathsep)
    if path[0] != tools:
        os.environ["PATH"] = os.pathsep.join([tools, *path])
