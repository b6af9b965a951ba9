import json

import pytest

from evenrank.errors import DataError
from evenrank.evaluation.evaluate import evaluate
from evenrank.results.schema import read_result


@pytest.fixture
def folder(benchmark, model_folder, tmp_path):
    evaluate(model_folder, benchmark, output=tmp_path / "result", measures=["AP"])
    return tmp_path / "result"


def test_a_folder_and_its_file_name_the_same_result(folder):
    assert read_result(folder) == read_result(folder / "result.json")


def test_a_folder_without_a_result_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no result\.json.*Evaluate a model first"):
        read_result(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 3}, "format"),
        ({"settings": {"all": {}}}, "settings.all"),
        ({"extra": 1}, "extra"),
        ({"scored": {"de": "many"}}, "scored.de"),
    ],
)
def test_a_result_of_another_shape_is_refused(folder, change, message):
    path = folder / "result.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | change))
    with pytest.raises(DataError, match=message):
        read_result(folder)


def test_a_file_that_is_not_json_is_refused(folder):
    (folder / "result.json").write_text("{")
    with pytest.raises(DataError, match=r"result\.json"):
        read_result(folder)
