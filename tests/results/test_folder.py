"""Result folders, which may come from anywhere."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evenrank.errors import ConfigError, DataError
from evenrank.evaluation.evaluate import evaluate
from evenrank.results.folder import read_evaluation, read_evaluations, read_result


@pytest.fixture(scope="module")
def written(benchmark, model_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "numbers"
    return evaluate(model_folder, benchmark, output=folder, measures=["AP", "rank_distance"])


@pytest.fixture
def folder(written, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(written.folder, tmp_path / "copy")


def change(folder, path, value):
    """Replace one value inside of ``result.json``."""
    content = json.loads((folder / "result.json").read_bytes())
    *parents, last = path.split("/")
    place = content
    for name in parents:
        place = place[int(name)] if isinstance(place, list) else place[name]
    place[int(last) if isinstance(place, list) else last] = value
    (folder / "result.json").write_text(json.dumps(content), encoding="utf-8")


def edit(folder, name, function):
    path = folder / f"{name}.parquet"
    pq.write_table(function(pq.read_table(path)), path)


def column(name, convert):
    """A function that converts a column of a table."""

    def convert_column(table):
        found = pa.array(convert(table[name].to_pylist()))
        return table.set_column(table.column_names.index(name), name, found)

    return convert_column


def read_all(folder):
    evaluation = read_evaluation(folder)
    return [evaluation.table(name) for name in ("per_query", "top", "ranks")]


def test_what_is_written_reads_back(written):
    again = read_evaluation(str(written.folder))
    assert again.result == written.result
    assert again.measures == written.measures == ["AP", "rank_distance"]
    for name in ("per_query", "top", "ranks"):
        assert again.table(name).equals(written.table(name)), name
    chosen = ["AP", "query_id"]
    assert again.table("per_query", chosen).equals(written.table("per_query", chosen))


def test_a_folder_and_its_file_name_the_same_result(folder):
    file = folder / "result.json"
    assert read_result(folder) == read_result(str(file))
    assert read_evaluation(file).folder == folder


@pytest.mark.parametrize("name", ["", "nowhere", "result.json", "file/result.json"])
def test_a_place_without_a_result_is_refused(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"no result\.json.*Evaluate a model first"):
        read_result(tmp_path / name)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("format", 1, "found a result of format 1, expected a result of format 2. Evaluate again"),
        ("format", "x" * 1000, "a result of format 'xxx"),
        ("settings/all", {}, "settings.all"),
        ("extra", 1, "extra"),
        ("scored/de", "many", "scored.de"),
        ("settings/mono/AP", float("nan"), "settings.mono.AP"),
        ("pairs/AP/de/en", float("inf"), "pairs.AP.de.en"),
        ("pool/AP/fr", 0.5, "'fr' is not a language of the benchmark"),
        ("scored/fr", 5, "'fr' is not a language of the benchmark"),
        ("pairs/AP/fr", {"de": 1.0}, "'fr' is not a language of the benchmark"),
        ("worst/0/first/lang", "fr", "'fr' is not a language of the benchmark"),
        ("examples/0/answers/0/lang", "fr", "'fr' is not a language of the benchmark"),
        ("examples/0/lang", '"><script>', "examples.0.lang"),
        ("benchmark/languages/0", "../..", "benchmark.languages.0"),
        ("benchmark/languages/0", "", "benchmark.languages.0"),
        ("share/by_query_lang/de\x1b[31m", {}, "share.by_query_lang"),
    ],
)
def test_a_result_of_another_shape_is_refused_in_one_line(folder, path, value, message):
    change(folder, path, value)
    with pytest.raises(DataError, match=r"result\.json: found ") as error:
        read_result(folder)
    assert message in str(error.value)
    assert len(str(error.value)) < 500
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"{", b"", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_not_a_result_is_refused(folder, content):
    (folder / "result.json").write_bytes(content)
    with pytest.raises(DataError, match=r"result\.json"):
        read_result(folder)


def test_a_folder_in_place_of_a_file_is_refused(folder):
    (folder / "result.json").unlink()
    (folder / "result.json").mkdir()
    with pytest.raises(DataError, match="directory"):
        read_result(folder)


@pytest.mark.parametrize("name", ["per_query", "top", "ranks"])
@pytest.mark.parametrize("damage", ["missing", "garbage", "cut short", "folder", "other columns"])
def test_a_damaged_table_is_refused(folder, name, damage):
    path = folder / f"{name}.parquet"
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage == "other columns":
        pq.write_table(pa.table({"query_id": ["a"]}), path)
    elif damage != "missing":
        path.write_bytes(b"garbage" if damage == "garbage" else content[: len(content) // 2])
    with pytest.raises(DataError, match=rf"{name}\.parquet: found .*Evaluate again"):
        read_evaluation(folder)


@pytest.mark.parametrize(
    ("name", "function", "message"),
    [
        ("per_query", lambda table: table.drop_columns(["parallel"]), "no column 'parallel'"),
        ("per_query", column("query_lang", lambda v: ["xx", *v[1:]]), "a query_lang that is not"),
        ("per_query", column("pool", lambda v: ["xx", *v[1:]]), "a pool that is not a language"),
        ("per_query", column("pool", lambda v: [None, *v[1:]]), "a row without pool"),
        ("per_query", column("parallel", lambda v: [None, *v[1:]]), "a row without parallel"),
        ("per_query", column("parallel", lambda v: [2**40, *v[1:]]), "2|overflow|bounds"),
        ("per_query", column("AP", lambda v: [np.inf, *v[1:]]), "an infinite AP"),
        ("per_query", column("AP", lambda v: ["x"] * len(v)), "x"),
        ("per_query", column("AP", lambda v: [[1]] * len(v)), "cast"),
        ("top", column("lang", lambda v: ["<b>"] * len(v)), "a lang that is not a language"),
        ("ranks", column("lang", lambda v: ["xx"] * len(v)), "a lang that is not a language"),
        ("ranks", column("rank", lambda v: ["first"] * len(v)), "first"),
    ],
)
def test_tables_that_break_their_contract_are_refused(folder, name, function, message):
    edit(folder, name, function)
    with pytest.raises(DataError, match=rf"{name}\.parquet: found .*({message}).*Evaluate again"):
        read_all(folder)


def test_a_measure_that_a_result_does_not_have_is_refused(written):
    with pytest.raises(DataError, match=r"per_query\.parquet"):
        read_evaluation(written.folder).table("per_query", ["nDCG@10"])
    with pytest.raises(ConfigError, match="one of AP"):
        read_evaluation(written.folder).pairs("nDCG@10")


def test_ranks_and_rank_distance_are_those_of_the_evaluation(written):
    """Of the worst queries, which the evaluation kept, read again from the table of all ranks."""
    again = read_evaluation(written.folder)
    worst = written.result.worst
    found = again.query_ranks([*(query.query_id for query in worst), "nobody"])
    assert sorted(found) == sorted(query.query_id for query in worst)
    for query in worst:
        ranks = {answer.lang: answer.rank for answer in query.answers}
        assert found[query.query_id].ranks == ranks
        assert found[query.query_id].rank_distance == query.rank_distance
    frame = written.per_query
    multi = frame[frame["pool"] == "multi"].set_index("query_id")["rank_distance"].dropna()
    assert {
        query: one.rank_distance for query, one in again.query_ranks(multi.index).items()
    } == multi.to_dict()


def test_a_run_that_ends_has_a_minimum_of_the_rank_distance(folder):
    change(folder, "config/run", {"depth": 10})
    rows = [("a", "de", 7), ("a", "de", 3), ("a", "en", None), ("a", "en", 9), ("a", "es", None)]
    rows += [("b", "de", None), ("b", "en", None), ("c", "de", 2)]
    ids, langs, ranks = zip(*rows, strict=True)
    edit(
        folder,
        "ranks",
        lambda table: pa.Table.from_pylist(
            [
                {"query_id": query, "lang": lang, "rank": rank}
                for query, lang, rank in zip(ids, langs, ranks, strict=True)
            ],
            schema=table.schema,
        ),
    )
    found = read_evaluation(folder).query_ranks(ids)
    assert found["a"].ranks == {"de": 3, "en": 9, "es": None}
    assert found["a"].rank_distance == 11 - 3
    assert (found["b"].rank_distance, found["c"].rank_distance) == (None, None)
    change(folder, "config/run", "nonsense")
    assert read_result(folder).depth is None


def test_each_result_is_read_once_in_order(written, folder):
    again = read_evaluations([folder, str(written.folder)], "compare")
    assert [one.folder for one in again] == [folder, written.folder]
    for twice in ([folder, folder / ".." / folder.name], [written, written.folder]):
        with pytest.raises(ConfigError, match="each result once"):
            read_evaluations(twice, "compare")
    with pytest.raises(ConfigError, match="compare: found no result"):
        read_evaluations([], "compare")
    with pytest.raises(ConfigError, match="report: found the text 'results/a'"):
        read_evaluations("results/a", "report")
