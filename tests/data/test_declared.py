"""params.yaml: what is declared wrongly is told with the nearest right name."""

import pytest
import yaml
from checkouts import ROOT

from data import declared
from data.errors import DataError

TIMES = {"task": "forecast", "kind": "csv", "path": "a.csv"}
TIMES |= {"columns": {"time": "t", "value": "v"}}
TIMES |= {"interval": 60, "history": 10, "horizon": 2, "season": 5}
TEXTS = {"task": "sentiment", "kind": "csv", "path": "a.csv"}
PICTURES = {"task": "image", "kind": "folder", "path": "pets"}


@pytest.fixture
def params(tmp_path):
    def write(**datasets):
        (tmp_path / "params.yaml").write_text(yaml.safe_dump({"datasets": datasets}))
        return tmp_path

    return write


def test_every_declared_dataset_is_declared_rightly():
    for name in declared.params(ROOT)["datasets"]:
        assert declared.entry(name, ROOT)["task"] in ("image", "sentiment", "forecast")


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(DataError, match=r"unknown dataset 'imbd' \(did you mean 'imdb'\?\)"):
        declared.entry("imbd", ROOT)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (None, r"datasets\.mine in params\.yaml is None, expected keys with values"),
        ({"task": "sentiment"}, r"datasets\.mine in params\.yaml lacks kind, path"),
        (TEXTS, "mine in params.yaml lacks columns"),
        (TEXTS | {"task": "text"}, r"task .* is 'text': input should be 'image', 'sentiment' or"),
        (TEXTS | {"kind": "folder"}, r"kind .* is 'folder': input should be 'package', 'csv',"),
        (TEXTS | {"colums": {}, "columns": {}}, r"unknown key 'colums' \(did you mean 'columns'"),
        (TEXTS | {"columns": {"text": "a"}}, r"mine\.columns in params\.yaml lacks label"),
        (TEXTS | {"columns": {"text": "a", "lable": "b"}}, "did you mean 'label'"),
        (TEXTS | {"columns": {"text": "a", "label": None}}, r"columns\.label .* is None: input"),
        (
            TEXTS | {"columns": ["text", "label"]},
            r"columns .* is \['text', 'label'\], expected keys",
        ),
        (PICTURES | {"metric": "f2"}, r"metric .* is 'f2': input should be 'accuracy', 'bal"),
        (PICTURES | {"metric": "f1"}, "mine in params.yaml says `metric: f1` without `positive:`"),
        (PICTURES | {"metric": "cost"}, "needs both or none of `metric: cost` and `costs:`"),
        (TEXTS | {"path": None}, r"mine\.path .* is None"),
        (TIMES | {"columns": {}}, r"mine\.columns in .* lacks time, value"),
        (TEXTS | {"task": "forecast"}, "lacks history, horizon, interval, season"),
        (TIMES | {"interval": "5m"}, r"interval .* is '5m': input should be a valid integer"),
        (TIMES | {"horizon": 0}, "horizon .* is 0: input should be greater than or equal to 1"),
        (TIMES | {"grid": "day"}, "grid .* is 'day': input should be 'clock' or 'rows'"),
        (TIMES | {"history": True}, "history .* is True: input should be a valid integer"),
        (TIMES | {"fill": -1}, "fill .* is -1: input should be greater than or equal to 0"),
        (TIMES | {"encoding": "utf-9"}, "encoding .* is 'utf-9', expected an encoding: utf-8"),
        (TIMES | {"separator": "\\t"}, "separator .* expected one sign; a tab is"),
        (TIMES | {"kind": "parquet", "separator": ";"}, "has separator, which is for `kind: csv`"),
        (TIMES | {"decimal": ",", "thousands": ","}, "has ',' as decimal and as thousands"),
        (TIMES | {"time_format": "iso"}, "time_format .* is 'iso', expected s or ms"),
        (TIMES | {"time_zone": "Berlin"}, "time_zone .* is 'Berlin', expected a name such as"),
        (
            TIMES | {"range": [400, 40]},
            r"range .* is \[400\.0, 40\.0\], expected \[lowest, highest\]",
        ),
        (PICTURES | {"shape": [28, 28]}, r"shape .* is \[28, 28\]: list should have at least 3"),
        (
            PICTURES | {"shape": [28, 28, 4]},
            r"shape .* \[28, 28, 4\], expected 1 channel \(grey\) or",
        ),
        (PICTURES | {"id": "name"}, "id .* is 'name': input should be 'file'"),
        (PICTURES | {"group": "(a"}, r"group .* is '\(a', which is no regular expression"),
        (PICTURES | {"kind": "arrays", "group": "a"}, "has group, which is for `kind: folder`"),
        (TEXTS | {"kind": "package", "id": "a"}, "has id, which is for tables of your own"),
        (PICTURES | {"labels": [True, False]}, "labels .* quote those that YAML takes for"),
        (PICTURES | {"labels": ["a", None]}, "labels .* quote .* null and 1.0"),
        (PICTURES | {"shape": [100_000, 28, 3]}, "should be less than or equal to 1024"),
        (PICTURES | {"class_weights": {"a": 0.0, "b": 0.0}}, "nothing would be learned"),
        (PICTURES | {"class_weights": {"a": float("inf")}}, r"class_weights\.a .*finite number"),
        (PICTURES | {"class_weights": "all"}, r"class_weights in .* should be 'balanced'"),
        (
            PICTURES | {"metric": "cost", "costs": {"a": {"b": 0.0}, "b": {"a": 0.0}}},
            "every model would be perfect",
        ),
        (TIMES | {"range": [float("nan"), 100.0]}, r"expected \[lowest, highest\]"),
        (PICTURES | {"labels": ["a", "b", "a"]}, "labels .* expected different names"),
        (PICTURES | {"labels": ["caf\u00e9", "b", "cafe\u0301"]}, "labels .* different names"),
    ],
)
def test_a_wrong_declaration_is_refused(params, entry, message):
    with pytest.raises(DataError, match=message):
        declared.entry("mine", params(mine=entry))


