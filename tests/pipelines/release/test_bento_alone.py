"""A Bento in an environment of its own: by its own lock, without this checkout and TensorFlow."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import tiny
import yaml
from project import serving

from pipelines.processes import service
from pipelines.release import bento, packages
from pipelines.runtime.settings import UsageError

pytestmark = pytest.mark.slow


@pytest.fixture
def packaged(home):
    """A Bento of all three champions, and one of the pictures' alone."""
    for task in tiny.REQUESTS:
        tiny.publish(home, task)
    return bento.build(), bento.build("image")


@pytest.fixture
def environment(packaged, tmp_path) -> Path:
    """The programs of a new virtual environment that holds what the Bento's lock names."""
    uv = str(Path(sys.executable).parent / "uv")
    lock = Path(packaged[0].path) / "env" / "python" / "requirements.txt"
    place = tmp_path / "environment"
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(place)], check=True)
    programs = place / "bin"
    install = [uv, "pip", "install", "-q", "--python", str(programs / "python"), "-r", str(lock)]
    subprocess.run(install, check=True)
    return programs


def test_it_starts_by_its_own_lock_and_answers(packaged, environment, tmp_path):
    installed = {path.name for path in environment.parent.glob("lib/python*/site-packages/*")}
    assert "onnxruntime" in installed
    assert not installed & {"tensorflow", "keras", "mlflow", "prefect", "dvc", "pandas"}
    every, pictures = packaged
    alone = {"PATH": f"{environment}:/usr/bin:/bin", "PYTHONPATH": ""}
    for made, tasks in ((every, set(tiny.REQUESTS)), (pictures, {"image"})):
        begin = (str(environment / "bentoml"), "serve", made.path)
        home = tmp_path / made.tag.replace(":", "-")
        home.mkdir()
        with serving(
            home, *begin, log=home / "log", ESPALIER_HOME=str(home), BENTOML_HOME=str(home), **alone
        ) as url:
            listed = httpx.get(f"{url}/v1/models").json()["models"]
            assert {model["task"] for model in listed} == tasks
            for task in tiny.REQUESTS:
                request = tiny.REQUESTS[task][0]
                if task in tasks:
                    assert service.ask(url, task, request)["model"]["name"].endswith("-tiny")
                else:
                    assert httpx.post(f"{url}/v1/{task}", json=request).status_code == 404


def test_its_files_name_what_lies_in_it(packaged):
    made = Path(packaged[1].path)
    assert packaged[1].tag.startswith("espalier-image:")
    source = made / "src"
    lines = (made / "env/python/requirements.txt").read_text().splitlines()
    assert sum(one.endswith("\\") and "==" in one for one in lines) == len(packages.pinned())
    assert [one for one in lines if one and one[:7] != "bentoml"] == [
        one for one in (source / bento.LOCK).read_text().splitlines() if one[:7] != "bentoml"
    ]
    listed = json.loads((source / bento.BILL).read_text())["components"]
    assert "espalier-image-tiny" in {one["name"] for one in listed}
    services = yaml.safe_load((source / "compose.yaml").read_text())["services"]
    for name in ("espalier-1", "espalier-2"):
        entry = services[name]
        context = source / entry["build"]["context"]
        assert (context / entry["build"]["dockerfile"]).is_file()
        assert "ports" not in entry  # only the proxy can be reached from outside
        folder = Path(entry["environment"]["ESPALIER_HOME"])
        assert (source / folder.name).is_dir()
        home, *others = (volume.partition(":")[2] for volume in entry["volumes"])
        assert (home, others) == (str(folder), ["/clients:ro", "/trust:ro"])
        assert f"server {name}:3000 " in (source / "nginx.conf").read_text()


def test_only_a_task_with_a_champion_is_packaged(home):
    tiny.publish(home, "image")
    with pytest.raises(bento.BuildError, match="no champion of forecast"):
        bento.build("forecast")
    with pytest.raises(UsageError, match="did you mean 'image'"):
        bento.build("imag")
