"""A Dask cluster that is named, over TLS, whose workers do not take the fits of a run.

tests/deploy/test_cluster.py has those that do.
"""

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from project import ROOT, begun, command, prefect_server, until

from pipelines.processes.service import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed"),
]

WAIT_SECONDS = 12  # how long the scheduler lets work wait for a worker


def configuration(folder: Path) -> Path:
    """A certificate and the settings of each side, made as docs/cluster.md says."""
    page = (ROOT / "docs/cluster.md").read_text(encoding="utf-8")
    [make] = re.findall(r"^\$ (openssl .*)$", page, re.MULTILINE)
    subprocess.run(make.split(), cwd=folder, check=True, capture_output=True)
    [settings] = re.findall(r"^```yaml\n(distributed:\n.*?)```", page, re.MULTILINE | re.DOTALL)
    for shipped, own in (("/etc/espalier", str(folder)), ("1 hour", f"{WAIT_SECONDS} s")):
        assert shipped in settings
        settings = settings.replace(shipped, own)
    (folder / "dask.yaml").write_text(settings)
    return folder / "dask.yaml"


def test_fits_wait_for_a_worker_in_words_and_not_for_ever(prepared_copy, tmp_path):
    project = prepared_copy(tmp_path / "project")
    address = f"tls://127.0.0.1:{(port := free_port())}"
    here = {
        "DASK_CONFIG": str(configuration(tmp_path)),
        "ESPALIER_CLUSTER": address,
        "ESPALIER_RESOURCES": "GPU=1",
        "PREFECT_API_URL": prefect_server(),
        "PYTHONPATH": str(project),  # the checkout that a worker runs in
    }
    other = shutil.copytree(project, tmp_path / "other", symlinks=True)
    with (other / "models" / "options.py").open("a") as file:
        file.write("\nOTHER = True\n")
    run, worker = command("run", "--task", "image"), command("worker")
    offering = (*worker, "--resources", "GPU=1")
    log = {name: tmp_path / f"{name}.log" for name in ("scheduler", "plain", "other", "run")}
    scheduler = f"dask scheduler --host 127.0.0.1 --protocol tls --port {port} --no-dashboard"
    causes = "has no worker that offers GPU=1", "1 of its 2 have other code or packages"
    with (
        begun(project, *scheduler.split(), log=log["scheduler"], **here),
        begun(project, *worker, log=log["plain"], **here),
        begun(other, *offering, log=log["other"], **(here | {"PYTHONPATH": str(other)})),
    ):
        for name in ("plain", "other"):
            until(lambda name=name: "Registered to" in log[name].read_text(), "a worker")
        with begun(project, *run, log=log["run"], **here) as (process, _):
            until(lambda: "its version lies" in log["run"].read_text(), "the data")
            begin = time.monotonic()
            until(lambda: all(c in log["run"].read_text() for c in causes), "the causes")
            assert time.monotonic() - begin < 10  # 3 on a quiet machine
            assert process.wait(120) == 1
        text = log["run"].read_text()
        assert "timed out" in text
        assert "Traceback" not in text
