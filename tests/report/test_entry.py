import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evenrank.errors import ConfigError, DataError
from evenrank.report.entry import one_per_label, read_entries
from evenrank.results.schema import read_result


def labels(folders):
    return [entry.label for entry in read_entries(folders)]


def test_labels_stay_as_they_are_where_they_differ(samples):
    assert labels(samples) == ["x-x-mono", "x-y", "hybrid"] * 2


def test_a_model_keeps_its_number_on_every_benchmark(samples):
    assert [entry.number for entry in read_entries(samples)] == [0, 1, 2, 0, 1, 2]
    assert [entry.label for entry in one_per_label(read_entries(samples))] == labels(samples[:3])


def test_two_models_of_one_label_show_their_fingerprints(samples, edited):
    other = edited(samples[1], model__label="x-x-mono", model__fingerprint="12345678")
    first, second = labels([samples[0], other])
    assert second == "x-x-mono [1234]"
    assert first.startswith("x-x-mono [")
    assert first != second


def test_fingerprints_are_shown_as_far_as_they_need_to_be(samples, edited):
    folders = [
        edited(samples[0], name=name, model__fingerprint=name) for name in ("abcd1x", "abcd1y")
    ]
    assert labels(folders) == ["x-x-mono [abcd1x]", "x-x-mono [abcd1y]"]


def test_one_model_evaluated_twice_shows_its_folders(samples, edited):
    twice = edited(samples[0], name="again")
    assert labels([samples[0], twice]) == ["x-x-mono (x-x-mono)", "x-x-mono (again)"]


def test_the_file_itself_may_be_named(samples):
    entry = read_entries([samples[0] / "result.json"])[0]
    assert entry.folder == samples[0]


def test_the_same_folder_twice_is_refused(samples):
    with pytest.raises(ConfigError, match="twice"):
        read_entries([samples[0], samples[1], samples[0] / ".." / samples[0].name])
    with pytest.raises(ConfigError, match="no result"):
        read_entries([])


def test_a_folder_that_is_no_result_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no result\.json"):
        read_entries([tmp_path])
    with pytest.raises(DataError, match="nowhere"):
        read_entries([tmp_path / "nowhere"])


@pytest.mark.parametrize("damage", ["missing", "garbage", "cut short"])
def test_values_per_query_must_be_there(samples, edited, damage):
    folder = edited(samples[0])
    path = folder / "per_query.parquet"
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(b"garbage" if damage == "garbage" else content[:-10])
    with pytest.raises(DataError, match=r"per_query\.parquet"):
        read_entries([folder])


def test_a_missing_column_is_named(samples, edited):
    folder = edited(samples[0])
    table = pq.read_table(folder / "per_query.parquet").drop_columns(["relevant"])
    pq.write_table(table, folder / "per_query.parquet")
    with pytest.raises(DataError, match="no column 'relevant'"):
        read_entries([folder])


def test_columns_come_in_the_type_asked_for_or_not_at_all(samples):
    entry = read_entries([samples[0]])[0]
    wanted = {"AP": pa.float32(), "pool": pa.string()}
    assert entry.per_query(wanted).schema == pa.schema(wanted)
    with pytest.raises(DataError, match=r"per_query\.parquet"):
        entry.per_query({"no such measure": pa.float64()})
    with pytest.raises(DataError, match=r"per_query\.parquet"):
        entry.per_query({"pool": pa.float64()})


def test_the_best_rank_in_each_language_is_looked_up(samples, edited):
    folder = edited(samples[0])
    rows = [("a", "de", 7), ("a", "de", 3), ("a", "en", None), ("a", "en", 9), ("a", "tr", None)]
    ids, langs, ranks = zip(*rows, ("b", "de", 1), strict=True)
    table = pa.table({"query_id": ids, "lang": langs, "rank": pa.array(ranks, pa.int64())})
    pq.write_table(table, folder / "ranks.parquet")
    (entry,) = read_entries([folder])
    assert entry.best_ranks(["a", "c"]) == {"a": {"de": 3, "en": 9, "tr": None}}
    (folder / "ranks.parquet").write_bytes(b"garbage")
    with pytest.raises(DataError, match=r"ranks\.parquet"):
        entry.best_ranks(["a"])
    (folder / "ranks.parquet").unlink()
    assert entry.best_ranks(["a"]) == {}


def test_the_languages_of_the_worst_queries_are_checked_too(samples, edited):
    worst = read_result(samples[0]).worst[0]
    bad = worst.model_copy(update={"first": worst.first.model_copy(update={"lang": "<b>"})})
    with pytest.raises(DataError, match="language '<b>'"):
        read_entries([edited(samples[0], worst=[bad])])


@pytest.mark.parametrize("lang", ['"><script>', "fr", "x" * 50, ""])
def test_languages_that_the_benchmark_does_not_list_are_refused(samples, edited, lang):
    with pytest.raises(DataError, match="language"):
        read_entries([edited(samples[0], pool={"AP": {lang: 0.5}})])


def test_a_listed_language_must_still_be_a_code(samples, edited):
    with pytest.raises(DataError, match="language '<b>'"):
        read_entries([edited(samples[0], benchmark__languages=["ar", "de", "en", "tr", "<b>"])])
