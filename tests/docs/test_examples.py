"""Each project of examples/, as its README says: from files to a champion, in a fresh clone."""

import subprocess
from pathlib import Path

import pytest
from documents import of_page
from project import ROOT, answer, copied, espalier, prefect_server, variables

EXAMPLES = sorted(page.parent.name for page in (ROOT / "examples").glob("*/README.md"))


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    folder = copied(tmp_path_factory.mktemp("examples") / "espalier")
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


@pytest.mark.docs
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_ends_in_a_champion_that_answers(name, clone):
    page = ROOT / "examples" / name / "README.md"
    assert len(page.read_text().splitlines()) <= 25
    [block] = of_page(page)
    typed = variables(
        PATH=f"{clone}/.venv/bin:/usr/bin:/bin",
        PYTHONPATH=str(clone),
        PREFECT_API_URL=prefect_server(),
    )
    for command in block.commands:
        done = subprocess.run(
            ["bash", "-c", command], cwd=clone, env=typed, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    serving = answer(espalier(clone, "status", "--json"))["serving"]
    [champion] = [one for one in serving if one["dataset"] == name]
    assert champion["version"] == "1"
    assert f"POST {champion['path']}" in page.read_text()
    tracked = subprocess.run(["git", "diff", "--stat"], cwd=clone, capture_output=True, text=True)
    assert not tracked.stdout
    out = clone / block.commands[-1].rpartition(" ")[2]
    assert len(out.read_text().splitlines()) > 4
