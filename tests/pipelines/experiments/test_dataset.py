"""The line about the data: rows, the size of pictures as a model sees them, new words of texts."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from checkouts import MINE, Checkout, reviews, write_reviews

from data import versions
from data.dvc import calls
from data.errors import DataError
from pipelines.experiments import dataset
from pipelines.runtime import environment


@pytest.mark.parametrize(
    ("name", "facts", "line"),
    [
        ("pets", {"shape": [28, 20, 1]}, "3 / 2 / 1 rows of 20 x 28, grey"),
        ("pets", {"shape": [64, 64, 3]}, "3 / 2 / 1 rows of 64 x 64, colour"),
        ("arrays", {}, "3 / 2 / 1 rows of 8 x 8, grey"),
        ("tickets", {}, "3 / 2 / 1 rows with 25.0% unknown words"),
    ],
)
def test_the_line_says_what_a_model_sees(name, facts, line, tmp_path, monkeypatch, capsys):
    entries = {
        "pets": "{task: image, kind: folder, path: pets}",
        "arrays": "{task: image, kind: package, path: a.py, shape: [8, 8, 1]}",
        "tickets": "{task: sentiment, kind: csv, path: a.csv, columns: {text: a, label: b}}",
    }
    text = "".join(f"  {key}: {entry}\n" for key, entry in entries.items())
    (tmp_path / "params.yaml").write_text(f"datasets:\n{text}")
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(versions, "reproduce", lambda _: None)
    monkeypatch.setattr(versions, "dataset_hash", lambda _: "0" * 32 + ".dir")
    folder = tmp_path / "data/prepared" / name
    folder.mkdir(parents=True)
    rows = {"rows": {"train": 3, "validation": 2, "test": 1}}
    (folder / "dataset.json").write_text(json.dumps(rows | facts))
    (tmp_path / "data/reports" / name).mkdir(parents=True)
    table = {"rows": 1, "values": [{"words": 8, "unknown": 2, "share": 0.25}]}
    report = {"tables": {"validation": table} if name == "tickets" else {}}
    (tmp_path / "data/reports" / name / "validation.json").write_text(json.dumps(report))
    dataset.version("image", name)
    assert capsys.readouterr().out.rstrip().endswith(f"{name} passed its gate; {line}")


@pytest.fixture
def failing_store() -> Iterator[str]:
    """The address of an S3 server that answers 500 to all that it is asked."""

    class Failing(BaseHTTPRequestHandler):
        def fail(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_error(500)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = fail

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Failing) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


@pytest.mark.slow
def test_a_remote_that_answers_500_is_told_while_it_is_tried_and_in_the_end(
    failing_store, tmp_path, monkeypatch, capsys
):
    made = Checkout(tmp_path)
    made.declare("mine", **MINE)
    write_reviews(made.folder / MINE["path"], reviews())
    assert made.versions("reproduce('mine')") == "None"
    for name, value in {"url": "s3://dvc", "endpointurl": failing_store}.items():
        assert made.run("dvc", "remote", "modify", "local", name, value).returncode == 0
    monkeypatch.setattr(environment, "ROOT", made.folder)
    monkeypatch.setattr(calls, "ROOT", made.folder)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    with pytest.raises(DataError, match=r"cannot be sent to the DVC remote .*s3://dvc.*500"):
        dataset.push("mine")
    assert "waiting                for the DVC remote to take mine" in capsys.readouterr().out