@pytest.mark.parametrize("name", ["my tickets", "v1.2", "x; y", "a:b"])
def test_a_name_that_no_tool_can_take_is_refused(params, name):
    with pytest.raises(DataError, match="letters, digits, - and _"):
        declared.entry(name, params(**{name: PICTURES}))


def test_an_error_names_the_line(tmp_path):
    text = "datasets:\n  mine:\n    task: image\n    kind: folder\n    path: pets\n    shape: 3\n"
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(DataError, match=r"\(line 6\)"):
        declared.entry("mine", tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "task: image\nkind: a\nkind: b\n",
            r"^'kind' is in data/own/bj/entry\.yaml twice, in line 2",
        ),
        ("task: image\nkind: [\n", r"^data/own/bj/entry\.yaml is not YAML: while[^<>]*, line 3"),
        (yaml.safe_dump(TEXTS) + "encodng: x\n", r"unknown key 'encodng'.*\(line 4\)"),
    ],
)
def test_an_own_entry_is_told_by_its_path_and_line(params, text, message):
    root = params(mine=PICTURES)
    (root / "data/own/bj").mkdir(parents=True)
    (root / "data/own/bj/entry.yaml").write_text(text)
    with pytest.raises(DataError, match=message):
        declared.entry("bj", root)


def test_a_folder_in_the_place_of_an_entry_stops_nobody(params):
    root = params(mine=PICTURES)
    (root / "data/own/odd/entry.yaml").mkdir(parents=True)
    assert declared.own(root) == []
    assert declared.entry("mine", root)["path"] == "pets"


def test_a_name_there_twice_is_told_with_both_lines(tmp_path):
    text = "datasets:\n  mine: {task: image}\n  other: {}\n  mine: {task: image}\n"
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(DataError, match=r"'mine' is in params\.yaml twice, in line 2 and in"):
        declared.entry("other", tmp_path)


def test_a_half_typed_neighbour_is_told_by_name_and_concerns_dvc_alone(params):
    root = params(mine=PICTURES, newone=None)
    assert declared.entry("mine", root)["path"] == "pets"
    with pytest.raises(DataError, match=r"datasets\.newone in params\.yaml is None"):
        declared.check_neighbours("mine", root)


def test_what_a_series_does_not_say_is_filled_in(params):
    entry = declared.entry("mine", params(mine=TIMES))
    assert (entry["stride"], entry["fill"], entry["grid"]) == (1, 900, "clock")


def test_a_series_is_cut_in_one_order_whatever_the_order_in_the_file(tmp_path):
    split = {"series": {"test": 0.2, "train": 0.7, "validation": 0.1}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"datasets": {}, "split": split}))
    assert list(declared.shares("series", tmp_path)) == ["train", "validation", "test"]


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"train": 0.7, "test": 0.3}, r"split\.classes in params\.yaml lacks validation"),
        ({"train": 0.7, "validation": 0, "test": 0.3}, "is 0: input should be greater than 0"),
        ({"train": 0.7, "validation": 0.2, "test": 0.3}, "adds up to 1.2, expected 1"),
        ({"train": 0.7, "valid": 0.2, "validation": 0.1, "test": 0.3}, "unknown key 'valid'"),
    ],
)
def test_wrong_shares_are_refused(tmp_path, split, message):
    params = {"datasets": {}, "split": {"classes": split}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(DataError, match=message):
        declared.shares("classes", tmp_path)


@pytest.mark.parametrize("content", ["", "- imdb\n", "datasets: imdb\n"])
def test_params_without_datasets_are_told(tmp_path, content):
    (tmp_path / "params.yaml").write_text(content)
    with pytest.raises(DataError, match=r"declares no datasets: expected `datasets:`"):
        declared.entry("imdb", tmp_path)


def test_a_folder_without_params_is_no_repository(tmp_path):
    with pytest.raises(DataError, match=r"no params\.yaml"):
        declared.params(tmp_path)
